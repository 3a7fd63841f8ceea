package libcamera

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const twoCameras = `Available cameras
-----------------
0 : imx708_wide [4608x2592 10-bit RGGB] (/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a)
    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]
                             4608x2592 [14.35 fps - (0, 0)/4608x2592 crop]

1 : ov5647 (/base/soc/i2c0mux/i2c@1/ov5647@36)
`

func two() []Listed {
	return []Listed{
		{Index: 0, Model: "imx708_wide", ID: "/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a", Width: 4608, Height: 2592, Modes: []Mode{{1536, 864, 120.13}, {4608, 2592, 14.35}}},
		{Index: 1, Model: "ov5647", ID: "/base/soc/i2c0mux/i2c@1/ov5647@36"},
	}
}

// program writes a shell script.
func program(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rpicam-hello")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n[ \"$1\" = --list-cameras ] || exit 9\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestListCameras(t *testing.T) {
	print := func(to string) string { return "cat " + to + " <<'END'\n" + twoCameras + "END\n" }
	for name, tc := range map[string]struct {
		script string
		want   []Listed
		wrong  string
	}{
		"standard output": {print(""), two(), ""},
		"standard error":  {print(">&2") + "exit 1", two(), ""},
		"none":            {"echo 'No cameras available!'; exit 1", nil, ""},
		"nothing":         {"exit 0", nil, ""},
		"fails":           {"echo first >&2; echo 'the camera stack is broken' >&2; exit 3", nil, "fails (exit status 3): the camera stack is broken"},
		"hangs":           {"sleep 1000 & wait", nil, "does not end within"},
	} {
		limit := time.Minute
		if name == "hangs" {
			limit = 100 * time.Millisecond
		}
		got, err := listWith(t.Context(), program(t, tc.script), limit)
		if d := cmp.Diff(tc.want, got); d != "" || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := listWith(ctx, program(t, "exit 0"), time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestListFindsTheProgram(t *testing.T) {
	path := program(t, "cat <<'END'\n"+twoCameras+"END\n")
	t.Setenv("PATH", filepath.Dir(path)+":/bin:/usr/bin")
	if got, err := List(t.Context()); err != nil || !cmp.Equal(got, two()) {
		t.Errorf("%v, %v", got, err)
	}
	t.Setenv("PATH", t.TempDir())
	if got, err := List(t.Context()); err != nil || got != nil {
		t.Errorf("without a program: %v, %v", got, err)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add(twoCameras)
	f.Add("0 : x (y)\n 1x2 [3 fps")
	f.Add("999 : \xff [1x")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseList(s) {
			if c.Index < 0 || c.Index > 999 || c.Model == "" || c.ID == "" || c.Width < 0 || c.Height > 99999 {
				t.Errorf("%q gives %+v", s, c)
			}
		}
	})
}
