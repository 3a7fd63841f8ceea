package main

import (
	"strings"
	"testing"

	"sensed/daemon/app"
)

func TestDevices(t *testing.T) {
	p := start(t, nil, "devices")
	if code := p.wait(); code != 0 || p.err.String() != "" {
		t.Errorf("exit code %d, %s", code, p.err)
	}
	for _, want := range []string{"Cameras (source:)\n", "Microphones (source:)\n", "Buses (", "Pins (pin:)\n"} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("%s lacks %q", p.out, want)
		}
	}
	j := start(t, nil, "devices", "--json")
	if code := j.wait(); code != 0 {
		t.Fatalf("exit code %d, %s", code, j.err)
	}
	l := parse[app.Listing](t, j.out.String())
	if l.Cameras == nil || l.Microphones == nil || l.Buses == nil || l.Chips == nil {
		t.Errorf("lists are missing: %s", j.out)
	}
	if code, out, notes := call(t, "", "devices", "all"); code != 2 || out != "" || !strings.Contains(notes, `"all" is not understood`) {
		t.Errorf("exit code %d, %q, %s", code, out, notes)
	}
}
