package config

import (
	"strings"
	"testing"
)

func TestRedacted(t *testing.T) {
	const s = "hunter2"
	text := `node: porch
password: ` + s + `
broker: {url: "mqtt://` + s + `@broker.lan:1884/` + s + `", username: ` + s + `, password: ` + s + `, ca_file: ` + s + `}
model: {context: 2048, text: /home/` + s + `/x.gguf, threads: ` + s + `}
sources:
  - name: door
    source: v4l2:/dev/video0?fps=5
    tasks: [{kind: prompt, prompt: Is ` + s + ` there?, choices: [` + s + `], every: 5m, max_tokens: 9}, {kind: ` + s + `}]
    gate: {motion: {again: 10s, zones: [[0, 0, 5, 5]]}}
  - {name: "a ` + s + `", source: "rtsp://u:` + s + `@cam.lan/1?fps=1"}
  - {source: "exec:cat /` + s + `"}
log: {level: debug}
`
	got := Redacted([]byte(text))
	if strings.Contains(got, s) {
		t.Errorf("the secret is in:\n%s", got)
	}
	for _, want := range []string{"node: porch\n", "broker.url: mqtt://broker.lan:1884/…\n", "model.context: 2048\n", "sources[0].source: v4l2:/dev/video0?fps=5\n", "sources[0].tasks[0].kind: prompt\n",
		"sources[0].tasks[0].every: 5m0s\n", "sources[0].tasks[0].prompt: (left out)\n", "sources[0].gate.motion.again: 10s\n", "sources[1].source: rtsp:(left out)\n", "log.level: debug\n", "?: (left out), a key that is not known\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	for _, bad := range []string{"a: [" + s, "\t" + s, s, "- " + s, "model: " + s + " x\n", "&" + s + " a: *" + s, strings.Repeat("[", 200) + s} {
		if got := Redacted([]byte(bad)); strings.Contains(got, s) {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

// FuzzRedacted: a secret in any place where no name may stand does not come out.
func FuzzRedacted(f *testing.F) {
	f.Add(string(Sample()))
	f.Add("broker: {url: 'mqtt://a:s3cr3t word@b'}\nlog: s3cr3t word\n")
	f.Add("sources: [{source: 'v4l2:s3cr3t word'}]")
	f.Fuzz(func(t *testing.T, text string) {
		got := Redacted([]byte(text))
		// What has a space is no name, so only a device's path may hold one.
		for line := range strings.Lines(got) {
			if strings.Contains(line, "s3cr3t word") && !strings.Contains(line, ".source: ") {
				t.Errorf("%q gives %q", text, line)
			}
		}
	})
}
