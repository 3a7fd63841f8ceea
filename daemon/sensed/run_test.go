package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/event"
	"sensed/daemon/mqtt/mqtttest"
)

// stopLimit is how long the daemon may take to stop.
const stopLimit = 5 * time.Second

// samplesFolder unpacks the bundled samples with one ending into a folder.
func samplesFolder(t *testing.T, ext string) string {
	t.Helper()
	dir := t.TempDir()
	for name := range expected(t) {
		if strings.HasSuffix(name, ext) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(readSample(t, "samples/"+name)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// events returns what was heard on the topics of one source and kind.
func events(t *testing.T, heard []mqtttest.Message, source string, kind event.Kind) []event.Event {
	t.Helper()
	var out []event.Event
	for _, m := range heard {
		if m.Topic == fmt.Sprintf("sensed/porch/%s/%s", source, kind) {
			out = append(out, parse[event.Event](t, m.Payload))
		}
	}
	return out
}

// configuration is a daemon with a good source of every kind that needs no
// hardware, with two that fail, and with pins that this machine does not have.
func configuration(t *testing.T, brokerURL string) string {
	return file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  url: %s
sources:
  - name: door
    source: replay:%s?fps=4&lossless
    tasks:
      - kind: caption
      - kind: detect
    gate:
      always: true
  - name: garden
    source: scene:?seed=3&fps=2&size=320x240
    tasks:
      - kind: caption
        every: 1s
  - name: hall
    source: wav:%s?lossless
    tasks:
      - kind: transcribe
  - name: gone
    source: v4l2:/dev/video-that-is-not-there
    tasks:
      - kind: caption
  - name: empty
    source: replay:%s?fps=4
    tasks:
      - kind: caption
triggers:
  - pin: NOSUCHPIN17
    starts: [door]
led:
  model: NOSUCHPIN27
`, brokerURL, samplesFolder(t, ".png"), samplesFolder(t, ".wav"), t.TempDir()))
}

func TestRunPublishesToMosquitto(t *testing.T) {
	t.Parallel()
	broker := mqtttest.Start(t, mqtttest.Options{})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	p := start(t, nil, "run", "--config", configuration(t, broker.URL()))
	want := expected(t)

	all := heard.Await("an answer for every sample", func(m []mqtttest.Message) bool {
		return len(events(t, m, "door", event.Caption)) >= 8 && len(events(t, m, "door", event.Objects)) >= 8 &&
			len(events(t, m, "hall", event.Transcript)) >= 6 && len(events(t, m, "garden", event.Caption)) >= 2
	})
	for _, e := range events(t, all, "door", event.Caption) {
		if e.Text != want[e.Sample].Caption {
			t.Errorf("%s: %q, want %q", e.Sample, e.Text, want[e.Sample].Caption)
		}
		checkAnswer(t, e)
	}
	for _, e := range events(t, all, "door", event.Objects) {
		if bad := compareBoxes(e.Objects, want[e.Sample].Objects); bad != "" {
			t.Errorf("%s: %s: %v", e.Sample, bad, e.Objects)
		}
		checkAnswer(t, e)
	}
	for _, e := range events(t, all, "hall", event.Transcript) {
		if e.Text != want[e.Sample].Transcript {
			t.Errorf("%s: %q, want %q", e.Sample, e.Text, want[e.Sample].Transcript)
		}
		checkAnswer(t, e)
	}
	if len(events(t, all, "hall", event.Sound)) == 0 {
		t.Error("no sound was announced")
	}
	for source, state := range map[string]string{"gone": event.Absent, "NOSUCHPIN17": event.Absent, "empty": event.Failed, "door": event.Ended, "garden": event.OK} {
		states := events(t, all, source, event.Status)
		if !slices.ContainsFunc(states, func(e event.Event) bool {
			return e.State == state && (state == event.OK || state == event.Ended || e.Error != "")
		}) {
			t.Errorf("%s was never %s: %+v", source, state, states)
		}
	}

	code, took := p.signal(syscall.SIGTERM)
	if code != 0 || took > stopLimit {
		t.Errorf("exit code %d after %v\n%s", code, took, p.err)
	}
	last := heard.AwaitMessage("sensed/porch/status", event.Offline)
	if last.Retained {
		t.Errorf("%+v", last)
	}
	late := mqtttest.Listen(t, broker.URL(), "sensed/porch/status", nil)
	if m := late.AwaitMessage("sensed/porch/status", ""); m.Payload != event.Offline || !m.Retained {
		t.Errorf("afterwards the broker says %+v", m)
	}
	if !strings.Contains(p.err.String(), "going on without the LED") {
		t.Errorf("nothing is said about the LED:\n%s", p.err)
	}
	if strings.Contains(p.err.String(), "panic") {
		t.Errorf("standard error:\n%s", p.err)
	}
}

// checkAnswer checks what each answer of the daemon must carry.
func checkAnswer(t *testing.T, e event.Event) {
	t.Helper()
	if err := e.Validate(); err != nil || e.Node != "porch" || e.Model == nil || e.Error != "" || e.Latency == nil || e.Task == "" {
		t.Errorf("%v: %+v", err, e)
	}
}

func TestRunWaitsForItsBroker(t *testing.T) {
	t.Parallel()
	broker := mqtttest.New(t, mqtttest.Options{})
	p := start(t, nil, "run", "--config", file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  url: %s
sources:
  - name: garden
    source: scene:?seed=3&fps=2
    tasks:
      - kind: caption
        every: 1s
`, broker.URL())))
	p.err.await(t, "no MQTT broker answers")
	broker.Start()
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", nil)
	heard.AwaitMessage("sensed/porch/status", event.Online)
	heard.AwaitMessage("sensed/porch/garden/caption", "")
	broker.Stop()
	p.err.await(t, "connection to the MQTT broker was lost")
	code, took := p.signal(syscall.SIGTERM)
	if code != 0 || took > stopLimit {
		t.Errorf("without a broker: exit code %d after %v\n%s", code, took, p.err)
	}
	if n := strings.Count(p.err.String(), "no MQTT broker answers"); n > 2 {
		t.Errorf("the absent broker was mentioned %d times:\n%s", n, p.err)
	}
}

func TestRunLogsInThroughTLS(t *testing.T) {
	t.Parallel()
	certs := mqtttest.NewCerts(t)
	broker := mqtttest.Start(t, mqtttest.Options{TLS: certs, User: "porch", Password: "correct horse"})
	configuration := func(password string) string {
		return file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  url: %s
  username: porch
  password_file: %s
  ca_file: %s
  cert_file: %s
  key_file: %s
sources:
  - name: garden
    source: scene:?seed=3
    tasks:
      - kind: caption
`, broker.URL(), file(t, "password.txt", password+"\n"), certs.CA, certs.Client, certs.ClientKey))
	}
	right := start(t, nil, "run", "--config", configuration("correct horse"))
	right.err.await(t, "publishing to the MQTT broker")
	wrong := start(t, nil, "run", "--config", configuration("battery staple"))
	wrong.err.await(t, "refuses user")
	for _, p := range []*process{right, wrong} {
		if strings.Contains(p.err.String(), "battery") || strings.Contains(p.err.String(), "correct") {
			t.Errorf("the log tells the password:\n%s", p.err)
		}
		if code, took := p.signal(syscall.SIGTERM); code != 0 || took > stopLimit {
			t.Errorf("exit code %d after %v\n%s", code, took, p.err)
		}
	}
}

func TestRunBringsItsOwnBroker(t *testing.T) {
	t.Parallel()
	port := mqtttest.FreePort(t)
	p := start(t, nil, "run", "--config", file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  listen: 127.0.0.1:%d
sources:
  - name: garden
    source: scene:?seed=3&fps=2
    tasks:
      - kind: caption
        every: 1s
`, port)))
	p.err.await(t, "sensed runs")
	heard := mqtttest.Listen(t, fmt.Sprintf("tcp://127.0.0.1:%d", port), "sensed/#", nil)
	heard.AwaitMessage("sensed/porch/garden/caption", "")
	code, took := p.signal(syscall.SIGTERM)
	if code != 0 || took > stopLimit {
		t.Errorf("exit code %d after %v\n%s", code, took, p.err)
	}
}

func TestRunTellsSystemd(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, []string{"NOTIFY_SOCKET=" + socket}, "run", "--config", file(t, "sensed.yaml", fmt.Sprintf(`
node: porch
broker:
  listen: 127.0.0.1:%d
sources:
  - name: garden
    source: scene:?seed=3
    tasks:
      - kind: caption
`, mqtttest.FreePort(t))))
	next := func() string {
		l.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 4096)
		n, err := l.Read(b)
		if err != nil {
			t.Fatalf("systemd heard nothing more: %v\n%s", err, p.err)
		}
		return string(b[:n])
	}
	if s := next(); s != "STATUS=loading the model" {
		t.Errorf("first message %q", s)
	}
	for seen := map[string]bool{}; !seen["READY=1"] || !seen["broker"]; {
		s := next()
		seen[s] = true
		if strings.HasPrefix(s, "STATUS=broker connected") && strings.Contains(s, "garden ok") {
			seen["broker"] = true
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for next() != "STOPPING=1" {
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
}

func TestRunNamesWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		code int
		want []string
	}{
		"a typo":            {"node: porch\nsuorces:\n  - name: door\n", 3, []string{"sensed.yaml:2:1", "suorces", "sources"}},
		"a typo deep":       {"node: porch\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - knd: caption\n", 3, []string{"sensed.yaml:6:9", "knd", "kind"}},
		"unknown device":    {"sources:\n  - name: door\n    source: v4l:/dev/video0\n    tasks:\n      - kind: caption\n", 3, []string{"sensed.yaml:3:", "v4l", "v4l2"}},
		"unknown option":    {"sources:\n  - name: door\n    source: scene:?fsp=3\n    tasks:\n      - kind: caption\n", 3, []string{"sensed.yaml:3:", "fsp", "fps"}},
		"size of scene":     {"sources:\n  - name: door\n    source: scene:?size=8000x8000\n    tasks:\n      - kind: caption\n", 3, []string{"door", "8000"}},
		"wildcard in name":  {"node: porch/#\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - kind: caption\n", 3, []string{"sensed.yaml:1:", "node"}},
		"broker scheme":     {"broker:\n  url: http://broker\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - kind: caption\n", 3, []string{"sensed.yaml:2:", "mqtt"}},
		"no YAML":           {"node: [porch\n", 3, []string{"sensed.yaml:"}},
		"model not there":   {"model:\n  text: /nonexistent/m.gguf\n  projector: /nonexistent/p.gguf\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - kind: caption\n", 4, []string{"/nonexistent/m.gguf", "no such file"}},
		"model is no model": {"model:\n  text: " + file(t, "m.gguf", "hello") + "\n  projector: " + file(t, "p.gguf", "hello") + "\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - kind: caption\n", 4, []string{"m.gguf"}},
		"port is taken":     {"broker:\n  listen: " + held(t) + "\nsources:\n  - name: door\n    source: scene:?seed=1\n    tasks:\n      - kind: caption\n", 1, []string{"cannot listen", "broker.listen", "broker.url"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, "sensed.yaml", tc.text)
			code, out, notes := call(t, "", "run", "--config", path)
			if out != "" || code != tc.code {
				t.Errorf("exit code %d, want %d; output %q\n%s", code, tc.code, out, notes)
			}
			for _, w := range tc.want {
				if !strings.Contains(notes, w) {
					t.Errorf("the message lacks %q:\n%s", w, notes)
				}
			}
		})
	}
	if code, _, notes := call(t, "", "run", "--config", "/nonexistent/sensed.yaml"); code != 3 || !strings.Contains(notes, "/nonexistent/sensed.yaml") {
		t.Errorf("no file: exit code %d, %s", code, notes)
	}
}

// held returns an address that somebody listens at.
func held(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestRunCheckOnlyChecks(t *testing.T) {
	path := configuration(t, "mqtt://127.0.0.1:1")
	code, out, notes := call(t, "", "run", "--check", "--config", path)
	if code != 0 || !strings.Contains(out, "is right") || !strings.Contains(out, "5 sources") {
		t.Errorf("exit code %d: %s%s", code, out, notes)
	}
	code, out, notes = call(t, "", "run", "--check", "--config", file(t, "bad.yaml", "nod: porch\n"))
	if code != 3 || out != "" || !strings.Contains(notes, "bad.yaml:1:1") {
		t.Errorf("exit code %d: %s%s", code, out, notes)
	}
}
