package wave

import (
	"slices"
	"strings"
	"testing"
)

func TestRawSamples(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		want []float32
	}{
		{"s16le", []byte{0, 0, 0, 0x40, 0, 0x80, 0xff, 0x7f, 1}, []float32{0, 0.5, -1, 32767.0 / 32768}},
		{"s24le", []byte{0, 0, 0x40, 0, 0, 0x80, 1, 2}, []float32{0.5, -1}},
		{"s32le", []byte{0, 0, 0, 0x40, 0, 0, 0, 0x80}, []float32{0.5, -1}},
		{"f32le", []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf}, []float32{1, -0.5}},
	} {
		r, err := ParseRaw(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Append([]float32{9}, tt.in); !slices.Equal(got, append([]float32{9}, tt.want...)) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if _, err := ParseRaw("s16be"); err == nil || !strings.Contains(err.Error(), "s16le, s24le, s32le, f32le") {
		t.Errorf("an unknown format: %v", err)
	}
}
