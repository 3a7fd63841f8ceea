package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/web"
)

// visitor is somebody who looks at a page.
type visitor struct {
	t      *testing.T
	url    string
	client *http.Client
	csrf   string
}

func visit(t *testing.T, url string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, url: url, client: &http.Client{Jar: jar, Timeout: patience}}
	t.Cleanup(v.client.CloseIdleConnections)
	return v
}

// do asks the API and puts its answer into out; it returns the status.
func (v *visitor) do(method, path string, in, out any) int {
	v.t.Helper()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			v.t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	r, err := http.NewRequest(method, v.url+"api/v1/"+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sensed-CSRF", v.csrf)
	a, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			v.t.Fatalf("%s %s: %v: %s", method, path, err, data)
		}
	}
	return a.StatusCode
}

// enter gets the token for changes, with a password if there is one.
func (v *visitor) enter(password string) {
	v.t.Helper()
	var s web.Session
	if password != "" {
		v.do("POST", "session", web.Login{Password: password}, &s)
	} else {
		v.do("GET", "session", nil, &s)
	}
	if !s.Authenticated {
		v.t.Fatalf("not let in: %+v", s)
	}
	v.csrf = s.CSRF
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if so() {
			return
		}
	}
	t.Fatalf("%s: not within %v", what, patience)
}

// TestThePageOfTheDemo looks at the demonstration as its page does, and throws a
// switch that MQTT hears of.
func TestThePageOfTheDemo(t *testing.T) {
	t.Parallel()
	p := start(t, []string{"XDG_STATE_HOME=" + t.TempDir()}, "demo")
	p.out.await(t, "Ctrl-C ends it")
	found := regexp.MustCompile(`broker: tcp://(\S+)\n(?s:.*)Look at it: (http://127\S+)`).FindStringSubmatch(p.out.String())
	if found == nil {
		t.Fatalf("the addresses are missing:\n%s", p.out)
	}
	v := visit(t, found[2])
	v.enter("")
	var sources web.Sources
	until(t, "both sources have words", func() bool {
		v.do("GET", "sources", nil, &sources)
		return sources.Sources[0].Objects != nil && sources.Sources[0].Caption != nil && sources.Sources[1].Transcript != nil
	})
	want := expected(t)
	camera, mic := sources.Sources[0], sources.Sources[1]
	if got := camera.Caption; got.Text != want[got.Sample].Caption {
		t.Errorf("%s: %q", got.Sample, got.Text)
	}
	if got := mic.Transcript; got.Text != want[got.Sample].Transcript {
		t.Errorf("%s: %q", got.Sample, got.Text)
	}
	// Frames are the samples: of the size that the boxes are about.
	a, err := v.client.Get(v.url + "api/v1/sources/camera/frame")
	if err != nil {
		t.Fatal(err)
	}
	frame, err := io.ReadAll(a.Body)
	a.Body.Close()
	if err != nil || a.Header.Get("Content-Type") != "image/jpeg" || len(frame) < 1000 {
		t.Errorf("a frame: %s, %d bytes, %v", a.Status, len(frame), err)
	}
	until(t, "a card has a thumbnail", func() bool {
		var line web.Timeline
		v.do("GET", "timeline?kind=caption&kind=objects", nil, &line)
		return len(line.Cards) > 0 && line.Cards[0].Thumbnail && line.Cards[0].Size != nil
	})
	heard := mqtttest.Listen(t, "tcp://"+found[1], "sensed/demo/+/+/state", nil)
	heard.AwaitMessage("sensed/demo/camera/captioning/state", "ON")
	if code := v.do("PUT", "switches", web.Throw{Source: "camera", Name: "captioning", Value: "OFF"}, nil); code != 200 {
		t.Errorf("the switch: %d", code)
	}
	heard.AwaitMessage("sensed/demo/camera/captioning/state", "OFF")
	if code := v.do("GET", "config", nil, nil); code != 404 {
		t.Errorf("the demonstration has a configuration: %d", code)
	}
	if code, _ := p.signal(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
}

// paged is a daemon with a page that needs a password; %s are the ports and a
// folder of pictures.
const paged = `
node: porch
broker: {listen: "127.0.0.1:%d"}
web: {listen: "127.0.0.1:%d", password_file: web.password}
sources:
  - name: door
    source: scene:?seed=3&fps=4&size=320x240
    tasks: [{kind: caption, every: 1s}]
`

func TestTheConfigurationIsEditedOnThePage(t *testing.T) {
	t.Parallel()
	text := fmt.Sprintf(paged, mqtttest.FreePort(t), mqtttest.FreePort(t))
	path := file(t, "sensed.yaml", text)
	if code, _, notes := call(t, "correct horse\n", "web", "password", "--config", path); code != 0 || !strings.Contains(notes, "web.password") {
		t.Fatalf("exit code %d: %s", code, notes)
	}
	p := start(t, nil, "run", "--config", path)
	p.err.await(t, "sensed runs")
	url := regexp.MustCompile(`the page is at (http://\S+?)"`).FindStringSubmatch(p.err.String())
	if url == nil {
		t.Fatalf("no page:\n%s", p.err)
	}
	v := visit(t, url[1])
	if code := v.do("GET", "config", nil, nil); code != 401 {
		t.Errorf("without a password: %d", code)
	}
	v.enter("correct horse")
	var c web.Configuration
	if v.do("GET", "config", nil, &c); c.Text != text || !c.Writable || len(c.Backups) != 0 {
		t.Errorf("%+v", c)
	}
	// A mistake is told with its place, and nothing is saved.
	draft := web.Draft{Text: strings.Replace(text, "kind: caption", "kind: capton", 1), Revision: c.Revision}
	var check web.Check
	v.do("POST", "config/check", draft, &check)
	if len(check.Problems) != 1 || check.Problems[0].Line != 8 || check.Problems[0].Column != 20 || !strings.Contains(check.Problems[0].Hint, "caption") {
		t.Errorf("%+v", check.Problems)
	}
	var refused web.Failure
	if code := v.do("PUT", "config", draft, &refused); code != 422 || len(refused.Problems) != 1 || read(t, path) != text {
		t.Errorf("%d %+v", code, refused)
	}
	// A password is neither saved nor shown.
	draft.Text = strings.Replace(text, "scene:?seed=3&fps=4&size=320x240", "rtsp://me:hidden@cam/1", 1)
	if code := v.do("PUT", "config", draft, &refused); code != 422 || read(t, path) != text {
		t.Errorf("%d %+v", code, refused)
	}
	// A good one is used at once.
	draft.Text = strings.Replace(strings.Replace(text, "name: door", "name: gate", 1), "web: {", "web: {cards: 50, ", 1)
	v.do("POST", "config/check", draft, &check)
	if got := fmt.Sprint(check.Applied, check.Restart, len(check.Problems)); got != "[sources] [web] 0" {
		t.Errorf("checked: %s", got)
	}
	var saved web.Saved
	if code := v.do("PUT", "config", draft, &saved); code != 200 || fmt.Sprint(saved.Applied, saved.Restart) != "[sources] [web]" || read(t, path) != draft.Text {
		t.Fatalf("%d %+v", code, saved)
	}
	var sources web.Sources
	if v.do("GET", "sources", nil, &sources); sources.Sources[0].Name != "gate" {
		t.Errorf("%+v", sources)
	}
	if code := v.do("PUT", "config", draft, nil); code != 409 {
		t.Errorf("over a change of somebody else: %d", code)
	}
	v.do("GET", "config", nil, &c)
	if len(c.Backups) != 1 || c.Backups[0].Name != saved.Backup || fmt.Sprint(c.Pending) != "[web]" {
		t.Errorf("%+v", c)
	}
	var old web.BackupText
	if v.do("GET", "config/backups/"+saved.Backup, nil, &old); old.Text != text {
		t.Errorf("the backup: %+v", old)
	}
	if info, err := os.Stat(filepath.Join(filepath.Dir(path), saved.Backup)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup may be read by others: %v %v", info, err)
	}
	// What passes every check and does not work all the same is taken back: a port
	// that is taken.
	draft = web.Draft{Text: regexp.MustCompile(`broker: .*`).ReplaceAllString(c.Text, fmt.Sprintf(`broker: {listen: "%s"}`, strings.Trim(strings.TrimPrefix(url[1], "http://"), "/"))), Revision: c.Revision}
	if code := v.do("PUT", "config", draft, &refused); code != 422 || read(t, path) != c.Text {
		t.Errorf("%d %+v", code, refused)
	}
	if v.do("GET", "sources", nil, &sources); sources.Sources[0].Name != "gate" {
		t.Errorf("afterwards: %+v", sources)
	}
	if got := read(t, path); strings.Contains(got, "hidden") {
		t.Error("the password was saved")
	}
	// One that somebody wrote by hand is not shown.
	if err := os.WriteFile(path, []byte("sources: [{name: a, source: 'rtsp://me:hidden@cam/1'}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := v.do("GET", "config", nil, &refused); code != 409 || strings.Contains(refused.Error, "hidden") || !strings.Contains(refused.Error, "line 1") {
		t.Errorf("%d %+v", code, refused)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAPageForOthersIsSealed(t *testing.T) {
	t.Parallel()
	port := mqtttest.FreePort(t)
	text := strings.Replace(fmt.Sprintf(paged, mqtttest.FreePort(t), port), "127.0.0.1:"+fmt.Sprint(port), fmt.Sprintf(":%d", port), 1)
	path := file(t, "sensed.yaml", text)
	state := t.TempDir()
	p := start(t, []string{"STATE_DIRECTORY=" + state}, "run", "--config", path)
	p.err.await(t, "sensed runs")
	notes := p.err.String()
	if !strings.Contains(notes, "nobody can log in to the page before a password is set: sensed web password") || !strings.Contains(notes, "https://") {
		t.Errorf("it does not say what to do:\n%s", notes)
	}
	a, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/api/v1/node", port))
	if err == nil {
		a.Body.Close()
		if a.StatusCode != 400 {
			t.Errorf("in the clear: %s", a.Status)
		}
	}
	if info, err := os.Stat(filepath.Join(state, "web.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the certificate: %v %v", info, err)
	}
}

func TestWebPassword(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	code, out, notes := call(t, "", "web", "password", "--generate")
	if code != 0 || len(strings.TrimSpace(out)) != 27 || strings.Contains(notes, strings.TrimSpace(out)) {
		t.Errorf("exit code %d: %q %q", code, out, notes)
	}
	hash := read(t, filepath.Join(state, "web.password"))
	for in, want := range map[string]int{"short\n": 5, "": 5, "long enough\n": 0} {
		if code, _, notes := call(t, in, "web", "password"); code != want {
			t.Errorf("%q: exit code %d: %s", in, code, notes)
		}
	}
	if read(t, filepath.Join(state, "web.password")) == hash {
		t.Error("the old one is still there")
	}
	if code, _, notes := call(t, "", "web", "password", "--config", filepath.Join(state, "none.yaml")); code != 3 {
		t.Errorf("exit code %d: %s", code, notes)
	}
}
