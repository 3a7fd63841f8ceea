package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOutboxAndBrokers(t *testing.T) {
	c, err := Parse("f", []byte(`
broker: {url: "mqtts://a", fallbacks: ["mqtt://b:1884", "unix:///run/m.sock"], server_name: broker.lan}
outbox: {path: /var/lib/sensed/outbox, megabytes: 16, age: 24h}
`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Outbox{Path: "/var/lib/sensed/outbox", Megabytes: 16, Age: 24 * time.Hour}, c.Outbox); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"mqtt://b:1884", "unix:///run/m.sock"}, c.Broker.Fallbacks); d != "" || c.Broker.ServerName != "broker.lan" {
		t.Errorf("%s %+v", d, c.Broker)
	}
	for _, tc := range []struct{ text, want string }{
		{"outbox: {megabytes: 0.5}\n", `outbox.megabytes: here must be a whole number`},
		{"outbox: {megabytes: -1}\n", `f:1:21: outbox.megabytes: -1 is out of bounds; write a number from 1 to 4096`},
		{"outbox: {megabytes: 5000}\n", `outbox.megabytes: 5000 is out of bounds`},
		{"outbox: {age: 1s}\n", `f:1:15: outbox.age: 1s is out of bounds`},
		{"outbox: {age: 9000h}\n", `outbox.age: 9000h0m0s is out of bounds`},
		{"outbox: {folder: x}\n", `the key "folder" is not known here`},
		{"broker: {fallbacks: ['mqtt://a']}\n", `broker.fallbacks: they are of no use without broker.url`},
		{"broker: {url: 'mqtt://a', fallbacks: ['mqtt://b', 'http://c']}\n", `broker.fallbacks[1]: "http" is no way to reach a broker`},
		{"broker: {url: 'mqtt://a', fallbacks: ['mqtt://u:p@b']}\n", `broker.fallbacks[0]: it holds a username or password`},
		{"broker: {url: 'mqtt://a', server_name: x}\n", `broker.url: certificates are given, but the connection is not encrypted`},
		{"broker: {server_name: x}\n", `broker.server_name: it is of no use without broker.url`},
	} {
		if _, err := Parse("f", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
}

func TestCredentials(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	write(t, credentials, "user", "porch\n", 0o400)
	write(t, credentials, "password", "secret\n", 0o400)
	write(t, credentials, "ca", "x", 0o400)
	path := write(t, dir, "sensed.yaml", `
broker: {url: "mqtts://h", username: "credential:user", password_file: "credential:password", ca_file: "credential:ca"}
outbox: {path: waiting}
`, 0o644)
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if pw, err := c.Password(); c.Broker.Username != "porch" || pw != "secret" || err != nil || c.Broker.CAFile != credentials+"/ca" || c.Outbox.Path != dir+"/waiting" {
		t.Errorf("%+v, password %q, %v", c.Broker, pw, err)
	}

	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err = Load(path)
	for _, want := range []string{`broker.username: there is no credential "user"`, `broker.password_file: there is no credential "password"`, `broker.ca_file: there is no credential "ca"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	for _, tc := range []struct{ broker, want string }{
		{`username: "credential:nobody"`, "broker.username: the credential cannot be used"},
		{`username: u, password_file: "credential:../x"`, `there is no credential "../x"`},
		{`username: u, password_file: "credential:none"`, "the password file cannot be read"},
	} {
		path := write(t, dir, "wrong.yaml", `broker: {url: "mqtt://h", `+tc.broker+"}\n", 0o644)
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.broker, err, tc.want)
		}
	}
}
