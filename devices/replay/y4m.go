package replay

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"strconv"
	"strings"
)

// y4m reads the simple stream of uncompressed pictures that ffmpeg calls
// yuv4mpegpipe: one line of header, then for each picture a line "FRAME" and
// the planes Y, Cb, Cr. https://wiki.multimedia.cx/index.php/YUV4MPEG2
type y4m struct {
	r             *bufio.Reader
	width, height int
	fps           float64
	ratio         image.YCbCrSubsampleRatio
	mono          bool
}

// maxLine is the longest header line, in bytes.
const maxLine = 1024

func newY4M(r io.Reader, lim Limits) (*y4m, error) {
	y := &y4m{r: bufio.NewReaderSize(r, 1<<16), ratio: image.YCbCrSubsampleRatio420}
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
			y.width, err = strconv.Atoi(v)
		case 'H':
			y.height, err = strconv.Atoi(v)
		case 'F':
			y.fps, err = ratio(v)
		case 'C':
			err = y.colour(v)
		}
		if err != nil {
			return nil, fmt.Errorf("the video stream has a bad header field %q: %w", f, err)
		}
	}
	if y.width <= 0 || y.height <= 0 || y.width > lim.Side || y.height > lim.Side || int64(y.width)*int64(y.height)*3 > lim.Memory {
		return nil, fmt.Errorf("the video is %dx%d: sides from 1 to %d pixels can be played", y.width, y.height, lim.Side)
	}
	return y, nil
}

// line reads one line, without its end. It returns io.EOF only before the
// first byte.
func (y *y4m) line() (string, error) {
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

func (y *y4m) colour(v string) error {
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

// frame reads the next picture; io.EOF after the last.
func (y *y4m) frame() (image.Image, error) {
	line, err := y.line()
	if err != nil {
		return nil, err
	}
	if line != "FRAME" && !strings.HasPrefix(line, "FRAME ") {
		return nil, fmt.Errorf("the video stream has %.20q where a frame begins", line)
	}
	r := image.Rect(0, 0, y.width, y.height)
	if y.mono {
		g := image.NewGray(r)
		return g, y.fill(g.Pix)
	}
	p := image.NewYCbCr(r, y.ratio)
	for _, plane := range [][]byte{p.Y, p.Cb, p.Cr} {
		if err := y.fill(plane); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (y *y4m) fill(b []byte) error {
	_, err := io.ReadFull(y.r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
