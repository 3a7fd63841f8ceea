package mqtt_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensed/daemon/mqtt"
	"sensed/daemon/mqtt/mqtttest"
)

func TestLogin(t *testing.T) {
	m := mqtttest.Start(t, mqtttest.Options{User: "sensed", Password: "right"})
	secret := func(word string) string {
		path := filepath.Join(t.TempDir(), "password.txt")
		if err := os.WriteFile(path, []byte(word+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nobody := "mqtt://127.0.0.1:1"
	for name, tt := range map[string]struct {
		o    mqtt.Options
		want string // broker, or what the error says
	}{
		"let in":      {mqtt.Options{URL: m.URL(), Username: "sensed", PasswordFile: secret("right")}, m.URL()},
		"a fallback":  {mqtt.Options{URL: nobody, Fallbacks: []string{m.URL()}, Username: "sensed", PasswordFile: secret("right")}, m.URL()},
		"wrong":       {mqtt.Options{URL: m.URL(), Username: "sensed", PasswordFile: secret("wrong")}, `refuses user "sensed" or the password`},
		"no password": {mqtt.Options{URL: m.URL()}, "wants a user name and a password"},
		"nobody":      {mqtt.Options{URL: nobody}, "no MQTT broker answers at 127.0.0.1:1"},
		"no name":     {mqtt.Options{URL: m.URL(), Node: "a/b"}, "cannot be part of a topic"},
	} {
		if tt.o.Node == "" {
			tt.o.Node = "porch"
		}
		broker, err := mqtt.Login(t.Context(), tt.o)
		if broker != tt.want && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v", name, broker, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mqtt.Login(ctx, mqtt.Options{Node: "porch", URL: m.URL()}); err == nil {
		t.Error("it does not end with its context")
	}
}
