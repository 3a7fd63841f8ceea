package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// MaxJPEG is the largest encoded picture, in bytes.
const MaxJPEG = 16 << 20

// JPEG markers: ITU-T T.81, table B.1.
const (
	markerTEM  = 0x01 // stands alone, like the next
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
)

// JPEGs finds the pictures in a stream of JPEGs: one after the other, as
// programs write them on a pipe, or with anything between them, such as the
// boundaries and headers of multipart/x-mixed-replace, which no two cameras
// write alike. It goes by the structure of the pictures, so it hands one over
// as soon as its last byte is there and believes no length but theirs.
type JPEGs struct {
	r *bufio.Reader
	// begun says that the marker of the beginning has been read already: it
	// cut off the picture before.
	begun bool
}

// NewJPEGs reads from r.
func NewJPEGs(r io.Reader) *JPEGs { return &JPEGs{r: bufio.NewReaderSize(r, 64<<10)} }

// Next appends the next picture to buf. A picture that is cut off by the next
// one, is longer than [MaxJPEG] or has no JPEG structure is returned as far as
// it goes, for the decoder to refuse. The error is io.EOF after the last
// picture and io.ErrUnexpectedEOF in the middle of one.
func (j *JPEGs) Next(buf []byte) ([]byte, error) {
	if err := j.begin(); err != nil {
		return buf, err
	}
	start := len(buf)
	buf = append(buf, 0xff, markerSOI)
	inScan := false
	for len(buf)-start < MaxJPEG {
		var err error
		if inScan {
			buf, err = j.scan(buf)
			if err != nil {
				return buf, cutOff(err)
			}
		}
		marker, err := j.marker(inScan)
		if err != nil {
			return buf, cutOff(err)
		}
		switch {
		case marker == markerSOI:
			j.begun = true
			return buf, nil
		case marker == markerEOI:
			return append(buf, 0xff, markerEOI), nil
		case marker == 0 && !inScan:
			return buf, nil
		case marker == 0, marker >= markerRST0 && marker <= markerRST7, marker == markerTEM:
			buf = append(buf, 0xff, marker)
			continue
		}
		if buf, err = j.segment(buf, marker); err != nil {
			return buf, cutOff(err)
		}
		inScan = marker == markerSOS
	}
	return buf, nil
}

// cutOff is the error of a stream that ends within a picture.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin skips to the beginning of a picture.
func (j *JPEGs) begin() error {
	if j.begun {
		j.begun = false
		return nil
	}
	before := byte(0)
	for {
		b, err := j.r.ReadByte()
		if err != nil {
			return err
		}
		if before == 0xff && b == markerSOI {
			return nil
		}
		before = b
	}
}

// scan appends coded data up to the next 0xff.
func (j *JPEGs) scan(buf []byte) ([]byte, error) {
	for start := len(buf); len(buf)-start < MaxJPEG; {
		if _, err := j.r.Peek(1); err != nil {
			return buf, err
		}
		b, _ := j.r.Peek(j.r.Buffered())
		n := bytes.IndexByte(b, 0xff)
		if n < 0 {
			n = len(b)
		}
		buf = append(buf, b[:n]...)
		_, _ = j.r.Discard(n)
		if n < len(b) {
			break
		}
	}
	return buf, nil
}

// marker reads a marker and returns its second byte: 0 in a scan stands for
// the value 0xff, elsewhere for something that is no marker.
func (j *JPEGs) marker(inScan bool) (byte, error) {
	b, err := j.r.ReadByte()
	if err != nil || b != 0xff {
		return 0, err
	}
	for range 1024 { // fill bytes
		b, err = j.r.ReadByte()
		if err != nil || b != 0xff {
			break
		}
	}
	if b == 0xff || b == 0 && !inScan {
		return 0, err
	}
	return b, err
}

// segment appends a marker and what belongs to it.
func (j *JPEGs) segment(buf []byte, marker byte) ([]byte, error) {
	head, err := j.r.Peek(2)
	if err != nil {
		return buf, err
	}
	n := max(2, int(binary.BigEndian.Uint16(head))) // a smaller one is refused by the decoder
	buf = append(buf, 0xff, marker)
	at := len(buf)
	buf = append(buf, make([]byte, n)...)
	m, err := io.ReadFull(j.r, buf[at:])
	return buf[:at+m], err
}
