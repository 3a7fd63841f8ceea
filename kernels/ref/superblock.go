package ref

import "encoding/binary"

// The K formats: superblocks of 256 values with their own small scales.

func decodeQ2K(y []float32, b []byte) {
	scales, qs := b[:16], b[16:80]
	d, dmin := half(b[80:]), half(b[82:])
	for g := range 16 { // groups of 16 values
		half, shift, second := g/8, uint(g%8/2)*2, g%2
		scale, min := d*float32(scales[g]&15), dmin*float32(scales[g]>>4)
		for l := range 16 {
			q := qs[half*32+second*16+l] >> shift & 3
			y[g*16+l] = scale*float32(q) - min
		}
	}
}

func decodeQ3K(y []float32, b []byte) {
	mask, qs, packed, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for g := range 16 {
		half, shift, second := g/8, uint(g%8/2)*2, g%2
		low := packed[g%8] >> (uint(g/8) * 4) & 15
		high := packed[8+g%4] >> (uint(g/4) * 2) & 3
		scale := d * float32(int(low|high<<4)-32)
		for l := range 16 {
			at := second*16 + l
			q := int(qs[half*32+at] >> shift & 3)
			if mask[at]>>uint(g/2)&1 == 0 {
				q -= 4
			}
			y[g*16+l] = scale * float32(q)
		}
	}
}

// scaleMin unpacks the j-th 6-bit scale and minimum of Q4_K and Q5_K.
func scaleMin(j int, p []byte) (scale, min byte) {
	if j < 4 {
		return p[j] & 63, p[j+4] & 63
	}
	return p[j+4]&15 | p[j-4]>>6<<4, p[j+4]>>4 | p[j]>>6<<4
}

func decodeQ4K(y []float32, b []byte) {
	d, dmin, packed, qs := half(b), half(b[2:]), b[4:16], b[16:144]
	for g := range 8 { // groups of 32 values
		s, m := scaleMin(g, packed)
		scale, min := d*float32(s), dmin*float32(m)
		for l := range 32 {
			q := qs[g/2*32+l] >> (uint(g%2) * 4) & 15
			y[g*32+l] = scale*float32(q) - min
		}
	}
}

func decodeQ5K(y []float32, b []byte) {
	d, dmin, packed, high, qs := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for g := range 8 {
		s, m := scaleMin(g, packed)
		scale, min := d*float32(s), dmin*float32(m)
		for l := range 32 {
			q := qs[g/2*32+l]>>(uint(g%2)*4)&15 | high[l]>>uint(g)&1<<4
			y[g*32+l] = scale*float32(q) - min
		}
	}
}

func decodeQ6K(y []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for i := range 256 {
		half, j := i/128, i%128 // 128 values share 64 low bytes and 32 high bytes
		ql := low[half*64+j%64] >> (uint(j/64) * 4) & 15
		qh := high[half*32+j%32] >> (uint(j/32) * 2) & 3
		y[i] = d * float32(int8(scales[i/16])) * float32(int(ql|qh<<4)-32)
	}
}

func decodeIQ4XS(y []float32, b []byte) {
	d, high, low, qs := half(b), binary.LittleEndian.Uint16(b[2:]), b[4:8], b[8:136]
	for g := range 8 {
		s := int(low[g/2]>>(uint(g%2)*4)&15) | int(high>>(uint(g)*2)&3)<<4
		scale := d * float32(s-32)
		for l := range 16 {
			q := qs[g*16+l]
			y[g*32+l] = scale * float32(nonlinear4[q&15])
			y[g*32+16+l] = scale * float32(nonlinear4[q>>4])
		}
	}
}
