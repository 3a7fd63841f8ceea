package app

import (
	"bytes"
	"image"
	rgb "image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// noise is a picture that compresses badly.
func noise(w, h int) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, rgb.RGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255})
		}
	}
	return img
}

func TestThumbnail(t *testing.T) {
	for _, tt := range []struct {
		img  image.Image
		w, h int // of the thumbnail; 0: smaller than the picture
	}{
		{image.NewGray(image.Rect(0, 0, 320, 240)), 320, 240},
		{image.NewYCbCr(image.Rect(0, 0, 1920, 1080), image.YCbCrSubsampleRatio420), 640, 360},
		{image.NewRGBA(image.Rect(0, 0, 480, 1280)), 240, 640},
		{image.NewGray(image.Rect(0, 0, 5000, 1)), 640, 1},
		{image.NewGray(image.Rect(7, 9, 8, 10)), 1, 1},
		{noise(1920, 1080), 640, 360},
		{noise(640, 640), 640, 640},
	} {
		data, err := thumbnail(tt.img)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if s := got.Bounds().Size(); s.X != tt.w || s.Y != tt.h || len(data) > maxPicture {
			t.Errorf("%v becomes %v in %d bytes, want %d by %d", tt.img.Bounds(), s, len(data), tt.w, tt.h)
		}
	}
	if _, err := thumbnail(image.NewGray(image.Rect(0, 0, 0, 5))); err == nil {
		t.Error("a picture without pixels became one")
	}
}
