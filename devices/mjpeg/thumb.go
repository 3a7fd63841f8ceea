package mjpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// ErrUnsupported says that a JPEG is of a kind that [Thumb] does not read:
// progressive, arithmetically coded, of 12 bits, or without luminance. An
// ordinary decoder may read it.
var ErrUnsupported = errors.New("no baseline JPEG with luminance")

// A thumbnail is at least this large when the picture is four times as large:
// then it is made of halves of blocks, else of whole blocks.
const wantWidth, wantHeight = 160, 120

// Thumb reads the luminance of JPEG pictures at a small size: each pixel is the
// mean of 4 by 4 pixels of the picture, or of 8 by 8 when that still gives 160
// by 120. It decodes the Huffman codes and of each block only the coefficients
// that such means depend on most; there is no inverse transform, and nothing is
// computed for the colours. The error of a mean of 4 by 4 is that of leaving out
// higher frequencies: small beside the noise of a camera, and the same in every
// picture of a scene.
//
// Damage is noticed as by an ordinary decoder, except for what is wrong with
// coefficients that are not looked at. A Thumb allocates when the size changes
// and never else. It is used by one goroutine; the zero value is ready.
type Thumb struct {
	tables [2][4]huffman // DC, AC
	usual  bool          // tables are the usual ones
	quant  [4][4]int32   // of the coefficients that are looked at
	quants [4]bool       // which are defined

	comps    [3]component
	n        int // components
	w, h     int // of the picture
	hs, vs   int // largest sampling factors
	interval int // MCUs between restarts, 0: none
	gray     image.Gray
	padded   []uint8 // the pixels of gray, whole MCUs
}

// Decode returns the luminance of the picture in b. The result is the Thumb's
// own and valid until the next call; it may be written to.
func (t *Thumb) Decode(b []byte) (*image.Gray, error) {
	b, err := begin(b)
	if err != nil {
		return nil, err
	}
	t.n, t.interval, t.quants = 0, 0, [4]bool{}
	tables := false // this picture brings its own
	for at := 2; ; {
		marker, body, next, err := segment(b, at)
		if err != nil {
			return nil, err
		}
		switch {
		case marker == markerDQT:
			err = t.readQuants(body)
		case marker == markerDHT:
			if !tables {
				t.forget()
			}
			tables = true
			err = t.readTables(body)
		case marker == markerSOF0 || marker == markerSOF1:
			err = t.readFrame(body)
		case marker == markerAPPE && len(body) >= 12 && string(body[:5]) == "Adobe" && body[11] != 1:
			err = ErrUnsupported // RGB, CMYK
		case marker >= markerSOF2 && marker <= 0xcf && marker != markerJPG:
			err = ErrUnsupported
		case marker == markerDRI:
			if len(body) != 2 {
				return nil, errTable
			}
			t.interval = int(binary.BigEndian.Uint16(body))
		case marker == markerSOS:
			if !tables {
				err = t.adopt()
			}
			if err == nil {
				err = t.readScan(body)
			}
			if err != nil {
				return nil, err
			}
			return t.scan(b[next:])
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
}

// forget drops the Huffman tables of the picture before.
func (t *Thumb) forget() {
	t.usual = false
	for class := range t.tables {
		for number := range t.tables[class] {
			t.tables[class][number].defined = false
		}
	}
}

// adopt takes the usual Huffman tables, if they are not there from the picture before.
func (t *Thumb) adopt() error {
	if t.usual {
		return nil
	}
	for class, tables := range usual() {
		for number, u := range tables {
			if err := t.tables[class][number].define(&u.counts, u.values); err != nil {
				return err
			}
		}
	}
	t.usual = true
	return nil
}

var errQuant = errors.New("a quantisation table of the JPEG is damaged")

func (t *Thumb) readQuants(body []byte) error {
	for len(body) > 0 {
		number, wide := body[0]&15, int(body[0]>>4)
		if number > 3 || wide > 1 || len(body) < 1+64<<wide {
			return errQuant
		}
		for i, k := range lookedAt {
			if wide == 1 {
				t.quant[number][i] = int32(binary.BigEndian.Uint16(body[1+2*k:]))
			} else {
				t.quant[number][i] = int32(body[1+k])
			}
		}
		t.quants[number] = true
		body = body[1+64<<wide:]
	}
	return nil
}

func (t *Thumb) readTables(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return errTable
		}
		class, number := body[0]>>4, body[0]&15
		counts := (*[16]byte)(body[1:17])
		n := 0
		for _, c := range counts {
			n += int(c)
		}
		if class > 1 || number > 3 || n > 256 || len(body) < 17+n {
			return errTable
		}
		if err := t.tables[class][number].define(counts, body[17:17+n]); err != nil {
			return err
		}
		body = body[17+n:]
	}
	return nil
}

var errFrame = errors.New("the frame header of the JPEG is damaged")

func (t *Thumb) readFrame(body []byte) error {
	if t.n != 0 || len(body) < 6 {
		return errFrame
	}
	if body[0] != 8 {
		return ErrUnsupported
	}
	t.h, t.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	n := int(body[5])
	if t.h == 0 || n == 4 || n == 2 {
		return ErrUnsupported // the height follows later, four colours
	}
	if t.w == 0 || n > len(t.comps) || n < 1 || len(body) != 6+3*n {
		return errFrame
	}
	t.hs, t.vs = 0, 0
	for i := range n {
		c := body[6+3*i:]
		h, v := int(c[1]>>4), int(c[1]&15)
		if h < 1 || h > 4 || v < 1 || v > 4 || c[2] > 3 {
			return errFrame
		}
		t.comps[i] = component{id: c[0], h: h, v: v, quant: c[2]}
		t.hs, t.vs = max(t.hs, h), max(t.vs, v)
	}
	if n == 1 {
		t.comps[0].h, t.comps[0].v, t.hs, t.vs = 1, 1, 1, 1 // a single component has MCUs of one block
	}
	if n == 3 && t.comps[0].id == 'R' || t.comps[0].h != t.hs || t.comps[0].v != t.vs {
		return ErrUnsupported // no luminance, or less of it than of colour
	}
	t.n = n
	return nil
}

var errScan = errors.New("the scan header of the JPEG is damaged")

func (t *Thumb) readScan(body []byte) error {
	if t.n == 0 || len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return errScan
	}
	if int(body[0]) != t.n {
		return ErrUnsupported // a scan for each colour
	}
	for i := range t.n {
		c := &t.comps[i]
		id, td, ta := body[1+2*i], body[2+2*i]>>4, body[2+2*i]&15
		if id != c.id || td > 3 || ta > 3 {
			return errScan
		}
		c.dc, c.ac, c.prediction = &t.tables[0][td], &t.tables[1][ta], 0
		if !c.dc.defined || !c.ac.defined || !t.quants[c.quant] {
			return errScan
		}
	}
	return nil
}

// grid prepares the pixels: side of them for each block, and returns the number
// of MCUs.
func (t *Thumb) grid() (mx, my, side int) {
	mx = (t.w + 8*t.hs - 1) / (8 * t.hs)
	my = (t.h + 8*t.vs - 1) / (8 * t.vs)
	side = 2
	if t.w/8 >= wantWidth && t.h/8 >= wantHeight {
		side = 1
	}
	stride, rows := mx*t.hs*side, my*t.vs*side
	if cap(t.padded) < stride*rows {
		t.padded = make([]uint8, stride*rows)
	}
	t.gray = image.Gray{Pix: t.padded[:stride*rows], Stride: stride, Rect: image.Rect(0, 0, (t.w*side+7)/8, (t.h*side+7)/8)}
	return mx, my, side
}

// scan decodes the picture.
func (t *Thumb) scan(data []byte) (*image.Gray, error) {
	// Every MCU takes a bit at least, so a header alone takes no memory.
	if mcus := ((t.w + 8*t.hs - 1) / (8 * t.hs)) * ((t.h + 8*t.vs - 1) / (8 * t.vs)); mcus > 8*len(data) {
		return nil, errCut
	}
	mx, my, side := t.grid()
	b := bits{data: data}
	left := t.interval
	for y := range my {
		for x := range mx {
			if t.interval > 0 {
				if left == 0 {
					if !b.restart() {
						return nil, fmt.Errorf("the JPEG lacks a restart marker in row %d", y*8*t.vs)
					}
					for i := range t.comps {
						t.comps[i].prediction = 0
					}
					left = t.interval
				}
				left--
			}
			if !t.unit(&b, x*t.hs*side, y*t.vs*side, side) {
				return nil, fmt.Errorf("the JPEG is damaged in row %d of its picture", y*8*t.vs)
			}
			if b.over() {
				return nil, errCut
			}
		}
	}
	return &t.gray, nil
}

// unit decodes an MCU whose upper left pixel of the thumbnail is (x, y).
func (t *Thumb) unit(b *bits, x, y, side int) bool {
	luma := &t.comps[0]
	for v := range luma.v {
		for h := range luma.h {
			c, ok := luma.block(b, &t.quant[luma.quant])
			if !ok {
				return false
			}
			p := t.gray.Pix[(y+v*side)*t.gray.Stride+x+h*side:]
			if side == 1 {
				p[0] = level(c[0] << 10)
				continue
			}
			dc, dx, dy, dxy := c[0]<<10, c[1]*toSide, c[2]*toSide, c[3]*toCorner
			below := p[t.gray.Stride:]
			p[0], p[1] = level(dc+dx+dy+dxy), level(dc-dx+dy-dxy)
			below[0], below[1] = level(dc+dx-dy-dxy), level(dc-dx-dy+dxy)
		}
	}
	for i := 1; i < t.n; i++ {
		c := &t.comps[i]
		for range c.h * c.v {
			if !c.skip(b) {
				return false
			}
		}
	}
	return true
}

// lookedAt are the coefficients that count, in the order of the file: the mean,
// the lowest frequency across, the lowest down, and both. scale is one level
// in the fixed point numbers below.
var lookedAt = [4]int{0, 1, 2, 4}

const scale = 1 << 13

// The mean over a quarter of a block, of the inverse transform (T.81, A.3.3) of
// one coefficient: with m the mean of cos((2x+1)π/16) for x = 0..3, 0.640729,
// it is 1/8 of the mean, m/(4√2) of the first frequency of one way, m²/4 of that
// of both.
const (
	toSide   = 928 // 0.113266 of scale
	toCorner = 841 // 0.102633 of it
)

// level rounds a fixed point number to a pixel.
func level(v int32) uint8 {
	return uint8(min(255, max(0, (v+scale/2)>>13+128)))
}
