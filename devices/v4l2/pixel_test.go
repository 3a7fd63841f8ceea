//go:build linux && (amd64 || arm64)

package v4l2

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
)

// pack writes a picture in a camera format, with rows that are pad bytes
// longer than needed; the padding is 0xee.
func pack(p *pixel, w, h, pad int, at func(x, y int) (y0, cb, cr byte)) (b []byte, stride int) {
	stride = p.line(w) + pad
	b = make([]byte, p.need(w, h, stride)+3*pad)
	for i := range b {
		b[i] = 0xee
	}
	for y := range h {
		for x := range w {
			l, u, v := at(x, y)
			cx, cy, row := x/2, y/2, b[y*stride:]
			switch p.name {
			case "yuyv":
				row[2*x], row[4*cx+1], row[4*cx+3] = l, u, v
			case "uyvy":
				row[2*x+1], row[4*cx], row[4*cx+2] = l, u, v
			case "nv12":
				row[x] = l
				b[stride*h+cy*stride+2*cx], b[stride*h+cy*stride+2*cx+1] = u, v
			case "yuv420":
				row[x] = l
				b[stride*h+cy*(stride/2)+cx] = u
				b[stride*h+(h+1)/2*(stride/2)+cy*(stride/2)+cx] = v
			case "rgb24":
				row[3*x], row[3*x+1], row[3*x+2] = l, u, v
			case "bgr24":
				row[3*x+2], row[3*x+1], row[3*x] = l, u, v
			case "grey":
				row[x] = l
			}
		}
	}
	return b, stride
}

func TestUnpack(t *testing.T) {
	for _, p := range pixels() {
		if p.unpack == nil {
			continue
		}
		for _, size := range [][3]int{{8, 6, 0}, {8, 6, 8}, {7, 5, 0}, {7, 5, 2}, {2, 2, 4}, {1, 1, 0}} {
			w, h, pad := size[0], size[1], size[2]
			// Chroma is the same for the four pixels that may share it.
			at := func(x, y int) (byte, byte, byte) {
				return byte(1 + 16*y + x), byte(100 + 16*(y/2) + x/2), byte(180 + 16*(y/2) + x/2)
			}
			b, stride := pack(&p, w, h, pad, at)
			l, err := newLayout(pixFormat{width: uint32(w), height: uint32(h), bytesPerLine: uint32(stride), pixelFormat: fourCC(p.codes[0]), quantization: quantizationFull})
			if err != nil {
				t.Fatal(err)
			}
			img, err := l.unpack(b)
			if err != nil {
				t.Fatalf("%s %v: %v", p.name, size, err)
			}
			if img.Bounds() != image.Rect(0, 0, w, h) {
				t.Fatalf("%s %v: %v", p.name, size, img.Bounds())
			}
			for y := range h {
				for x := range w {
					y0, cb, cr := at(x, y)
					var want color.Color = color.YCbCr{Y: y0, Cb: cb, Cr: cr}
					switch p.name {
					case "rgb24", "bgr24":
						want = color.RGBA{y0, cb, cr, 255}
					case "grey":
						want = color.Gray{Y: y0}
					}
					if got := img.At(x, y); got != want {
						t.Fatalf("%s %v: (%d,%d) is %v, want %v", p.name, size, x, y, got, want)
					}
				}
			}
			if _, err := l.unpack(b[:p.need(w, h, stride)]); err != nil {
				t.Errorf("%s %v: just the needed bytes: %v", p.name, size, err)
			}
			if _, err := l.unpack(b[:p.need(w, h, stride)-1]); err == nil {
				t.Errorf("%s %v: a byte too few was not noticed", p.name, size)
			}
		}
	}
}

func TestStrideOfDriver(t *testing.T) {
	f := pixFormat{width: 64, height: 48, pixelFormat: fourCC("YUYV")}
	for _, tt := range []struct {
		stride uint32
		want   int
	}{{0, 128}, {128, 128}, {160, 160}, {127, -1}, {8*MaxSide + 1, -1}, {math.MaxUint32, -1}} {
		f.bytesPerLine = tt.stride
		l, err := newLayout(f)
		if err == nil {
			if l.stride != tt.want {
				t.Errorf("%d bytes per line: %d, want %d", tt.stride, l.stride, tt.want)
			}
		} else if tt.want != -1 {
			t.Errorf("%d bytes per line: %v", tt.stride, err)
		}
	}
}

// encode makes YCbCr of a colour by the definition, in full or limited range.
func encode(r, g, b, kr, kb float64, full bool) (y, cb, cr float64) {
	y = kr*r + (1-kr-kb)*g + kb*b
	cb, cr = (b-y)/(2*(1-kb)), (r-y)/(2*(1-kr))
	if full {
		return y, cb + 128, cr + 128
	}
	return 16 + y*219/255, 128 + cb*224/255, 128 + cr*224/255
}

// Whatever a camera says of its colours, the picture has those that it saw.
func TestColours(t *testing.T) {
	spaces := []struct {
		name   string
		f      pixFormat
		kr, kb float64
		full   bool
	}{
		{"a usual camera", pixFormat{colorspace: 8}, .299, .114, false},
		{"JPEG", pixFormat{colorspace: colorspaceJPEG}, .299, .114, true},
		{"full range", pixFormat{colorspace: 8, quantization: quantizationFull}, .299, .114, true},
		{"JPEG, limited", pixFormat{colorspace: colorspaceJPEG, quantization: quantizationLimited}, .299, .114, false},
		{"BT.709", pixFormat{colorspace: colorspaceREC709}, .2126, .0722, false},
		{"BT.709, full", pixFormat{colorspace: colorspaceREC709, quantization: quantizationFull}, .2126, .0722, true},
		{"BT.709 in sRGB", pixFormat{colorspace: 8, ycbcrEnc: enc709}, .2126, .0722, false},
		{"BT.601 in BT.709", pixFormat{colorspace: colorspaceREC709, ycbcrEnc: enc601}, .299, .114, false},
		{"BT.2020", pixFormat{colorspace: colorspaceBT2020}, .2627, .0593, false},
		{"SMPTE 240M", pixFormat{colorspace: colorspaceSMPTE240M}, .212, .087, false},
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range spaces {
		for _, code := range []string{"YUYV", "NV12"} {
			s.f.width, s.f.height, s.f.pixelFormat = 2, 2, fourCC(code)
			l, err := newLayout(s.f)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.
			for range 500 {
				want := [3]float64{float64(rnd.IntN(256)), float64(rnd.IntN(256)), float64(rnd.IntN(256))}
				y, cb, cr := encode(want[0], want[1], want[2], s.kr, s.kb, s.full)
				b, _ := pack(&l.pixel, 2, 2, 0, func(int, int) (byte, byte, byte) {
					return byte(math.Round(y)), byte(min(255, math.Round(cb))), byte(min(255, math.Round(cr)))
				})
				img, err := l.unpack(b)
				if err != nil {
					t.Fatal(err)
				}
				for _, pt := range []image.Point{{0, 0}, {1, 1}} {
					r, g, bl, _ := img.At(pt.X, pt.Y).RGBA()
					for i, v := range []uint32{r, g, bl} {
						worst = max(worst, math.Abs(float64(v>>8)-want[i]))
					}
				}
			}
			// Rounding to 8 bits three times: half a step each, times 1.772 for
			// blue, and times 255/219 or 255/224 for limited range; saturated
			// colours may leave the range of the other matrix.
			if limit := 6.; worst > limit {
				t.Errorf("%s in %s: a channel is off by %v", s.name, code, worst)
			}
		}
	}
}

func TestGreyStaysGrey(t *testing.T) {
	for _, f := range []pixFormat{{colorspace: colorspaceREC709}, {colorspace: 8}, {colorspace: colorspaceBT2020}} {
		c := newColour(f)
		for v := range 256 {
			p := image.NewYCbCr(image.Rect(0, 0, 3, 3), image.YCbCrSubsampleRatio420)
			for i := range p.Y {
				p.Y[i] = byte(v)
			}
			for i := range p.Cb {
				p.Cb[i], p.Cr[i] = 128, 128
			}
			c.correct(p)
			want := byte(min(255, max(0, math.Round(float64(v-16)*255/219))))
			if p.Y[8] != want || p.Cb[3] != 128 || p.Cr[3] != 128 {
				t.Fatalf("grey %d became %d %d %d", v, p.Y[8], p.Cb[3], p.Cr[3])
			}
		}
	}
}
