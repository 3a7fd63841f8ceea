package gemma4

import (
	"hash/crc32"
	"image"
	"strings"
	"testing"
)

// noise fills n bytes with a fixed pattern that testdata/pictures.py makes too.
func noise(n int) []uint8 {
	out := make([]uint8, n)
	for i := range out {
		x := uint32(i)*2654435761 + 12345
		x ^= x >> 15
		x *= 2246822519
		x ^= x >> 13
		out[i] = uint8(x)
	}
	return out
}

// TestResizeEqualsPillow compares checksums of whole pictures with Pillow
// 13.0.0, Image.resize(..., BICUBIC); testdata/pictures.py prints the table.
func TestResizeEqualsPillow(t *testing.T) {
	for _, c := range []struct {
		w, h, toW, toH int
		sum            uint32
	}{
		{640, 480, 432, 336, 0xa8298919},
		{640, 480, 912, 672, 0x151b93a1},
		{1, 1, 48, 48, 0xe57a3cfc},
		{1, 7, 48, 96, 0x77d9dbf2},
		{7, 1, 336, 48, 0x48776961},
		{3000, 1, 13440, 48, 0x9ac37d54},
		{1, 3000, 48, 3360, 0x73bcd640},
		{96, 300, 192, 672, 0x208f01bd},
		{300, 96, 288, 96, 0xbdd77f35},
		{31, 17, 48, 48, 0x36105fdc},
		{1000, 333, 672, 192, 0x0030abd5},
		{1000, 333, 1000, 192, 0x2d1b7e2e},
		{1000, 333, 672, 333, 0x90e64c73},
		{49, 47, 48, 48, 0x22715189},
		{432, 336, 432, 336, 0x97ca3546},
		{2, 2, 3, 5, 0xce9e92ca},
		{1920, 1080, 672, 384, 0x974e125d},
		{5, 5000, 48, 3360, 0xf85316b3}, // from here on: columns first
		{300, 1000, 192, 720, 0x0d525b5b},
		{100, 80, 90, 59, 0x9b35f30c},
		{100, 80, 90, 60, 0x7c058658}, // just not
	} {
		in := &Pixels{W: c.w, H: c.h, Pix: noise(3 * c.w * c.h)}
		out, err := Resize(in, c.toW, c.toH)
		if err != nil {
			t.Fatalf("%dx%d to %dx%d: %v", c.w, c.h, c.toW, c.toH, err)
		}
		if out.W != c.toW || out.H != c.toH {
			t.Errorf("%dx%d to %dx%d: got %dx%d", c.w, c.h, c.toW, c.toH, out.W, out.H)
		}
		if sum := crc32.ChecksumIEEE(out.Pix); sum != c.sum {
			t.Errorf("%dx%d to %dx%d: checksum %08x, Pillow's is %08x", c.w, c.h, c.toW, c.toH, sum, c.sum)
		}
	}
}

// TestResizedSize holds what get_aspect_ratio_preserving_size of transformers
// 5.23 returns; testdata/pictures.py prints the table.
func TestResizedSize(t *testing.T) {
	for _, c := range []struct{ w, h, budget, toW, toH int }{
		{640, 480, 70, 432, 336},
		{640, 480, 140, 624, 480},
		{640, 480, 280, 912, 672},
		{640, 480, 560, 1296, 960},
		{640, 480, 1120, 1824, 1344},
		{480, 640, 70, 336, 432},
		{480, 640, 140, 480, 624},
		{480, 640, 280, 672, 912},
		{480, 640, 560, 960, 1296},
		{480, 640, 1120, 1344, 1824},
		{1920, 1080, 70, 528, 288},
		{1920, 1080, 140, 720, 384},
		{1920, 1080, 280, 1056, 576},
		{1920, 1080, 560, 1488, 816},
		{1920, 1080, 1120, 2112, 1200},
		{1, 1, 70, 384, 384},
		{1, 1, 140, 528, 528},
		{1, 1, 280, 768, 768},
		{1, 1, 560, 1104, 1104},
		{1, 1, 1120, 1584, 1584},
		{30000, 1, 70, 3360, 48},
		{30000, 1, 140, 6720, 48},
		{30000, 1, 280, 13440, 48},
		{30000, 1, 560, 26880, 48},
		{30000, 1, 1120, 53760, 48},
		{1, 30000, 70, 48, 3360},
		{1, 30000, 140, 48, 6720},
		{1, 30000, 280, 48, 13440},
		{1, 30000, 560, 48, 26880},
		{1, 30000, 1120, 48, 53760},
		{47, 49, 70, 384, 384},
		{47, 49, 140, 528, 576},
		{47, 49, 280, 768, 816},
		{47, 49, 560, 1104, 1152},
		{47, 49, 1120, 1536, 1632},
		{1000, 7, 70, 3360, 48},
		{1000, 7, 140, 6720, 48},
		{1000, 7, 280, 9600, 48},
		{1000, 7, 560, 13536, 48},
		{1000, 7, 1120, 19200, 96},
		{7, 1000, 70, 48, 3360},
		{7, 1000, 140, 48, 6720},
		{7, 1000, 280, 48, 9600},
		{7, 1000, 560, 48, 13536},
		{7, 1000, 1120, 96, 19200},
		{4056, 3040, 70, 432, 336},
		{4056, 3040, 140, 624, 480},
		{4056, 3040, 280, 912, 672},
		{4056, 3040, 560, 1296, 960},
		{4056, 3040, 1120, 1824, 1344},
		{100, 10000, 70, 48, 3360},
		{100, 10000, 140, 48, 5664},
		{100, 10000, 280, 48, 8016},
		{100, 10000, 560, 96, 11328},
		{100, 10000, 1120, 144, 16032},
		{335, 2, 70, 3360, 48},
		{335, 2, 140, 6720, 48},
		{335, 2, 280, 10368, 48},
		{335, 2, 560, 14688, 48},
		{335, 2, 1120, 20784, 96},
	} {
		h, w, err := ResizedSize(c.h, c.w, c.budget, 16, 3)
		if err != nil || w != c.toW || h != c.toH {
			t.Errorf("%dx%d in %d tokens: %dx%d, %v; want %dx%d", c.w, c.h, c.budget, w, h, err, c.toW, c.toH)
		}
	}
}

func TestEmptyPictures(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {0, 5}, {5, 0}, {-1, 3}} {
		if _, _, err := ResizedSize(c[1], c[0], 70, 16, 3); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("size of %v: %v", c, err)
		}
	}
	if _, err := Resize(image.NewRGBA(image.Rectangle{}), 48, 48); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("empty picture: %v", err)
	}
	if _, err := Resize(nil, 48, 48); err == nil {
		t.Error("no picture: no error")
	}
	if _, err := Resize(NewPixels(4, 4), 0, 48); err == nil {
		t.Error("empty target: no error")
	}
}
