package stream

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Y4M reads the simple stream of uncompressed pictures that ffmpeg calls
// yuv4mpegpipe: one line of header, then for each picture a line "FRAME" and
// the planes Y, Cb, Cr. https://wiki.multimedia.cx/index.php/YUV4MPEG2
type Y4M struct {
	// Width and Height of the pictures, in pixels.
	Width, Height int
	// FPS is how many there are in a second, 0 when the stream does not say so.
	FPS float64

	r     *bufio.Reader
	ratio image.YCbCrSubsampleRatio
	mono  bool
}

// maxLine is the longest header line, in bytes.
const maxLine = 1024

// NewY4M reads the header. A side may have maxSide pixels, and a picture may
// take maxMemory bytes with chroma at full size. The error is io.EOF when r has
// nothing at all.
func NewY4M(r io.Reader, maxSide int, maxMemory int64) (*Y4M, error) {
	y := &Y4M{r: bufio.NewReaderSize(r, 1<<16), ratio: image.YCbCrSubsampleRatio420}
	line, err := y.line()
	if err != nil {
		return nil, err // io.EOF when nothing came at all
	}
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != "YUV4MPEG2" {
		return nil, errors.New("the video stream does not begin with YUV4MPEG2")
	}
	for _, f := range fields[1:] {
		v := f[1:]
		switch f[0] {
		case 'W':
			y.Width, err = strconv.Atoi(v)
		case 'H':
			y.Height, err = strconv.Atoi(v)
		case 'F':
			y.FPS, err = ratio(v)
		case 'C':
			err = y.colour(v)
		}
		if err != nil {
			return nil, fmt.Errorf("the video stream has a bad header field %q: %w", f, err)
		}
	}
	if y.Width <= 0 || y.Height <= 0 || y.Width > maxSide || y.Height > maxSide || int64(y.Width)*int64(y.Height)*3 > maxMemory {
		return nil, fmt.Errorf("the video is %dx%d: sides from 1 to %d pixels can be played", y.Width, y.Height, maxSide)
	}
	return y, nil
}

// line reads one line, without its end. It returns io.EOF only before the
// first byte.
func (y *Y4M) line() (string, error) {
	var b []byte
	for len(b) < maxLine {
		c, err := y.r.ReadByte()
		if err == io.EOF && len(b) > 0 {
			return "", io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(b), nil
		}
		b = append(b, c)
	}
	return "", fmt.Errorf("the video stream has a line of more than %d bytes", maxLine)
}

func (y *Y4M) colour(v string) error {
	switch {
	case v == "mono":
		y.mono = true
	case v == "420" || v == "420jpeg" || v == "420mpeg2" || v == "420paldv":
		y.ratio = image.YCbCrSubsampleRatio420
	case v == "422":
		y.ratio = image.YCbCrSubsampleRatio422
	case v == "444":
		y.ratio = image.YCbCrSubsampleRatio444
	default:
		return errors.New("unknown colour format")
	}
	return nil
}

// ratio reads "25:1"; 0:0 is unknown and gives 0.
func ratio(v string) (float64, error) {
	num, den, ok := strings.Cut(v, ":")
	n, err1 := strconv.ParseUint(num, 10, 32)
	d, err2 := strconv.ParseUint(den, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return 0, errors.New("not a ratio of two numbers")
	}
	if d == 0 {
		return 0, nil
	}
	return float64(n) / float64(d), nil
}

// Next reads the next picture and appends its planes to buf; io.EOF after the
// last.
func (y *Y4M) Next(buf []byte) ([]byte, error) {
	line, err := y.line()
	if err != nil {
		return buf, err
	}
	if line != "FRAME" && !strings.HasPrefix(line, "FRAME ") {
		return buf, fmt.Errorf("the video stream has %.20q where a frame begins", line)
	}
	luma, chroma := y.planes()
	at := len(buf)
	buf = slices.Grow(buf, luma+2*chroma)[:at+luma+2*chroma]
	if _, err := io.ReadFull(y.r, buf[at:]); err != nil {
		return buf[:at], cutOff(err)
	}
	return buf, nil
}

// planes returns the bytes of the plane Y and of each of Cb and Cr.
func (y *Y4M) planes() (luma, chroma int) {
	w, h := y.Width, y.Height
	switch {
	case y.mono:
		return w * h, 0
	case y.ratio == image.YCbCrSubsampleRatio420:
		return w * h, (w + 1) / 2 * ((h + 1) / 2)
	case y.ratio == image.YCbCrSubsampleRatio422:
		return w * h, (w + 1) / 2 * h
	}
	return w * h, w * h
}

// Image is the picture in data, which [Y4M.Next] has read: an *image.YCbCr or
// an *image.Gray that shares data.
func (y *Y4M) Image(data []byte) image.Image {
	luma, chroma := y.planes()
	r := image.Rect(0, 0, y.Width, y.Height)
	if y.mono {
		return &image.Gray{Pix: data, Stride: y.Width, Rect: r}
	}
	p := &image.YCbCr{
		Y: data[:luma:luma], Cb: data[luma : luma+chroma : luma+chroma], Cr: data[luma+chroma : luma+2*chroma : luma+2*chroma],
		YStride: y.Width, CStride: y.Width, SubsampleRatio: y.ratio, Rect: r,
	}
	if y.ratio != image.YCbCrSubsampleRatio444 {
		p.CStride = (y.Width + 1) / 2
	}
	return p
}
