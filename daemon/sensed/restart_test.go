package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensed/daemon/mqtt/mqtttest"
	"sensed/daemon/web"
)

// shared is a daemon whose page is for the network and keeps its timeline.
const shared = `
node: porch
broker: {listen: "127.0.0.1:%d"}
web: {listen: ":%d", password_file: web.password, timeline: {keep: pictures, path: timeline}}
sources:
  - name: door
    source: scene:?seed=3&fps=4&size=320x240
    tasks: [{kind: caption, every: 1s}]
`

// TestWhatARestartKeeps starts a daemon at a terminal, where the first password
// is shown, and a second time, when it is not. The timeline stays, sessions do not.
func TestWhatARestartKeeps(t *testing.T) {
	t.Parallel()
	port := mqtttest.FreePort(t)
	path := file(t, "sensed.yaml", fmt.Sprintf(shared, mqtttest.FreePort(t), port))
	state := t.TempDir()
	v := visit(t, fmt.Sprintf("https://127.0.0.1:%d/", port))
	v.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // it made the certificate itself
	begin := func() (p *process, shown *output) {
		master, program := pseudoTerminal(t, 200, 50)
		shown = newOutput()
		go func() { _, _ = io.Copy(shown, master) }() // until it is closed
		bin, err := build()
		if err != nil {
			t.Fatal(err)
		}
		p = prepare(t, []string{"STATE_DIRECTORY=" + state}, bin, "run", "--config", path)
		p.cmd.Stderr = program
		p.begin()
		shown.await(t, "sensed runs")
		return p, shown
	}

	p, shown := begin()
	found := regexp.MustCompile(`The password of the page, shown this once: (\S{27})\s`).FindStringSubmatch(shown.String())
	if found == nil {
		t.Fatalf("there is no password:\n%s", shown)
	}
	password := found[1]
	v.enter(password)
	var node web.Node
	if v.do("GET", "node", nil, &node); node.Loading || node.Model == "" {
		t.Errorf("it runs, and its page says %+v", node)
	}
	var before web.Timeline
	until(t, "a card has words and a thumbnail", func() bool {
		v.do("GET", "timeline?kind=caption", nil, &before)
		return len(before.Cards) > 0 && before.Cards[len(before.Cards)-1].Text != "" && before.Cards[len(before.Cards)-1].Thumbnail
	})
	card := before.Cards[len(before.Cards)-1]
	if code, _ := p.signal(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if n := strings.Count(shown.String(), password); n != 1 {
		t.Errorf("the password is shown %d times", n)
	}

	_, shown = begin()
	if strings.Contains(shown.String(), password) || strings.Contains(shown.String(), "shown this once") {
		t.Errorf("a password is shown again:\n%s", shown)
	}
	if code := v.do("GET", "node", nil, nil); code != 401 {
		t.Errorf("the session of before the restart: %d", code)
	}
	v.enter(password)
	var after web.Card
	if code := v.do("GET", "timeline/"+card.ID, nil, &after); code != 200 || after.Text != card.Text || !after.Time.Equal(card.Time) || !after.Thumbnail {
		t.Errorf("the card of before the restart: %d %+v, want %+v", code, after, card)
	}
	a, err := v.client.Get(v.url + "api/v1/timeline/" + card.ID + "/thumbnail")
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("its picture: %s", a.Status)
	}
}

// TestThePageIsThereBeforeItsModel: while a model is read, which may take long,
// the page says so, and sensed can be ended.
func TestThePageIsThereBeforeItsModel(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "model.gguf")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil { // whoever opens it waits
		t.Fatal(err)
	}
	port := mqtttest.FreePort(t)
	text := fmt.Sprintf(paged, mqtttest.FreePort(t), port) + fmt.Sprintf("model: {text: %q, projector: %q}\n", pipe, pipe)
	p := start(t, []string{"STATE_DIRECTORY=" + folder}, "run", "--config", file(t, "sensed.yaml", text))
	p.err.await(t, "the page is at")
	v := visit(t, fmt.Sprintf("http://127.0.0.1:%d/", port))
	v.enter("")
	var node web.Node
	var sources web.Sources
	if code := v.do("GET", "node", nil, &node); code != 200 || !node.Loading || node.Model != "" || node.Node != "porch" {
		t.Errorf("%d %+v", code, node)
	}
	if code := v.do("GET", "sources", nil, &sources); code != 200 || len(sources.Sources) != 1 || sources.Sources[0].State != "starting" {
		t.Errorf("%d %+v", code, sources)
	}
	if code, took := p.signal(syscall.SIGTERM); code != 0 || took > 5*time.Second {
		t.Errorf("exit code %d after %v\n%s", code, took, p.err)
	}
}
