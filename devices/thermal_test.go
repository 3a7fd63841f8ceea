package devices

import (
	"image"
	"testing"
)

func TestReading(t *testing.T) {
	for _, tc := range []struct {
		name string
		t    Thermal
		want Reading
		ok   bool
	}{
		{"plain", Thermal{2, 2, []uint16{27315, 29315, 31015, 27315}}, Reading{Min: 0, Max: 37, Mean: 14.25, Hottest: image.Pt(0, 1)}, true},
		{"below zero", Thermal{2, 1, []uint16{25315, 26315}}, Reading{Min: -20, Max: -10, Mean: -15, Hottest: image.Pt(1, 0)}, true},
		{"painted over", Thermal{3, 1, []uint16{0, 29315, 0}}, Reading{Min: 20, Max: 20, Mean: 20, Hottest: image.Pt(1, 0)}, true},
		{"first of equals", Thermal{3, 1, []uint16{29315, 30000, 30000}}, Reading{Min: 20, Max: 26.85, Mean: 24.57, Hottest: image.Pt(1, 0)}, true},
		{"nothing known", Thermal{2, 1, []uint16{0, 0}}, Reading{}, false},
		{"nothing", Thermal{}, Reading{}, false},
	} {
		got, ok := tc.t.Reading()
		if got != tc.want || ok != tc.ok {
			t.Errorf("%s: %+v, %t; want %+v, %t", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}
