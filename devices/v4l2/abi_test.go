//go:build linux && (amd64 || arm64)

package v4l2

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unsafe"
)

// layouts are the sizes, offsets and numbers of this package beside their C
// expressions.
func layouts() map[string]uint64 {
	var (
		c  capability
		d  fmtDesc
		f  format
		r  requestBuffers
		b  buffer
		sp streamParm
		qc queryControl
	)
	m := map[string]uintptr{
		"sizeof(struct v4l2_capability)":                                  unsafe.Sizeof(c),
		"offsetof(struct v4l2_capability, card)":                          unsafe.Offsetof(c.card),
		"offsetof(struct v4l2_capability, capabilities)":                  unsafe.Offsetof(c.capabilities),
		"offsetof(struct v4l2_capability, device_caps)":                   unsafe.Offsetof(c.deviceCaps),
		"sizeof(struct v4l2_fmtdesc)":                                     unsafe.Sizeof(d),
		"offsetof(struct v4l2_fmtdesc, pixelformat)":                      unsafe.Offsetof(d.pixelFormat),
		"sizeof(struct v4l2_pix_format)":                                  unsafe.Sizeof(f.pix),
		"sizeof(struct v4l2_format)":                                      unsafe.Sizeof(f),
		"offsetof(struct v4l2_format, fmt.pix)":                           unsafe.Offsetof(f.pix),
		"offsetof(struct v4l2_pix_format, bytesperline)":                  unsafe.Offsetof(f.pix.bytesPerLine),
		"offsetof(struct v4l2_pix_format, colorspace)":                    unsafe.Offsetof(f.pix.colorspace),
		"offsetof(struct v4l2_pix_format, priv)":                          unsafe.Offsetof(f.pix.priv),
		"offsetof(struct v4l2_pix_format, ycbcr_enc)":                     unsafe.Offsetof(f.pix.ycbcrEnc),
		"offsetof(struct v4l2_pix_format, quantization)":                  unsafe.Offsetof(f.pix.quantization),
		"sizeof(struct v4l2_requestbuffers)":                              unsafe.Sizeof(r),
		"offsetof(struct v4l2_requestbuffers, memory)":                    unsafe.Offsetof(r.memory),
		"sizeof(struct v4l2_buffer)":                                      unsafe.Sizeof(b),
		"offsetof(struct v4l2_buffer, bytesused)":                         unsafe.Offsetof(b.bytesUsed),
		"offsetof(struct v4l2_buffer, flags)":                             unsafe.Offsetof(b.flags),
		"offsetof(struct v4l2_buffer, timestamp)":                         unsafe.Offsetof(b.timestamp),
		"sizeof(((struct v4l2_buffer *)0)->timestamp)":                    unsafe.Sizeof(b.timestamp),
		"offsetof(struct v4l2_buffer, timecode)":                          unsafe.Offsetof(b.timecode),
		"offsetof(struct v4l2_buffer, sequence)":                          unsafe.Offsetof(b.sequence),
		"offsetof(struct v4l2_buffer, memory)":                            unsafe.Offsetof(b.memory),
		"offsetof(struct v4l2_buffer, m.offset)":                          unsafe.Offsetof(b.offset),
		"offsetof(struct v4l2_buffer, length)":                            unsafe.Offsetof(b.length),
		"offsetof(struct v4l2_buffer, request_fd)":                        unsafe.Offsetof(b.requestFD),
		"sizeof(struct v4l2_streamparm)":                                  unsafe.Sizeof(sp),
		"sizeof(struct v4l2_captureparm)":                                 unsafe.Sizeof(sp.capture),
		"offsetof(struct v4l2_streamparm, parm.capture)":                  unsafe.Offsetof(sp.capture),
		"offsetof(struct v4l2_captureparm, timeperframe)":                 unsafe.Offsetof(sp.capture.timePerFrame),
		"sizeof(struct v4l2_queryctrl)":                                   unsafe.Sizeof(qc),
		"offsetof(struct v4l2_queryctrl, minimum)":                        unsafe.Offsetof(qc.minimum),
		"offsetof(struct v4l2_queryctrl, default_value)":                  unsafe.Offsetof(qc.standard),
		"offsetof(struct v4l2_queryctrl, flags)":                          unsafe.Offsetof(qc.flags),
		"sizeof(struct v4l2_querymenu)":                                   unsafe.Sizeof(queryMenu{}),
		"sizeof(struct v4l2_control)":                                     unsafe.Sizeof(control{}),
		"VIDIOC_QUERYCTRL":                                                vidiocQueryCtrl,
		"VIDIOC_QUERYMENU":                                                vidiocQueryMenu,
		"VIDIOC_S_CTRL":                                                   vidiocSetCtrl,
		"V4L2_CTRL_FLAG_DISABLED":                                         controlDisabled,
		"V4L2_CTRL_FLAG_READ_ONLY":                                        controlReadOnly,
		"V4L2_EXPOSURE_AUTO":                                              exposureAuto,
		"V4L2_EXPOSURE_MANUAL":                                            exposureManual,
		"V4L2_EXPOSURE_APERTURE_PRIORITY":                                 exposureAperture,
		"VIDIOC_QUERYCAP":                                                 vidiocQueryCap,
		"VIDIOC_ENUM_FMT":                                                 vidiocEnumFmt,
		"VIDIOC_S_FMT":                                                    vidiocSetFmt,
		"VIDIOC_REQBUFS":                                                  vidiocReqBufs,
		"VIDIOC_QUERYBUF":                                                 vidiocQueryBuf,
		"VIDIOC_QBUF":                                                     vidiocQBuf,
		"VIDIOC_DQBUF":                                                    vidiocDQBuf,
		"VIDIOC_STREAMON":                                                 vidiocStreamOn,
		"VIDIOC_STREAMOFF":                                                vidiocStreamOff,
		"VIDIOC_S_PARM":                                                   vidiocSetParm,
		"V4L2_CAP_VIDEO_CAPTURE":                                          capVideoCapture,
		"V4L2_CAP_VIDEO_CAPTURE_MPLANE":                                   capVideoCaptureMPlane,
		"V4L2_CAP_VIDEO_M2M":                                              capVideoM2M,
		"V4L2_CAP_VIDEO_M2M_MPLANE":                                       capVideoM2MMPlane,
		"V4L2_CAP_META_CAPTURE":                                           capMetaCapture,
		"V4L2_CAP_STREAMING":                                              capStreaming,
		"V4L2_CAP_DEVICE_CAPS":                                            capDeviceCaps,
		"V4L2_BUF_TYPE_VIDEO_CAPTURE":                                     bufTypeVideoCapture,
		"V4L2_MEMORY_MMAP":                                                memoryMMap,
		"V4L2_FIELD_NONE":                                                 fieldNone,
		"V4L2_PIX_FMT_PRIV_MAGIC":                                         privMagic,
		"V4L2_BUF_FLAG_ERROR":                                             bufFlagError,
		"V4L2_BUF_FLAG_TIMESTAMP_MASK":                                    bufFlagTimestampMask,
		"V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC":                               bufFlagTimestampMonotonic,
		"V4L2_COLORSPACE_SMPTE240M":                                       colorspaceSMPTE240M,
		"V4L2_COLORSPACE_REC709":                                          colorspaceREC709,
		"V4L2_COLORSPACE_JPEG":                                            colorspaceJPEG,
		"V4L2_COLORSPACE_BT2020":                                          colorspaceBT2020,
		"V4L2_COLORSPACE_DCI_P3":                                          colorspaceDCIP3,
		"V4L2_YCBCR_ENC_601":                                              enc601,
		"V4L2_YCBCR_ENC_709":                                              enc709,
		"V4L2_YCBCR_ENC_XV709":                                            encXV709,
		"V4L2_YCBCR_ENC_BT2020":                                           encBT2020,
		"V4L2_YCBCR_ENC_BT2020_CONST_LUM":                                 encBT2020CL,
		"V4L2_YCBCR_ENC_SMPTE240M":                                        encSMPTE240M,
		"V4L2_QUANTIZATION_FULL_RANGE":                                    quantizationFull,
		"V4L2_QUANTIZATION_LIM_RANGE":                                     quantizationLimited,
		"V4L2_MAP_YCBCR_ENC_DEFAULT(V4L2_COLORSPACE_SRGB)":                enc601,
		"V4L2_MAP_QUANTIZATION_DEFAULT(0, V4L2_COLORSPACE_SRGB, 0)":       quantizationLimited,
		"V4L2_MAP_QUANTIZATION_DEFAULT(0, V4L2_COLORSPACE_JPEG, 0)":       quantizationFull,
		"(unsigned)V4L2_MAP_YCBCR_ENC_DEFAULT(V4L2_COLORSPACE_DCI_P3)":    enc709,
		"(unsigned)V4L2_MAP_YCBCR_ENC_DEFAULT(V4L2_COLORSPACE_REC709)":    enc709,
		"(unsigned)V4L2_MAP_YCBCR_ENC_DEFAULT(V4L2_COLORSPACE_BT2020)":    encBT2020,
		"(unsigned)V4L2_MAP_YCBCR_ENC_DEFAULT(V4L2_COLORSPACE_SMPTE240M)": encSMPTE240M,
	}
	out := map[string]uint64{}
	for k, v := range m {
		out[k] = uint64(v)
	}
	for name, code := range map[string]string{"YUYV": "YUYV", "UYVY": "UYVY", "NV12": "NV12", "YUV420": "YU12", "RGB24": "RGB3", "BGR24": "BGR3", "GREY": "GREY", "MJPEG": "MJPG", "JPEG": "JPEG"} {
		out["V4L2_PIX_FMT_"+name] = uint64(fourCC(code))
	}
	for name, cid := range map[string]string{
		"BRIGHTNESS": "brightness", "CONTRAST": "contrast", "SATURATION": "saturation", "HUE": "hue", "GAMMA": "gamma", "SHARPNESS": "sharpness",
		"BACKLIGHT_COMPENSATION": "backlight", "WHITE_BALANCE_TEMPERATURE": "white_balance", "GAIN": "gain", "EXPOSURE_ABSOLUTE": "exposure",
		"FOCUS_ABSOLUTE": "focus", "ZOOM_ABSOLUTE": "zoom", "PAN_ABSOLUTE": "pan", "TILT_ABSOLUTE": "tilt", "HFLIP": "hflip", "VFLIP": "vflip",
		"POWER_LINE_FREQUENCY": "power_line",
	} {
		out["V4L2_CID_"+name] = uint64(knobNamed(cid).ids[0])
	}
	for name, cid := range map[string]string{"HUE_AUTO": "hue", "AUTO_WHITE_BALANCE": "white_balance", "AUTOGAIN": "gain", "EXPOSURE_AUTO": "exposure", "FOCUS_AUTO": "focus"} {
		out["V4L2_CID_"+name] = uint64(knobNamed(cid).auto)
	}
	out["V4L2_CID_ANALOGUE_GAIN"], out["V4L2_CID_EXPOSURE"] = uint64(knobNamed("gain").ids[1]), uint64(knobNamed("exposure").ids[1])
	return out
}

func knobNamed(name string) knob {
	for _, k := range knobs() {
		if k.name == name {
			return k
		}
	}
	panic("there is no knob " + name)
}

// The kernel's own header judges the layouts, by the compilers of both boards.
func TestLayoutsAreThoseOfTheKernel(t *testing.T) {
	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include <sys/time.h>\n#include <linux/videodev2.h>\n")
	for expr, v := range layouts() {
		fmt.Fprintf(&c, "_Static_assert((unsigned long)(%s) == %#xul, \"%s is not %d\");\n", expr, v, strings.ReplaceAll(expr, `"`, ``), v)
	}
	for compiler, install := range map[string]string{"gcc": "gcc libc6-dev", "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"} {
		path, err := exec.LookPath(compiler)
		if err != nil {
			t.Errorf("this test needs %s: apt install %s", compiler, install)
			continue
		}
		cmd := exec.Command(path, "-fsyntax-only", "-x", "c", "-")
		cmd.Stdin = strings.NewReader(c.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", compiler, err, out)
		}
	}
}

// The sizes, in numbers, for machines without the header.
func TestSizes(t *testing.T) {
	for name, sizes := range map[string][2]uintptr{
		"capability":     {unsafe.Sizeof(capability{}), 104},
		"fmtDesc":        {unsafe.Sizeof(fmtDesc{}), 64},
		"format":         {unsafe.Sizeof(format{}), 208},
		"requestBuffers": {unsafe.Sizeof(requestBuffers{}), 20},
		"buffer":         {unsafe.Sizeof(buffer{}), 88},
		"streamParm":     {unsafe.Sizeof(streamParm{}), 204},
	} {
		if sizes[0] != sizes[1] {
			t.Errorf("%s has %d bytes, want %d", name, sizes[0], sizes[1])
		}
	}
}

func TestText(t *testing.T) {
	if got := text([]byte("abc\x00def")); got != "abc" {
		t.Errorf("%q", got)
	}
	if got := text([]byte("abc")); got != "abc" {
		t.Errorf("%q", got)
	}
	if got := fourCCText(fourCC("YUYV")); got != "YUYV" {
		t.Errorf("%q", got)
	}
}
