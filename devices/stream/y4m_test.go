package stream

import (
	"bytes"
	"testing"
)

func FuzzY4M(f *testing.F) {
	for _, s := range []string{
		"YUV4MPEG2 W2 H2 F10:1 C420jpeg\nFRAME\n123456FRAME\n123456",
		"YUV4MPEG2 W3 H3 F30000:1001 Ip A1:1 C422 XYSCSS=422\nFRAME I\n123456789012345678",
		"YUV4MPEG2 W1 H1 Cmono\nFRAME\n1", "YUV4MPEG2 W1 H1 C444\nFRAME\n1", "YUV4MPEG2 W-1 H1\n", "YUV4MPEG2 W99999999999999999999\n",
		"YUV4MPEG2 W16384 H16384\nFRAME\n", "YUV4MPEG2 F1:0 W1 H1\n", "", "\n", "YUV4MPEG2 C\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		y, err := NewY4M(bytes.NewReader(b), 64, 1<<16)
		if err != nil {
			return
		}
		for range len(b) + 1 { // a frame takes a byte at least
			data, err := y.Next(nil)
			if err != nil {
				return
			}
			if img := y.Image(data); img.Bounds().Dx() != y.Width || img.Bounds().Dy() != y.Height {
				t.Fatalf("a frame is %v, the header says %dx%d", img.Bounds(), y.Width, y.Height)
			}
		}
		t.Fatal("the stream does not end")
	})
}
