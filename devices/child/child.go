//go:build linux

// Package child runs a program that feeds a device: rpicam-vid, ffmpeg,
// arecord. The program gets a list of arguments and no shell, and a process
// group of its own. However it ends, it and whatever it started are gone when
// [Process.Stop] returns, and what it said last on standard error is kept.
package child

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Opts say what is run.
type Opts struct {
	// Program is a path, or a name that is looked for on PATH.
	Program string
	// Args are its arguments, as they are.
	Args []string
	// Input is all that the program reads on standard input. It goes through a
	// pipe and is on no disk and in no list of processes. At most [MaxInput] bytes.
	Input string
	// Hide lists what must not be repeated when the program says it, such as
	// passwords.
	Hide []string
	// Grace is how long the program may take to end when it is asked to, or
	// when it has closed its output. Default 2 s.
	Grace time.Duration
}

// MaxInput is what a pipe holds on every Linux, so writing never waits.
const MaxInput = 4096

// Process is a running program. Its Read gives what the program writes on
// standard output, io.EOF after its end. One goroutine may read while another
// calls Stop.
type Process struct {
	cmd   *exec.Cmd
	out   *os.File
	said  *words
	grace time.Duration
	gone  chan struct{} // closed when the group has ended
	exit  error

	mu   sync.Mutex
	dead bool // its number may belong to another process soon
}

// Start runs the program. The error wraps [exec.ErrNotFound] when there is none.
func Start(o Opts) (*Process, error) {
	if len(o.Input) > MaxInput {
		return nil, fmt.Errorf("%s: an input of %d bytes is too long", o.Program, len(o.Input))
	}
	path, err := exec.LookPath(o.Program)
	if err != nil {
		return nil, err
	}
	p := &Process{
		cmd: exec.Command(path, o.Args...), said: &words{hide: o.Hide},
		grace: cmp.Or(o.Grace, 2*time.Second), gone: make(chan struct{}),
	}
	p.cmd.Args[0] = o.Program
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.said
	// A grandchild that keeps standard error open must not keep us.
	p.cmd.WaitDelay = p.grace

	in, err := input(o.Input)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	// A pipe of our own: that of the package exec ends with Wait, with data in it.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdin, p.cmd.Stdout = in, w
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("%s cannot be started: %w", path, err)
	}
	p.out = r
	go p.reap()
	return p, nil
}

// input returns a file to read text from: the null device when there is none.
func input(text string) (*os.File, error) {
	if text == "" {
		return os.Open(os.DevNull)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// reap waits for the end of the program and ends what it has left behind.
func (p *Process) reap() {
	pid := p.cmd.Process.Pid
	// Looking without taking the dead process away keeps its number, so that
	// nobody else's group can be meant.
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.signal(unix.SIGKILL)
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.exit = p.cmd.Wait()
	close(p.gone)
}

// Read reads what the program writes on standard output.
func (p *Process) Read(b []byte) (int, error) { return p.out.Read(b) }

// Name is the name of the program, without its folder.
func (p *Process) Name() string { return filepath.Base(p.cmd.Path) }

// Pid is the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Said is the end of what the program has said on standard error, on one line,
// without what is to be hidden. After the end of the program it is complete
// once [Process.Exit] has returned.
func (p *Process) Said() string { return p.said.String() }

// Exit waits a moment for the end of a program whose output has ended. It
// returns nil when the program ended well, and how it ended otherwise; a
// program that goes on without output is ended and counts as not well.
func (p *Process) Exit() error {
	select {
	case <-p.gone:
		return p.exit
	case <-time.After(p.grace):
	}
	p.kill()
	return errors.New("closed its output and went on")
}

// Stop ends the program and returns when it is gone. A Read that waits returns.
// It may be called more than once, also after the end of the program.
func (p *Process) Stop() {
	p.kill()
	_ = p.out.Close()
}

// kill asks the program to end, and soon makes it.
func (p *Process) kill() {
	p.signal(unix.SIGTERM)
	timer := time.NewTimer(p.grace)
	defer timer.Stop()
	select {
	case <-p.gone:
	case <-timer.C:
		p.signal(unix.SIGKILL)
		<-p.gone
	}
}

// signal signals the whole group, unless it has ended.
func (p *Process) signal(s unix.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		_ = unix.Kill(-p.Pid(), s) // a group that is gone is what is wanted
	}
}
