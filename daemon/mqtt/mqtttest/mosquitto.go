// Package mqtttest starts a real mosquitto on loopback for tests, with its own
// folder, passwords and certificates, and listens to what arrives there.
package mqtttest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds waits for things that take milliseconds; it only decides how
// long a failing test takes.
const Patience = 30 * time.Second

// Options says how the broker guards itself. The zero value is open to all.
type Options struct {
	User, Password string // only this user may come in
	TLS            *Certs // the broker shows Certs.Server and wants a client certificate of the same authority
	Persist        bool   // messages survive a Stop
	Websockets     bool   // a second listener, see [Mosquitto.WebsocketURL]
	Quiet          bool   // it logs errors only
	MaxPacket      int    // it ends the connection of who sends more bytes in one packet; 0: no limit
	Unix           bool   // a third one, see [Mosquitto.UnixURL]
}

// Mosquitto is a broker on a free port, run as a process of its own. Start and
// Stop may follow each other; the port stays.
type Mosquitto struct {
	t      testing.TB
	dir    string
	port   int
	ws     int // port for websockets, 0 for none
	scheme string
	cmd    *exec.Cmd
	log    buffer
}

// New prepares a broker. It does not start it.
func New(t testing.TB, o Options) *Mosquitto {
	t.Helper()
	m := &Mosquitto{t: t, dir: t.TempDir(), port: FreePort(t), scheme: "mqtt"}
	level := "all"
	if o.Quiet {
		level = "error"
	}
	conf := []string{
		"listener " + strconv.Itoa(m.port) + " 127.0.0.1",
		"user root", // as root it would else change to a user that may not read the folder
		"log_dest stderr", "log_type " + level,
		"max_queued_messages 0", // without a limit: what is lost must have been lost by us
		"persistence " + strconv.FormatBool(o.Persist),
		"persistence_location " + m.dir + "/",
		"allow_anonymous " + strconv.FormatBool(o.User == ""),
	}
	if o.Websockets {
		m.ws = FreePort(t)
		conf = append(conf, o.TLS.lines()...) // of the listener before
		conf = append(conf, "listener "+strconv.Itoa(m.ws)+" 127.0.0.1", "protocol websockets")
	}
	if o.Unix {
		conf = append(conf, "listener 0 "+m.socket())
	}
	if o.MaxPacket > 0 {
		conf = append(conf, "max_packet_size "+strconv.Itoa(o.MaxPacket))
	}
	if o.User != "" {
		file := filepath.Join(m.dir, "passwords")
		run(t, "mosquitto_passwd", "-b", "-c", file, o.User, o.Password)
		conf = append(conf, "password_file "+file)
	}
	if o.TLS != nil {
		m.scheme = "mqtts"
		conf = append(conf, o.TLS.lines()...)
	}
	write(t, m.conf(), strings.Join(conf, "\n")+"\n")
	t.Cleanup(m.Stop)
	return m
}

// lines are the settings of one listener.
func (c *Certs) lines() []string {
	if c == nil {
		return nil
	}
	return []string{"cafile " + c.CA, "certfile " + c.Server, "keyfile " + c.ServerKey, "require_certificate true"}
}

// Start prepares a broker and starts it.
func Start(t testing.TB, o Options) *Mosquitto {
	t.Helper()
	m := New(t, o)
	m.Start()
	return m
}

func (m *Mosquitto) conf() string { return filepath.Join(m.dir, "mosquitto.conf") }

// URL is where clients connect.
func (m *Mosquitto) URL() string { return fmt.Sprintf("%s://127.0.0.1:%d", m.scheme, m.port) }

// WebsocketURL is where clients connect that speak through websockets.
func (m *Mosquitto) WebsocketURL() string {
	return fmt.Sprintf("%s://127.0.0.1:%d/", strings.Replace(m.scheme, "mqtt", "ws", 1), m.ws)
}

// UnixURL is where clients connect through a socket in the file system.
func (m *Mosquitto) UnixURL() string { return "unix://" + m.socket() }

func (m *Mosquitto) socket() string { return filepath.Join(m.dir, "socket") }

// Start starts the process and waits until it takes connections.
func (m *Mosquitto) Start() {
	m.t.Helper()
	m.cmd = exec.Command(program(m.t, "mosquitto"), "-c", m.conf())
	m.cmd.Stderr, m.cmd.Stdout = &m.log, &m.log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(Patience); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", m.port))
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("mosquitto does not listen: %v\n%s", err, m.log.String())
		}
	}
}

// Stop ends the process in good order: with Persist it saves its messages.
func (m *Mosquitto) Stop() { m.end(syscall.SIGTERM) }

// Kill ends the process without a word.
func (m *Mosquitto) Kill() { m.end(syscall.SIGKILL) }

func (m *Mosquitto) end(s syscall.Signal) {
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Signal(s)
	m.cmd.Wait()
	m.cmd = nil
}

// FreePort returns a port on loopback that nobody listens at.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// program finds a program of Debian's mosquitto package. Its broker lies in
// sbin, which is not on every user's path.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	t.Fatalf("this test needs the program %s: apt-get install mosquitto", name)
	return ""
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program(t, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
