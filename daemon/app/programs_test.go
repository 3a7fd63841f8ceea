package app

import (
	"log/slog"
	"strings"
	"testing"
)

// What a device refuses is told with the place in the file.
func TestRefusedSourcesHaveAPlace(t *testing.T) {
	for source, want := range map[string]string{
		"libcamera:front":                        `"front" is not the number of a camera: write libcamera:0`,
		"libcamera:0?size=800x600&format=yuv420": "a width that 64 divides",
		"rtsp:/x":                                "this is no address: write for example rtsp://USER@camera.lan/stream1",
		"rtsp://u:secret@host/x":                 "has a password in it",
		"rtsp://host/x?sound&fps=1":              "make a source of its own",
		"http://host/x?password_file=p":          "a password without a user",
		"http://host#x":                          "after #",
		"exec:a 'b":                              "a quote (') is not closed",
	} {
		kind := "caption"
		if strings.HasPrefix(source, "exec") || strings.Contains(source, "sound") {
			kind = "transcribe"
		}
		c := parseConfig(t, "sources:\n  - name: a\n    source: \""+source+"\"\n    tasks: [{kind: "+kind+"}]\n")
		_, err := sources(c, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "sensed.yaml:3:13: sources[0].source") {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}
