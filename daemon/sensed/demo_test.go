package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/event"
	"sensed/deploy/models/tiny"
)

// expectation is what the reference answers for a sample.
type expectation struct {
	Caption    string
	Objects    []event.Found
	Transcript string
}

func expected(t *testing.T) map[string]expectation {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), tiny.Expected)
	if err != nil {
		t.Fatal(err)
	}
	return parse[map[string]expectation](t, string(data))
}

func TestDemoSeesAndHearsEverySample(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--once", "--json")
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.err)
	}
	got := map[string]map[event.Kind]event.Event{}
	kinds := map[event.Kind]int{}
	var states []string
	for line := range strings.Lines(p.out.String()) {
		e := parse[event.Event](t, line)
		kinds[e.Kind]++
		if e.Kind == event.Status && e.Source == "" {
			states = append(states, e.State)
		}
		if got[e.Sample] == nil {
			got[e.Sample] = map[event.Kind]event.Event{}
		}
		if before, twice := got[e.Sample][e.Kind]; twice && e.Sample != "" {
			t.Errorf("%s: two events of kind %s: %+v and %+v", e.Sample, e.Kind, before, e)
		}
		got[e.Sample][e.Kind] = e
	}
	for name, want := range expected(t) {
		if strings.HasSuffix(name, ".wav") {
			e := got[name][event.Transcript]
			if e.Text != want.Transcript {
				t.Errorf("%s: heard %q, want %q", name, e.Text, want.Transcript)
			}
			complete(t, name, e)
			if got[name][event.Sound].ID != e.ID {
				t.Errorf("%s: the sound was announced as %q, its words came as %q", name, got[name][event.Sound].ID, e.ID)
			}
			continue
		}
		e := got[name][event.Caption]
		if e.Text != want.Caption {
			t.Errorf("%s: caption %q, want %q", name, e.Text, want.Caption)
		}
		complete(t, name, e)
		boxes := got[name][event.Objects]
		complete(t, name, boxes)
		if bad := compareBoxes(boxes.Objects, want.Objects); bad != "" {
			t.Errorf("%s: %s: found %v, want %v", name, bad, boxes.Objects, want.Objects)
		}
	}
	if kinds[event.Motion] == 0 || kinds[event.Sound] == 0 {
		t.Errorf("announced: %d motions and %d sounds, want some of each", kinds[event.Motion], kinds[event.Sound])
	}
	if d := cmp.Diff([]string{"online", "offline"}, states); d != "" {
		t.Errorf("states of the node (-want +got):\n%s", d)
	}
	if notes := p.err.String(); !strings.Contains(notes, "demonstration model") || !strings.Contains(notes, "Gemma 4 E2B") {
		t.Errorf("standard error does not say what this is:\n%s", notes)
	}
}

// complete checks what each answer must carry.
func complete(t *testing.T, name string, e event.Event) {
	t.Helper()
	if e.ID == "" || e.Node != "demo" || e.Source == "" || e.Time.IsZero() || e.Model == nil || e.Model.Name == "" || e.Error != "" {
		t.Errorf("%s: event of kind %q lacks something: %+v", name, e.Kind, e)
	}
	if l := e.Latency; l == nil || l.Encode <= 0 || l.Prefill <= 0 || l.Decode <= 0 || l.Total < l.Encode+l.Prefill+l.Decode {
		t.Errorf("%s: latency of kind %q is not plausible: %+v", name, e.Kind, l)
	}
}

// compareBoxes pairs the boxes of one label with an intersection over union of
// at least a half and says what is left over.
func compareBoxes(got []event.Object, want []event.Found) string {
	used := make([]bool, len(got))
next:
	for _, w := range event.Place(want, 1000, 1000) {
		for i, g := range got {
			if !used[i] && g.Label == w.Label && event.Overlap(g.Box, w.Box) >= 0.5 {
				used[i] = true
				continue next
			}
		}
		return "no box for " + w.Label
	}
	if len(got) != len(want) {
		return "too many boxes"
	}
	return ""
}

func TestDemoEndsWithASignalAndSumsUp(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo")
	p.out.await(t, " caption ")
	if code, _ := p.signal(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	text := p.out.String()
	for _, want := range []string{"demonstration model", "5.9 M parameters", "Gemma 4 E2B", "sensed infer --image", "--projector", "online", "Summary", "captions"} {
		if !strings.Contains(text, want) {
			t.Errorf("the output lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colours were written to something that is no terminal")
	}
}

func TestDemoInterruptedBeforeItSawAllIsAFailure(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--once")
	p.out.await(t, " status ")
	if code, _ := p.signal(syscall.SIGINT); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, p.err)
	}
}

func TestDemoEndsQuietlyWhenNobodyReads(t *testing.T) {
	t.Parallel()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	temporary := t.TempDir()
	cmd := exec.Command(path, "demo", "--json")
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer limit.Stop()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || strings.Contains(notes.String(), "pipe") {
		t.Errorf("exit code %d\n%s", code, notes.String())
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoNamesATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	code, _, notes := call(t, "", "demo", "--port", port)
	if code != 1 || !strings.Contains(notes, "cannot listen on 127.0.0.1:"+port) || !strings.Contains(notes, "--port") {
		t.Errorf("exit code %d: %s", code, notes)
	}
}
