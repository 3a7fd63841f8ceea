//go:build linux && (amd64 || arm64)

package v4l2

import (
	"image"
	"math"
)

// colour turns the YCbCr of a camera into that of image.YCbCr, which is BT.601
// in full range (as JPEG has it): most cameras give limited range, and those
// of high definition BT.709.
// https://docs.kernel.org/userspace-api/media/v4l/colorspaces-details.html
type colour struct {
	luma, chroma [256]uint8 // range
	// Another matrix than BT.601, or nil. All in 1/65536: what Cb and Cr add to
	// Y, then to Cb, then to Cr.
	mix *[3][2]int32
}

// newColour reads what the driver says of its colours; nil when there is
// nothing to correct.
func newColour(f pixFormat) *colour {
	kr, kb := weights(f)
	full := f.quantization == quantizationFull || f.quantization == quantizationDefault && f.colorspace == colorspaceJPEG
	if full && kr == kr601 {
		return nil
	}
	c := &colour{}
	for i := range 256 {
		c.luma[i], c.chroma[i] = uint8(i), uint8(i)
		if !full {
			c.luma[i] = clamp(math.Round(float64(i-16) * 255 / 219))
			c.chroma[i] = clamp(math.Round(float64(i-128)*255/224) + 128)
		}
	}
	if kr != kr601 {
		c.mix = change(kr, kb)
	}
	return c
}

// Luma is kr*R + (1-kr-kb)*G + kb*B.
const kr601, kb601 = .299, .114

// weights returns kr and kb of the camera, by the rules for defaults in
// linux/videodev2.h (V4L2_MAP_YCBCR_ENC_DEFAULT).
func weights(f pixFormat) (kr, kb float64) {
	enc := f.ycbcrEnc
	if enc == encDefault {
		switch f.colorspace {
		case colorspaceREC709, colorspaceDCIP3:
			enc = enc709
		case colorspaceBT2020:
			enc = encBT2020
		case colorspaceSMPTE240M:
			enc = encSMPTE240M
		}
	}
	switch enc {
	case enc709, encXV709:
		return .2126, .0722
	case encBT2020, encBT2020CL:
		return .2627, .0593
	case encSMPTE240M:
		return .212, .087
	}
	return kr601, kb601
}

// change is the way from YCbCr with weights kr and kb through RGB to that of
// BT.601. Y itself adds to Y only, as grey stays grey.
func change(kr, kb float64) *[3][2]int32 {
	kg := 1 - kr - kb
	var m [3][2]int32
	for i, chroma := range [2][2]float64{{1, 0}, {0, 1}} {
		cb, cr := chroma[0], chroma[1]
		r := 2 * (1 - kr) * cr
		b := 2 * (1 - kb) * cb
		g := -(kr*r + kb*b) / kg
		y := kr601*r + (1-kr601-kb601)*g + kb601*b
		for j, v := range [3]float64{y, (b - y) / (2 * (1 - kb601)), (r - y) / (2 * (1 - kr601))} {
			m[j][i] = int32(math.Round(65536 * v))
		}
	}
	return &m
}

// correct changes p in place.
func (c *colour) correct(p *image.YCbCr) {
	for i, v := range p.Y {
		p.Y[i] = c.luma[v]
	}
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = c.chroma[p.Cb[i]], c.chroma[p.Cr[i]]
	}
	if c.mix == nil {
		return
	}
	w, h := p.Rect.Dx(), p.Rect.Dy()
	tall := 1 // rows of luma for one of chroma
	if p.SubsampleRatio == image.YCbCrSubsampleRatio420 {
		tall = 2
	}
	m := c.mix
	for cy := range len(p.Cb) / p.CStride {
		for cx := range half(w) {
			at := cy*p.CStride + cx
			cb, cr := int32(p.Cb[at])-128, int32(p.Cr[at])-128
			add := (m[0][0]*cb + m[0][1]*cr + 1<<15) >> 16
			for y := cy * tall; y < min(h, (cy+1)*tall); y++ {
				for x := 2 * cx; x < min(w, 2*cx+2); x++ {
					v := &p.Y[y*p.YStride+x]
					*v = clampInt(int32(*v) + add)
				}
			}
			p.Cb[at] = clampInt((m[1][0]*cb+m[1][1]*cr+1<<15)>>16 + 128)
			p.Cr[at] = clampInt((m[2][0]*cb+m[2][1]*cr+1<<15)>>16 + 128)
		}
	}
}

func clamp(v float64) uint8 { return uint8(min(255, max(0, v))) }

func clampInt(v int32) uint8 { return uint8(min(255, max(0, v))) }
