package mjpeg

// component is one colour of a picture.
type component struct {
	id         byte
	h, v       int // sampling factors
	quant      byte
	dc, ac     *huffman
	prediction int32
}

// block decodes a block of the luminance and returns what counts, in quanta.
func (c *component) block(b *bits, quant *[4]int32) (out [4]int32, ok bool) {
	if !c.mean(b) {
		return out, false
	}
	out[0] = clamp(c.prediction) * quant[0]
	for k := 1; k < 64; k++ {
		b.need()
		s, ok := b.symbol(c.ac)
		if !ok {
			return out, false
		}
		run, size := int(s>>4), int(s&15)
		if size == 0 {
			if run != 15 {
				break // the end of the block
			}
			k += 15
			continue
		}
		if k += run; k > 63 {
			return out, false
		}
		switch k {
		case 1:
			out[1] = clamp(b.number(size)) * quant[1]
		case 2:
			out[2] = clamp(b.number(size)) * quant[2]
		case 4:
			out[3] = clamp(b.number(size)) * quant[3]
		default:
			b.n -= size
		}
	}
	for i, v := range out {
		out[i] = min(1<<14, max(-1<<14, v))
	}
	return out, true
}

// skip decodes a block of a colour.
func (c *component) skip(b *bits) bool {
	if !c.mean(b) {
		return false
	}
	for k := 1; k < 64; k++ {
		b.need()
		s, ok := b.symbol(c.ac)
		if !ok {
			return false
		}
		run, size := int(s>>4), int(s&15)
		if size == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		if k += run; k > 63 {
			return false
		}
		b.n -= size
	}
	return true
}

// mean decodes the first coefficient of a block, told by its difference from
// that of the block before.
func (c *component) mean(b *bits) bool {
	b.need()
	size, ok := b.symbol(c.dc)
	if !ok || size > 11 {
		return false
	}
	c.prediction += b.number(int(size))
	return true
}

// clamp bounds a coefficient, which an honest encoder keeps to 12 bits.
func clamp(v int32) int32 { return min(1<<11, max(-1<<11, v)) }
