//go:build linux

package child

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this program play the children.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "play" {
		play(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

func play(part string) {
	switch part {
	case "echo": // standard input, then a word on standard error
		_, _ = io.Copy(os.Stdout, os.Stdin)
		fmt.Fprintln(os.Stderr, "done")
	case "fail":
		fmt.Println("half a picture")
		fmt.Fprintln(os.Stderr, "opened")
		fmt.Fprintln(os.Stderr, "ERROR: *** no camera for secret ***")
		os.Exit(3)
	case "deaf": // ends for no request
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "parent": // leaves a child of its own behind, which keeps the pipes
		c := exec.Command(os.Args[0], "play", "deaf")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		if err := c.Start(); err != nil {
			panic(err)
		}
		fmt.Println(c.Process.Pid)
	case "silent":
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	}
}

func start(t *testing.T, part string, o Opts) *Process {
	t.Helper()
	o.Program, o.Args = os.Args[0], []string{"play", part}
	p, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// alive says whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestGivesInputAndOutput(t *testing.T) {
	text := strings.Repeat("x", MaxInput)
	p := start(t, "echo", Opts{Input: text})
	got, err := io.ReadAll(p)
	if err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if err := p.Exit(); err != nil || p.Said() != "done" {
		t.Errorf("it ended with %v and said %q", err, p.Said())
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid()))
	if err == nil {
		t.Errorf("the process is still there: %q", line)
	}
	if _, err := Start(Opts{Program: "cat", Input: text + "x"}); err == nil {
		t.Error("an input was taken that may not fit into a pipe")
	}
}

func TestReadsNothingWithoutInput(t *testing.T) {
	p := start(t, "echo", Opts{})
	if got, err := io.ReadAll(p); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTellsHowTheProgramFailed(t *testing.T) {
	p := start(t, "fail", Opts{Hide: []string{"secret"}})
	if got, err := io.ReadAll(p); err != nil || string(got) != "half a picture\n" {
		t.Errorf("got %q, %v", got, err)
	}
	var exit *exec.ExitError
	if err := p.Exit(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("it ended with %v", err)
	}
	if got, want := p.Said(), "opened; ERROR: *** no camera for *** ***"; got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
}

func TestSaysThatNoProgramIsThere(t *testing.T) {
	if _, err := Start(Opts{Program: "no-such-program-anywhere"}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := Start(Opts{Program: os.DevNull}); err == nil {
		t.Error("a file that is no program was started")
	}
}

func TestStopEndsTheDeaf(t *testing.T) {
	p := start(t, "deaf", Opts{Grace: 50 * time.Millisecond})
	if line, err := bufio.NewReader(p).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := p.Read(make([]byte, 1))
		read <- err
	}()
	p.Stop()
	if alive(p.Pid()) {
		t.Error("the program goes on")
	}
	if err := <-read; err == nil {
		t.Error("there was more to read")
	}
	p.Stop()
}

func TestWhatAProgramLeavesBehindEnds(t *testing.T) {
	p := start(t, "parent", Opts{})
	line, err := bufio.NewReader(p).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Exit(); err != nil { // the program has ended by itself
		t.Error(err)
	}
	for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d, which the program started, goes on", pid)
		}
	}
}

func TestExitEndsAProgramWithoutOutput(t *testing.T) {
	p := start(t, "silent", Opts{Grace: 50 * time.Millisecond})
	if got, err := io.ReadAll(p); err != nil || len(got) != 0 {
		t.Fatalf("%q, %v", got, err)
	}
	if err := p.Exit(); err == nil {
		t.Error("a program that did not end ended well")
	}
	if alive(p.Pid()) {
		t.Error("the program goes on")
	}
}

func TestWordsAreFewAndHideSecrets(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  []string
		want string
	}{
		{"nothing", nil, ""},
		{"lines", []string{"a\nb", "c\r\n\n d  e\n"}, "a; bc; d e"},
		{"the last", []string{"1\n2\n3\n4\n5\n6\n"}, "3; 4; 5; 6"},
		{"no end", []string{"a\nopening the door"}, "a; opening"}, // a secret might begin there
		{"secret", []string{"x pass", "word y\n"}, "x *** y"},
		{"secret at the cut", []string{strings.Repeat("x", maxLine-6) + "password\n"}, strings.Repeat("x", maxLine-8)},
		{"bytes", []string{"a\xff\x00b\n"}, "a?\x00b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &words{hide: []string{"password", ""}}
			for _, s := range tt.say {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := w.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzWords(f *testing.F) {
	f.Add("a\nb", "c\r\n\n d  e\n")
	f.Add("x pass", "word y\n")
	f.Add(strings.Repeat("x", maxLine-6)+"pass", "word")
	f.Fuzz(func(t *testing.T, a, b string) {
		w := &words{hide: []string{"password"}}
		for _, s := range []string{a, b} {
			_, _ = w.Write([]byte(s))
			if said := w.String(); len(said) > maxLines*(3*maxLine+2) || strings.Contains(said, "password") {
				t.Errorf("said %q", said)
			}
		}
	})
}
