package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sensed/daemon/health"
	"sensed/daemon/mqtt/mqtttest"
)

// startOn runs the program with its state on a file system of its own, which
// nobody else sees.
func startOn(t *testing.T, options, config string) *process {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	disk := t.TempDir()
	script := `mount -t tmpfs -o "$1" none "$2" && exec env STATE_DIRECTORY="$2" "$3" run --config "$4"`
	args := []string{"--mount", "sh", "-c", script, "sh", options, disk, program, config}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	p := &process{t: t, cmd: exec.Command("unshare", args...), out: newOutput(), err: newOutput(), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	if p.runtime, err = os.MkdirTemp(scratch, "run"); err != nil {
		t.Fatal(err)
	}
	p.cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+p.runtime)
	p.begin()
	return p
}

// TestStatusSaysWhatTheDiskLacks: a full disk and one that is read-only are
// states; events wait in memory, and the program neither ends nor starts again.
func TestStatusSaysWhatTheDiskLacks(t *testing.T) {
	t.Parallel()
	for options, want := range map[string]string{"size=24k": "the disk is full", "ro": "read-only"} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			nobody := fmt.Sprintf("url: 'mqtt://127.0.0.1:%d'", mqtttest.FreePort(t))
			text := strings.Replace(garden("garden", nobody), "every: 1s", "every: 100ms", 1)
			p := startOn(t, options, file(t, "sensed.yaml", "unchanged: send\n"+text))
			s := awaitStatus(t, p, want, func(s health.Snapshot) bool { return strings.Contains(s.Outbox.Problem, want) && s.Outbox.Messages > 0 })
			if s.Outbox.Durable {
				t.Errorf("%+v", s.Outbox)
			}
			before := s.Outbox.Messages
			s = awaitStatus(t, p, "more in memory", func(s health.Snapshot) bool { return s.Outbox.Messages > before+3 })
			if s.Outbox.Dropped != 0 || s.Events.Lost != 0 {
				t.Errorf("%+v %+v", s.Outbox, s.Events)
			}
			_, text, _ = call(t, "", "status", "--once", "--socket", p.socket())
			if !strings.Contains(text, want) {
				t.Errorf("sensed status does not say %q:\n%s", want, text)
			}
			if code, took := p.signal(syscall.SIGTERM); code != 0 || took > stopLimit {
				t.Errorf("it ended with %d after %v\n%s", code, took, p.err)
			}
		})
	}
}

// TestStatusSaysThatACertificateHasExpired, of the broker or of the board.
func TestStatusSaysThatACertificateHasExpired(t *testing.T) {
	t.Parallel()
	for want, expired := range map[string]mqtttest.Expired{"certificate has expired": {Server: true}, "cert_file has expired": {Client: true}} {
		certs := mqtttest.NewCertsExpired(t, expired)
		broker := mqtttest.Start(t, mqtttest.Options{TLS: certs})
		tls := fmt.Sprintf("url: %q, ca_file: %q, cert_file: %q, key_file: %q", broker.URL(), certs.CA, certs.Client, certs.ClientKey)
		p := start(t, []string{"STATE_DIRECTORY=" + filepath.Join(t.TempDir())}, "run", "--config", file(t, "sensed.yaml", garden("garden", tls)))
		s := awaitStatus(t, p, want, func(s health.Snapshot) bool {
			return strings.Contains(s.Broker.Problem, "expired") && s.Outbox.Messages > 0
		})
		if !strings.Contains(s.Broker.Problem, want) || s.Broker.Connected || !s.Outbox.Durable {
			t.Errorf("%+v %+v", s.Broker, s.Outbox)
		}
		if code, took := p.signal(syscall.SIGTERM); code != 0 || took > stopLimit {
			t.Errorf("it ended with %d after %v\n%s", code, took, p.err)
		}
	}
}
