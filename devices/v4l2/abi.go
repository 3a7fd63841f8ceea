//go:build linux && (amd64 || arm64)

package v4l2

import "unsafe"

// This file is the part of the kernel's interface that is used here, in the
// layout of 64-bit Linux. Names and meanings are those of
// https://docs.kernel.org/userspace-api/media/v4l/v4l2.html without their
// prefix; a test compares them with the header linux/videodev2.h.

type capability struct {
	driver       [16]byte
	card         [32]byte
	busInfo      [32]byte
	version      uint32
	capabilities uint32
	deviceCaps   uint32
	reserved     [3]uint32
}

type fmtDesc struct {
	index       uint32
	typ         uint32
	flags       uint32
	description [32]byte
	pixelFormat uint32
	mbusCode    uint32
	reserved    [3]uint32
}

type pixFormat struct {
	width        uint32
	height       uint32
	pixelFormat  uint32
	field        uint32
	bytesPerLine uint32
	sizeImage    uint32
	colorspace   uint32
	priv         uint32
	flags        uint32
	ycbcrEnc     uint32
	quantization uint32
	xferFunc     uint32
}

// format is v4l2_format with the member of its union that is used here. The
// union holds pointers in other members, which aligns it.
type format struct {
	typ uint32
	_   uint32
	pix pixFormat
	_   [200 - unsafe.Sizeof(pixFormat{})]byte
}

type fract struct{ numerator, denominator uint32 }

type captureParm struct {
	capability   uint32
	captureMode  uint32
	timePerFrame fract
	extendedMode uint32
	readBuffers  uint32
	reserved     [4]uint32
}

type streamParm struct {
	typ     uint32
	capture captureParm
	_       [200 - unsafe.Sizeof(captureParm{})]byte
}

type requestBuffers struct {
	count        uint32
	typ          uint32
	memory       uint32
	capabilities uint32
	flags        uint8
	reserved     [3]uint8
}

type timeval struct{ sec, usec int64 }

type timecode struct {
	typ                             uint32
	flags                           uint32
	frames, seconds, minutes, hours uint8
	userbits                        [4]uint8
}

type buffer struct {
	index     uint32
	typ       uint32
	bytesUsed uint32
	flags     uint32
	field     uint32
	timestamp timeval
	timecode  timecode
	sequence  uint32
	memory    uint32
	offset    uint64 // the union m; only its first 32 bits mean something for mmap
	length    uint32
	reserved2 uint32
	requestFD int32
}

const (
	capVideoCapture       = 0x1
	capVideoCaptureMPlane = 0x1000
	capVideoM2MMPlane     = 0x4000
	capVideoM2M           = 0x8000
	capMetaCapture        = 0x800000
	capStreaming          = 0x4000000
	capDeviceCaps         = 0x80000000

	bufTypeVideoCapture = 1
	memoryMMap          = 1
	fieldNone           = 1
	privMagic           = 0xfeedcafe

	bufFlagError              = 0x40
	bufFlagTimestampMask      = 0xe000
	bufFlagTimestampMonotonic = 0x2000

	colorspaceSMPTE240M = 2
	colorspaceREC709    = 3
	colorspaceJPEG      = 7
	colorspaceBT2020    = 10
	colorspaceDCIP3     = 12

	encDefault   = 0
	enc601       = 1
	enc709       = 2
	encXV709     = 4
	encBT2020    = 6
	encBT2020CL  = 7
	encSMPTE240M = 8

	quantizationDefault = 0
	quantizationFull    = 1
	quantizationLimited = 2
)

// Requests, made as the macros _IOR, _IOW and _IOWR do.
const (
	iocWrite = 1 << 30
	iocRead  = 2 << 30

	vidiocQueryCap  = iocRead | unsafe.Sizeof(capability{})<<16 | 'V'<<8
	vidiocEnumFmt   = iocRead | iocWrite | unsafe.Sizeof(fmtDesc{})<<16 | 'V'<<8 | 2
	vidiocSetFmt    = iocRead | iocWrite | unsafe.Sizeof(format{})<<16 | 'V'<<8 | 5
	vidiocReqBufs   = iocRead | iocWrite | unsafe.Sizeof(requestBuffers{})<<16 | 'V'<<8 | 8
	vidiocQueryBuf  = iocRead | iocWrite | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 9
	vidiocQBuf      = iocRead | iocWrite | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 15
	vidiocDQBuf     = iocRead | iocWrite | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 17
	vidiocStreamOn  = iocWrite | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 18
	vidiocStreamOff = iocWrite | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 19
	vidiocSetParm   = iocRead | iocWrite | unsafe.Sizeof(streamParm{})<<16 | 'V'<<8 | 22
)

// fourCC makes the code of a pixel format.
func fourCC(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// fourCCText shows a code of a pixel format in messages.
func fourCCText(v uint32) string {
	b := []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

// text reads a string of the kernel.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
