//go:build linux && (amd64 || arm64)

package v4l2

import (
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// webcam has the controls of a usual one.
func webcam() map[uint32]*fakeControl {
	return map[uint32]*fakeControl{
		cidBase:             {min: 0, max: 255, value: 128},                           // brightness
		cidBase + 12:        {min: 0, max: 1, value: 1},                               // white balance by itself
		cidBase + 26:        {min: 2000, max: 6500, value: 4000},                      // white balance
		cidBase + 16:        {min: 0, max: 9, value: 1, flags: controlDisabled},       // gamma
		cidBase + 24:        {min: 0, max: 2, value: 2},                               // power line
		cidExposureAuto:     {min: 0, max: 3, value: 3, menu: []uint32{1, 3}},         //
		cidExposureAbsolute: {min: 3, max: 2047, value: 250},                          //
		cidBase + 20:        {min: 0, max: 1},                                         // hflip
		cidAnalogueGain:     {min: 16, max: 64, value: 16},                            //
		cidCamera + 13:      {min: 100, max: 500, value: 100, flags: controlReadOnly}, // zoom
	}
}

func TestControls(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wanted map[string]string
		want   map[uint32]int32 // what has changed
		err    string
	}{
		{"none", nil, nil, ""},
		{"number", map[string]string{"brightness": "200"}, map[uint32]int32{cidBase: 200}, ""},
		{"several", map[string]string{"hflip": "true", "power_line": "50Hz", "brightness": "0"},
			map[uint32]int32{cidBase + 20: 1, cidBase + 24: 1, cidBase: 0}, ""},
		{"by hand", map[string]string{"exposure": "156", "white_balance": "5000"},
			map[uint32]int32{cidExposureAuto: 1, cidExposureAbsolute: 156, cidBase + 12: 0, cidBase + 26: 5000}, ""},
		{"auto", map[string]string{"exposure": "auto", "white_balance": "Auto"}, map[uint32]int32{}, ""},
		{"second name", map[string]string{"gain": "32"}, map[uint32]int32{cidAnalogueGain: 32}, ""},
		{"too large", map[string]string{"brightness": "256"}, nil,
			"camera /dev/video0 (Fake Camera): brightness=256 is out of bounds: give a number from 0 to 255 (the camera's own is 128)"},
		{"not there", map[string]string{"contrast": "1"}, nil,
			"the camera has no control contrast: leave it out, or use another one: it has brightness, white_balance, gain, exposure, hflip, power_line"},
		{"disabled", map[string]string{"gamma": "1"}, nil, "the camera has no control gamma"},
		{"read only", map[string]string{"zoom": "100"}, nil, "the camera has no control zoom"},
		{"no auto", map[string]string{"focus": "auto"}, nil, "the camera cannot set focus by itself: give a number"},
		{"entry not there", map[string]string{"power_line": "auto"}, nil, "power_line=3 is out of bounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			f.controls = webcam()
			cam, err := f.source(t, Opts{Width: 64, Height: 48, Controls: tt.wanted}).Open(t.Context())
			if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("err = %v, want %s", err, tt.err)
			}
			if err == nil {
				changed := map[uint32]int32{}
				for id, c := range webcam() {
					if v := f.controls[id].value; v != c.value {
						changed[id] = v
					}
				}
				if !maps.Equal(changed, tt.want) {
					t.Errorf("changed %v, want %v", changed, tt.want)
				}
				if err := cam.Close(); err != nil {
					t.Error(err)
				}
			}
			f.returned(t)
		})
	}
	// A camera without a menu of two entries decides in another way.
	f := newFake()
	f.controls = map[uint32]*fakeControl{cidExposureAuto: {min: 0, max: 1, value: 1, menu: []uint32{0, 1}}}
	cam := open(t, f.source(t, Opts{Controls: map[string]string{"exposure": "auto"}}))
	if v := f.controls[cidExposureAuto].value; v != exposureAuto {
		t.Errorf("exposure decides by %d", v)
	}
	if err := cam.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusedControls(t *testing.T) {
	for want, wanted := range map[string]map[string]string{
		`there is no control "volume": choose one of brightness, `:        {"volume": "1"},
		`exposure is "bright": write auto or a whole number`:              {"exposure": "bright"},
		`brightness is "auto": write a whole number`:                      {"brightness": "auto"},
		`hflip is "": write false or true or a whole number`:              {"hflip": ""},
		`gain is "99999999999": write auto or a whole number`:             {"gain": "99999999999"},
		`power_line is "70hz": write 50hz or 60hz or auto or off or a wh`: {"power_line": "70hz"},
	} {
		if _, err := New(Opts{Controls: wanted}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: err = %v, want %s", wanted, err, want)
		}
	}
}

// Each step of setting controls fails once: the error is told, and nothing stays open.
func TestEachControlFails(t *testing.T) {
	wanted := map[string]string{"brightness": "200", "exposure": "auto", "white_balance": "5000"}
	whole := newFake()
	whole.controls = webcam()
	cam := open(t, whole.source(t, Opts{Width: 64, Height: 48, Controls: wanted}))
	if err := cam.Close(); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i, op := range whole.ops {
		if !strings.HasSuffix(op, "ctrl") {
			continue
		}
		f := newFake()
		f.controls, f.failAt, f.err = webcam(), i+1, unix.EIO
		_, err := f.source(t, Opts{Width: 64, Height: 48, Controls: wanted}).Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "camera /dev/video0: cannot ") {
			t.Errorf("step %d, %s: err = %v", i+1, op, err)
		}
		f.returned(t)
		failed++
	}
	if failed < 6 {
		t.Errorf("only %d steps: %v", failed, whole.ops)
	}
}
