package mqtt_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"sensed/daemon/event"
	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLogsInWithThePasswordFile(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "correct horse"})
	heard := mqtttest.Listen(t, broker.URL(), "sensed/#", func(o *paho.ClientOptions) {
		o.SetUsername("sensed").SetPassword("correct horse")
	})
	run(t, mqtt.Options{URL: broker.URL(), Username: "sensed", PasswordFile: secret(t, "correct horse\n")})
	heard.AwaitMessage("sensed/porch/status", "online")
}

func TestReachesTheBrokerByEveryWay(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{Websockets: true, Unix: true})
	for _, url := range []string{
		broker.URL(), strings.Replace(broker.URL(), "mqtt", "tcp", 1), broker.WebsocketURL(), broker.UnixURL(),
	} {
		t.Run(url[:strings.Index(url, ":")], func(t *testing.T) {
			heard := mqtttest.Listen(t, broker.URL(), "sensed/porch/door/caption", nil)
			p := run(t, mqtt.Options{URL: url})
			p.publish(t, caption(1))
			heard.AwaitMessage("sensed/porch/door/caption", "")
			p.stop()
		})
	}
}

func TestSaysThatThePasswordIsWrong(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "correct horse"})
	for name, tc := range map[string]struct {
		o    mqtt.Options
		want string
	}{
		"wrong": {mqtt.Options{Username: "sensed", PasswordFile: secret(t, "battery staple\n")}, `refuses user "sensed" or the password`},
		"none":  {mqtt.Options{}, "wants a user name and a password"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.URL = broker.URL()
			p := run(t, tc.o)
			p.publish(t, caption(1))
			p.log.await(t, slog.LevelDebug, 2) // further attempts are made, and not talked about
			if w := p.log.messages(slog.LevelWarn); len(w) != 1 || !strings.Contains(w[0], tc.want) {
				t.Errorf("warnings: %q, want one with %q", w, tc.want)
			}
			if s := p.Stats(); s.Connected || s.Waiting() != 1 || !strings.Contains(s.Problem, tc.want) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestSpeaksTLSBothWays(t *testing.T) {
	certs := mqtttest.NewCerts(t)
	broker := mqtttest.Start(t, mqtttest.Options{TLS: certs, Websockets: true})
	heard := mqtttest.Listen(t, strings.Replace(broker.URL(), "mqtts", "ssl", 1), "sensed/porch/door/#", func(o *paho.ClientOptions) {
		pem, err := os.ReadFile(certs.CA)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(certs.Client, certs.ClientKey)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		o.SetTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	})
	for i, o := range []mqtt.Options{
		{URL: broker.URL()},
		{URL: broker.WebsocketURL()},
		{URL: strings.Replace(broker.URL(), "127.0.0.1", "localhost", 1), ServerName: "127.0.0.1"},
	} {
		o.CAFile, o.CertFile, o.KeyFile = certs.CA, certs.Client, certs.ClientKey
		p := run(t, o)
		p.publish(t, caption(i))
		awaitEvent(t, heard, caption(i))
		p.stop()
	}
}

func TestRefusesABrokerThatItCannotTrust(t *testing.T) {
	certs, strange := mqtttest.NewCerts(t), mqtttest.NewCerts(t)
	old, stale := mqtttest.NewCertsExpired(t, mqtttest.Expired{Server: true}), mqtttest.NewCertsExpired(t, mqtttest.Expired{Client: true})
	expired, strict := mqtttest.Start(t, mqtttest.Options{TLS: old}), mqtttest.Start(t, mqtttest.Options{TLS: stale})
	broker := mqtttest.Start(t, mqtttest.Options{TLS: certs})
	plain := mqtttest.Start(t, mqtttest.Options{})
	for name, tc := range map[string]struct {
		o    mqtt.Options
		want string
	}{
		"authority of another":  {mqtt.Options{URL: broker.URL(), CAFile: strange.CA, CertFile: certs.Client, KeyFile: certs.ClientKey}, "unknown authority"},
		"system's authorities":  {mqtt.Options{URL: broker.URL(), CertFile: certs.Client, KeyFile: certs.ClientKey}, "unknown authority"},
		"name not in it":        {mqtt.Options{URL: strings.Replace(broker.URL(), "127.0.0.1", "localhost", 1), CAFile: certs.CA, CertFile: certs.Client, KeyFile: certs.ClientKey}, "for another host"},
		"client without one":    {mqtt.Options{URL: broker.URL(), CAFile: certs.CA}, "check cert_file and key_file"},
		"client of another":     {mqtt.Options{URL: broker.URL(), CAFile: certs.CA, CertFile: strange.Client, KeyFile: strange.ClientKey}, "check cert_file and key_file"},
		"broker's expired":      {mqtt.Options{URL: expired.URL(), CAFile: old.CA, CertFile: old.Client, KeyFile: old.ClientKey}, "has expired"},
		"client's expired":      {mqtt.Options{URL: strict.URL(), CAFile: stale.CA, CertFile: stale.Client, KeyFile: stale.ClientKey}, "cert_file has expired"},
		"another name wanted":   {mqtt.Options{URL: broker.URL(), CAFile: certs.CA, CertFile: certs.Client, KeyFile: certs.ClientKey, ServerName: "broker.lan"}, "for another host"},
		"port without any TLS":  {mqtt.Options{URL: strings.Replace(plain.URL(), "mqtt", "mqtts", 1), CAFile: certs.CA}, "cannot be used"},
		"TLS port spoken plain": {mqtt.Options{URL: strings.Replace(broker.URL(), "mqtts", "mqtt", 1)}, "does not greet"},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, tc.o)
			p.log.await(t, slog.LevelDebug, 2)
			if w := p.log.messages(slog.LevelWarn); len(w) != 1 || !strings.Contains(w[0], tc.want) {
				t.Errorf("warnings: %q, want one with %q", w, tc.want)
			}
			if s := p.Stats(); s.Connected || !strings.Contains(s.Problem, tc.want) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// deafBroker answers CONNECT and nothing else.
func deafBroker(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					packet, err := packets.ReadPacket(r)
					if err != nil {
						return
					}
					if _, ok := packet.(*packets.ConnectPacket); ok {
						packets.NewControlPacket(packets.Connack).Write(c)
					}
				}
			}()
		}
	}()
	return "tcp://" + l.Addr().String()
}

func TestGivesUpASessionWithoutAcknowledgements(t *testing.T) {
	p := run(t, mqtt.Options{URL: deafBroker(t), AckTimeout: 20 * time.Millisecond})
	p.publish(t, caption(1))
	p.log.await(t, slog.LevelDebug, 2)
	if w := p.log.messages(slog.LevelWarn); len(w) != 1 || !strings.Contains(w[0], "does not acknowledge") {
		t.Errorf("warnings: %q", w)
	}
	if s := p.Stats(); s.Delivered != 0 || s.Waiting() != 1 {
		t.Errorf("%+v", s)
	}
}

func TestStopsWhileABrokerKeepsItWaiting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	p := run(t, mqtt.Options{URL: "tcp://" + l.Addr().String()})
	c := <-accepted
	defer c.Close()
	began := time.Now()
	p.stop()
	if took := time.Since(began); took > 8*time.Second { // the wait for a greeting is 10 s
		t.Errorf("stopping took %v", took)
	}
}

func TestRefusesEventsWithoutATopic(t *testing.T) {
	p, err := mqtt.New(mqtt.Options{Node: "porch", URL: "tcp://127.0.0.1:1", Outbox: memory(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		change func(*event.Event)
		want   string
	}{
		{func(e *event.Event) { e.Source = "" }, "empty"},
		{func(e *event.Event) { e.Source = "a/b" }, "meaning of their own"},
		{func(e *event.Event) { e.Source = "#" }, "meaning of their own"},
		{func(e *event.Event) { e.Source = "a+" }, "meaning of their own"},
		{func(e *event.Event) { e.Source = "$SYS" }, "belongs to the broker"},
		{func(e *event.Event) { e.Source = "a\x00b" }, "cannot be printed"},
		{func(e *event.Event) { e.Source = "front door" }, "space"},
		{func(e *event.Event) { e.ID = "" }, "id is empty"},
		{func(e *event.Event) { e.Source = "a\xff" }, "not UTF-8"},
		{func(e *event.Event) { e.Source = strings.Repeat("x", 65) }, "longer than 64"},
		{func(e *event.Event) { e.Node = "other" }, `node "other"`},
		{func(e *event.Event) { e.Kind = "status/x" }, "is unknown"},
		{func(e *event.Event) { e.Text = strings.Repeat("x", mqtt.MaxPayload) }, "over the limit"},
	} {
		e := caption(1)
		tc.change(&e)
		if err := p.Publish(t.Context(), e); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+.60v: %v, want %q", e, err, tc.want)
		}
	}
	if s := p.Stats(); s.Accepted != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNewNamesTheMistake(t *testing.T) {
	certs := mqtttest.NewCerts(t)
	for _, tc := range []struct {
		o    mqtt.Options
		want string
	}{
		{mqtt.Options{Node: "a/b", URL: "mqtt://h"}, `node name "a/b"`},
		{mqtt.Options{Node: "n", URL: "http://h"}, "begins with none of mqtt://"},
		{mqtt.Options{Node: "n", URL: "h:1883"}, "begins with none of mqtt://"},
		{mqtt.Options{Node: "n", URL: "mqtt://"}, "names no host"},
		{mqtt.Options{Node: "n", URL: "unix://"}, "names no socket"},
		{mqtt.Options{Node: "n", URL: "mqtt://h:port"}, "cannot be read"},
		{mqtt.Options{Node: "n", URL: "mqtt://user:secret@h"}, "password file"},
		{mqtt.Options{Node: "n", URL: "mqtt://h", CAFile: certs.CA}, "write mqtts://"},
		{mqtt.Options{Node: "n", URL: "mqtts://h", CAFile: "/nonexistent/ca.pem"}, "/nonexistent/ca.pem"},
		{mqtt.Options{Node: "n", URL: "mqtts://h", CAFile: secret(t, "no PEM")}, "holds no certificate"},
		{mqtt.Options{Node: "n", URL: "mqtts://h", CertFile: certs.Client}, "belong together"},
		{mqtt.Options{Node: "n", URL: "mqtts://h", CertFile: certs.Client, KeyFile: certs.ServerKey}, "cannot be used"},
		{mqtt.Options{Node: "n", URL: "mqtt://h", Username: "u", PasswordFile: "/nonexistent/pw"}, "/nonexistent/pw"},
		{mqtt.Options{Node: "n", URL: "mqtt://h", Username: "u", PasswordFile: secret(t, "\n")}, "empty first line"},
		{mqtt.Options{Node: "n", URL: "mqtt://h", Username: "u", PasswordFile: t.TempDir()}, "is not a file"},
		{mqtt.Options{Node: "n", URL: "mqtt://h", PasswordFile: secret(t, "pw")}, "without a user name"},
	} {
		err := tc.o.Validate()
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.o, err, tc.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestRefusalsLeaveNothingBehind(t *testing.T) {
	broker := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "correct horse", Quiet: true})
	p := run(t, mqtt.Options{URL: broker.URL(), RetryFirst: time.Millisecond, RetryMax: time.Millisecond})
	for i := range 50 {
		p.publish(t, caption(i))
	}
	p.log.await(t, slog.LevelDebug, 20)
	before := runtime.NumGoroutine()
	p.log.await(t, slog.LevelDebug, 320)
	// Paho's goroutines end a moment after their connection.
	for limit := time.Now().Add(mqtttest.Patience); runtime.NumGoroutine() > before+10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			b := make([]byte, 1<<20)
			t.Fatalf("%d goroutines after 20 refusals, %d after 320:\n%s", before, runtime.NumGoroutine(), b[:runtime.Stack(b, true)])
		}
	}
	if s := p.Stats(); s.Waiting() != 50 || s.Dropped() != 0 || s.Outbox.Memory > 1<<20 {
		t.Errorf("%+v", s)
	}
}
