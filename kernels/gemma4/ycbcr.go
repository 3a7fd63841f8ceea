package gemma4

import "image"

// JPEG colour conversion (JFIF 1.02, section 7) in 16-bit fixed point: the
// factors of Cr in red, Cb in blue, and of both in green.
const (
	redCr   = 91881  // 1.402   * 65536
	blueCb  = 116130 // 1.772   * 65536
	greenCr = 46802  // 0.71414 * 65536
	greenCb = 22554  // 0.34414 * 65536
	half    = 1 << 15
)

// ycbcrRows reads JPEG and camera frames. Colour that is stored at half
// resolution is interpolated with weights 3/4 and 1/4, as the JPEG library of
// the model's reference does it, not repeated: the model was trained on that.
func ycbcrRows(im *image.YCbCr) rowReader {
	b := im.Bounds()
	w, h := b.Dx(), b.Dy()
	stepX, stepY := 1, 1
	switch im.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
	case image.YCbCrSubsampleRatio422:
		stepX = 2
	case image.YCbCrSubsampleRatio420:
		stepX, stepY = 2, 2
	default:
		return anyRows(im)
	}
	columns, rows := (w+stepX-1)/stepX, (h+stepY-1)/stepY
	if b.Min.X%stepX != 0 || b.Min.Y%stepY != 0 || stepX == 2 && columns <= 2 {
		return anyRows(im) // a cut between two pixels of one colour sample, or a strip
	}
	return func(dst []uint8, y int) {
		luma := im.Y[im.YOffset(b.Min.X, b.Min.Y+y):][:w]
		row := y / stepY
		near := im.COffset(b.Min.X, b.Min.Y+row*stepY)
		if stepX == 1 {
			plainRow(dst, luma, im.Cb[near:][:w], im.Cr[near:][:w])
			return
		}
		far := near // the second nearest row of colour
		if stepY == 2 {
			other := min(max(row+2*(y%2)-1, 0), rows-1)
			far = im.COffset(b.Min.X, b.Min.Y+other*stepY)
		}
		halvedRow(dst, luma, im.Cb[near:][:columns], im.Cb[far:][:columns], im.Cr[near:][:columns], im.Cr[far:][:columns], stepY == 2)
	}
}

// plainRow converts a row whose colour has full resolution.
func plainRow(dst, luma, cb, cr []uint8) {
	for x, l := range luma {
		toRGB(dst[3*x:3*x+3:3*x+3], int32(l), int32(cb[x]), int32(cr[x]))
	}
}

// halvedRow converts a row whose colour has half the columns; tall says that it
// has half the rows too, and then far holds the second nearest row of colour.
// The rounding alternates between the left and the right pixel of a pair, so
// that it has no bias.
func halvedRow(dst, luma, cb, cbFar, cr, crFar []uint8, tall bool) {
	shift, left, right := 2, int32(1), int32(2)
	if tall {
		shift, left, right = 4, 8, 7
	}
	column := func(near, far []uint8, i int) int32 {
		if tall {
			return 3*int32(near[i]) + int32(far[i])
		}
		return int32(near[i])
	}
	last := len(cb) - 1
	cbNow, crNow := column(cb, cbFar, 0), column(cr, crFar, 0)
	cbBefore, crBefore := cbNow, crNow
	for i := range cb {
		next := min(i+1, last)
		cbAfter, crAfter := column(cb, cbFar, next), column(cr, crFar, next)
		x := 2 * i
		toRGB(dst[3*x:3*x+3:3*x+3], int32(luma[x]), (3*cbNow+cbBefore+left)>>shift, (3*crNow+crBefore+left)>>shift)
		if x++; x < len(luma) {
			toRGB(dst[3*x:3*x+3:3*x+3], int32(luma[x]), (3*cbNow+cbAfter+right)>>shift, (3*crNow+crAfter+right)>>shift)
		}
		cbBefore, cbNow, crBefore, crNow = cbNow, cbAfter, crNow, crAfter
	}
}

// toRGB converts one pixel.
func toRGB(dst []uint8, y, cb, cr int32) {
	cb, cr = cb-128, cr-128
	dst[0] = clip8(y + (redCr*cr+half)>>16)
	dst[1] = clip8(y + (half-greenCb*cb-greenCr*cr)>>16)
	dst[2] = clip8(y + (blueCb*cb+half)>>16)
}

// clip8 limits v to a byte.
func clip8(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	if v < 0 {
		return 0
	}
	return 255
}
