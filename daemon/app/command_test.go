package app

import (
	"strings"
	"testing"

	"sensed/daemon/command"
	"sensed/daemon/mqtt"
)

func TestMessagesBecomeRequests(t *testing.T) {
	for _, tt := range []struct {
		topic, payload string
		want           command.Name // "": none
		source         string
		name           command.Switch
		wrong          string
	}{
		{"sensed/porch/ask", `{"question":"?","source":"door"}`, command.Ask, "door", "", ""},
		{"sensed/porch/restart", ``, command.Restart, "", "", ""},
		{"sensed/porch/ask", `{`, command.Ask, "", "", "cannot be read"},
		{"sensed/porch/privacy/set", `ON`, command.Set, "", command.Privacy, ""},
		{"sensed/porch/door/camera/set", `ON`, command.Set, "door", command.Camera, ""},
		{"sensed/porch/door/camera/state", `ON`, "", "", "", ""},
		{"sensed/porch/door/a/camera/set", `ON`, "", "", "", ""},
		{"sensed/porch/answer", `{}`, "", "", "", ""},
		{"sensed/porch/", ``, "", "", "", ""},
		{"sensed/other/ask", `?`, "", "", "", ""},
		{"homeassistant/status", `online`, "", "", "", ""},
	} {
		r, ok, err := request("porch", mqtt.Received{Topic: tt.topic, Payload: []byte(tt.payload)})
		if ok != (tt.want != "") || r.Command != tt.want || r.Source != tt.source || r.Switch != tt.name {
			t.Errorf("%s %s: %+v, %t", tt.topic, tt.payload, r, ok)
		}
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s %s: %v, want %q", tt.topic, tt.payload, err, tt.wrong)
		}
	}
}

// FuzzRequest: whatever is published below a node's topic, it is a request
// within its bounds or none.
func FuzzRequest(f *testing.F) {
	f.Add("ask", []byte(`{"question":"?"}`))
	f.Add("door/camera/set", []byte("ON"))
	f.Add("privacy/set", []byte("\xff"))
	f.Fuzz(func(t *testing.T, below string, payload []byte) {
		r, ok, err := request("porch", mqtt.Received{Topic: "sensed/porch/" + below, Payload: payload})
		if !ok && (err != nil || r.Command != "") || len(r.Value) > command.MaxPayload {
			t.Fatalf("%+v, %t, %v", r, ok, err)
		}
	})
}
