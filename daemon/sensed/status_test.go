package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/health"
	"sensed/daemon/mqtt/mqtttest"
)

// hotBoard makes the sys of a board that is hot and has a weak supply.
func hotBoard(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"sys/class/thermal/thermal_zone0/type":                "cpu-thermal\n",
		"sys/class/thermal/thermal_zone0/temp":                "84250\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
		"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// garden is a configuration with one source that needs no hardware.
func garden(source, broker string) string {
	return fmt.Sprintf("node: porch\nbroker: {%s}\nsources:\n  - name: %s\n    source: scene:?seed=3&fps=2&size=320x240\n    tasks:\n      - kind: caption\n        every: 1s\n", broker, source)
}

func listenAt(t *testing.T) string { return fmt.Sprintf("listen: 127.0.0.1:%d", mqtttest.FreePort(t)) }

// awaitStatus asks until the state is as wanted.
func awaitStatus(t *testing.T, p *process, what string, ok func(health.Snapshot) bool) health.Snapshot {
	t.Helper()
	c := health.NewClient(p.socket())
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		s, _, err := c.Status(ctx)
		if err == nil && ok(s) {
			return s
		}
		select {
		case <-p.done:
			t.Fatalf("the program has ended before there was %s\n%s", what, p.err)
		case <-ctx.Done():
			t.Fatalf("there is never %s: %+v, %v\n%s", what, s, err, p.err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestStatusOfARunningDaemon(t *testing.T) {
	t.Parallel()
	p := start(t, []string{boardVariable + "=" + hotBoard(t)}, "run", "--config", file(t, "sensed.yaml", garden("garden", listenAt(t))))
	s := awaitStatus(t, p, "an answer", func(s health.Snapshot) bool {
		return s.Queue.Answered > 0 && s.Broker.Connected && s.Broker.Delivered > 0 && s.Speed.TokensPerSecond > 0
	})
	if s.Node != "porch" || s.Model.Name == "" || s.Model.Kernels == "" || s.Model.Quant == "" || s.Program == "" || s.Uptime < 0 || s.Events.Published == 0 {
		t.Errorf("%+v", s)
	}
	if b := s.Board; b.Temperature == nil || *b.Temperature != 84.25 || b.Power == nil || !b.Power.UnderVoltage || !b.Power.Throttled || !b.Power.ThrottledOccurred || b.Power.Capped {
		t.Errorf("board: %+v", b)
	}
	if len(s.Sources) != 1 || s.Sources[0].State != "ok" || s.Sources[0].Kind != "camera" || s.Sources[0].Last == "" || s.Sources[0].Seen == 0 {
		t.Errorf("sources: %+v", s.Sources)
	}
	if len(s.Problems) < 2 || !strings.Contains(s.Problems[0], "supply voltage is too low") || !strings.Contains(s.Problems[1], "throttled (84.2 °C)") {
		t.Errorf("problems: %q", s.Problems)
	}
	code, text, notes := call(t, "", "status", "--socket", p.socket())
	for _, want := range []string{"porch", "tokens/s", "84.2 °C, under-voltage, throttled", "garden       camera     ok", s.Model.Name, "! the supply voltage", "connected", "answered"} {
		if !strings.Contains(text, want) {
			t.Errorf("the view lacks %q:\n%s", want, text)
		}
	}
	if code != 0 || notes != "" || strings.Contains(text, "\x1b") {
		t.Errorf("exit code %d: %s%q", code, notes, text)
	}
	code, text, notes = call(t, "", "status", "--json", "--socket", p.socket())
	if again := parse[health.Snapshot](t, text); code != 0 || again.Node != "porch" {
		t.Errorf("exit code %d: %s%s", code, text, notes)
	}
	if code, _ := p.signal(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
	if code, _, notes := call(t, "", "status", "--socket", p.socket()); code != 6 || !strings.Contains(notes, "not running") {
		t.Errorf("afterwards: exit code %d: %s", code, notes)
	}
	if strings.Contains(p.err.String(), s.Sources[0].Last) {
		t.Errorf("the log tells what was seen (%s):\n%s", s.Sources[0].Last, p.err)
	}
}

func TestStatusWithoutADaemon(t *testing.T) {
	for _, name := range []string{"status", "reload"} {
		code, out, notes := call(t, "", name, "--socket", filepath.Join(t.TempDir(), "none.sock"))
		if code != 6 || out != "" || !strings.Contains(notes, "sensed is not running: nobody listens at") || !strings.Contains(notes, "systemctl start sensed") {
			t.Errorf("%s: exit code %d: %s%s", name, code, out, notes)
		}
	}
}

// TestStatusTellsOfTheBroker: a password that the broker refuses, a certificate
// that has expired and an outbox that cannot be stored are states, not crashes.
func TestStatusTellsOfTheBroker(t *testing.T) {
	t.Parallel()
	old := mqtttest.NewCertsExpired(t, mqtttest.Expired{Server: true})
	strict := mqtttest.Start(t, mqtttest.Options{User: "porch", Password: "correct horse"})
	expired := mqtttest.Start(t, mqtttest.Options{TLS: old})
	password := file(t, "password.txt", "battery staple\n")
	for problem, broker := range map[string]string{
		"refuses user": fmt.Sprintf("url: %s, username: porch, password_file: %s", strict.URL(), password),
		"has expired":  fmt.Sprintf("url: %s, ca_file: %s, cert_file: %s, key_file: %s", expired.URL(), old.CA, old.Client, old.ClientKey),
	} {
		p := start(t, nil, "run", "--config", file(t, "sensed.yaml", garden("garden", broker)+"outbox: {path: /proc/sensed-outbox}\n"))
		s := awaitStatus(t, p, "a problem with the broker", func(s health.Snapshot) bool { return s.Broker.Problem != "" })
		if !strings.Contains(s.Broker.Problem, problem) || s.Broker.Connected || !slices.Contains(s.Problems, s.Broker.Problem) {
			t.Errorf("%s: %+v\n%q", problem, s.Broker, s.Problems)
		}
		if s.Outbox.Durable || s.Outbox.Problem == "" || !slices.Contains(s.Problems, s.Outbox.Problem) {
			t.Errorf("%+v\n%q", s.Outbox, s.Problems)
		}
		code, text, _ := call(t, "", "status", "--socket", p.socket())
		if code != 0 || !strings.Contains(text, problem) || !strings.Contains(text, "in memory only") {
			t.Errorf("exit code %d:\n%s", code, text)
		}
	}
}

// TestStatusIsLiveOnATerminal lets the program draw on a pseudo-terminal.
func TestStatusIsLiveOnATerminal(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "run", "--config", file(t, "sensed.yaml", garden("garden", listenAt(t))))
	awaitStatus(t, p, "an answer", func(s health.Snapshot) bool { return s.Queue.Answered > 0 })
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	master, terminal := pseudoTerminal(t, 60, 12)
	view := exec.Command(path, "status", "--socket", p.socket())
	view.Stdout, view.Stderr = terminal, terminal
	if err := view.Start(); err != nil {
		t.Fatal(err)
	}
	drawn := newOutput()
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			drawn.Write(b[:n])
		}
	}()
	drawn.await(t, "A\r\x1b[J") // drawn again in place
	if err := view.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := view.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	for frame := range strings.SplitSeq(drawn.String(), "\x1b[J") {
		if n := strings.Count(frame, "\n"); n > 11 {
			t.Errorf("%d lines on a terminal of 12", n)
		}
		for line := range strings.Lines(frame) {
			if n := len([]rune(strings.TrimRight(strings.NewReplacer("\x1b[33m", "", "\x1b[0m", "").Replace(line), "\r\n"))); n > 60 {
				t.Errorf("%d columns on a terminal of 60: %q", n, line)
			}
		}
	}
}

// pseudoTerminal returns both ends of a terminal of that size.
func pseudoTerminal(t *testing.T, columns, rows uint16) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

func TestReload(t *testing.T) {
	t.Parallel()
	at := listenAt(t)
	path := file(t, "sensed.yaml", garden("garden", at))
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, nil, "run", "--config", path)
	awaitStatus(t, p, "an answer", func(s health.Snapshot) bool { return s.Queue.Answered > 0 })

	write(garden("yard", at) + "model: {threads: 1}\nlog: {level: warn}\n")
	code, out, notes := call(t, "", "reload", "--socket", p.socket())
	if code != 0 || !strings.Contains(out, "sources, log applied") || !strings.Contains(out, "restart sensed for model") {
		t.Errorf("exit code %d: %s%s", code, out, notes)
	}
	awaitStatus(t, p, "an answer about the new source", func(s health.Snapshot) bool {
		return len(s.Sources) == 1 && s.Sources[0].Name == "yard" && s.Sources[0].Answered > 0
	})
	code, out, _ = call(t, "", "reload", "--socket", p.socket())
	if code != 0 || !strings.Contains(out, "nothing applied; restart sensed for model") {
		t.Errorf("nothing new: exit code %d: %s", code, out)
	}

	write("node: porch\nsuorces: []\n")
	code, out, notes = call(t, "", "reload", "--socket", p.socket())
	if code != 3 || out != "" || !strings.Contains(notes, "sensed.yaml:2:1") || !strings.Contains(notes, "going on with the old one") {
		t.Errorf("a mistake: exit code %d: %s%s", code, out, notes)
	}
	p.err.await(t, "sensed.yaml:2:1")

	// A broker that cannot be had is noticed only when it is tried.
	write(garden("fence", "listen: "+held(t)))
	code, _, notes = call(t, "", "reload", "--socket", p.socket())
	if code != 3 || !strings.Contains(notes, "cannot listen") || !strings.Contains(notes, "going on with the old one") {
		t.Errorf("a port that is taken: exit code %d: %s", code, notes)
	}
	s := awaitStatus(t, p, "the old source", func(s health.Snapshot) bool {
		return s.Sources[0].Name == "yard" && s.Sources[0].Answered > 0 && s.Broker.Connected
	})
	if s.Queue.Failed != 0 {
		t.Errorf("%+v", s.Queue)
	}

	write(garden("gate", at))
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, p, "the source of the third file", func(s health.Snapshot) bool { return s.Sources[0].Name == "gate" && s.Sources[0].Answered > 0 })
	if code, took := p.signal(syscall.SIGTERM); code != 0 || took > stopLimit {
		t.Errorf("exit code %d after %v\n%s", code, took, p.err)
	}
	if n := strings.Count(p.err.String(), "the demonstration model answers"); n != 1 {
		t.Errorf("the model was loaded %d times:\n%s", n, p.err)
	}
}

// TestSystemdIsToldOfReloadAndWatchdog stands in for systemd.
func TestSystemdIsToldOfReloadAndWatchdog(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp(scratch, "n")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := start(t, []string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=30000000"}, "run", "--config", file(t, "sensed.yaml", garden("garden", listenAt(t))))
	await := func(want string) string {
		t.Helper()
		l.SetReadDeadline(time.Now().Add(patience))
		for b := make([]byte, 4096); ; {
			n, err := l.Read(b)
			if err != nil {
				t.Fatalf("systemd never hears %s: %v\n%s", want, err, p.err)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return string(b[:n])
			}
		}
	}
	await("READY=1")
	await("WATCHDOG=1")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var usec int64
	if s := await("RELOADING=1"); true {
		if n, err := fmt.Sscanf(s, "RELOADING=1\nMONOTONIC_USEC=%d", &usec); n != 1 || err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil || usec <= 0 || usec > now.Nano()/1000 {
		t.Errorf("MONOTONIC_USEC=%d, but it is %d (%v)", usec, now.Nano()/1000, err)
	}
	await("READY=1")
	await("WATCHDOG=1")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("STOPPING=1")
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.err)
	}
}
