package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sensed/deploy/models/tiny"
)

// patience bounds waits for things that take seconds at most; it only decides
// how long a failing test takes.
const patience = 2 * time.Minute

// scratch is a folder for the whole run; it holds the program.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sensed-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	os.Setenv("RUNTIME_DIRECTORY", filepath.Join(dir, "run")) // nothing here talks to a daemon of this machine
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build compiles the program once, as its user gets it.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "sensed")
	out, err := exec.Command("go", append(append([]string{"build"}, raceFlags...), "-o", path, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// process is a running program.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *output
	runtime  string        // its runtime folder
	done     chan struct{} // closed when it has ended
}

// socket is where the program listens for sensed status.
func (p *process) socket() string { return filepath.Join(p.runtime, "sensed.sock") }

// start runs the built program.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := prepare(t, env, path, args...)
	p.begin()
	return p
}

// prepare makes a program ready to begin.
func prepare(t *testing.T, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), out: newOutput(), err: newOutput(), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	var err error
	p.runtime, err = os.MkdirTemp(scratch, "run") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Env = append(append(os.Environ(), "RUNTIME_DIRECTORY="+p.runtime), env...)
	return p
}

// begin lets it run until it ends, or the test does.
func (p *process) begin() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	p.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
}

// wait waits for the end and returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("the program does not end\nstdout:\n%s\nstderr:\n%s", p.out, p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal and returns the exit code and how long the end took.
func (p *process) signal(s syscall.Signal) (code int, took time.Duration) {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	return p.wait(), time.Since(began)
}

// output collects what a program writes; a test can wait for words in it.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // guarded by mu; closed and replaced at each write
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) await(t *testing.T, words string) {
	t.Helper()
	limit := time.After(patience)
	for {
		o.mu.Lock()
		text, changed := o.b.String(), o.changed
		o.mu.Unlock()
		if strings.Contains(text, words) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%q was never written; there is:\n%s", words, text)
		}
	}
}

// call runs a command inside the test.
func call(t *testing.T, in string, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(in), &o, &e})
	return code, o.String(), e.String()
}

// sample writes a bundled file into a folder of the test.
func sample(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(tiny.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, filepath.Base(name), string(data))
}

// file writes a file into a folder of the test.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// ffmpeg makes a video.
func ffmpeg(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("this test needs the program ffmpeg: apt-get install ffmpeg")
	}
	if out, err := exec.Command(path, append([]string{"-v", "error"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
}
