package mqtt

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMessagesSurviveTheOutbox(t *testing.T) {
	for _, m := range []Message{
		{Topic: "a", Payload: []byte("x")},
		{Topic: "sensed/porch/door/caption", Payload: []byte(`{"id":"1"}`), Stamp: true},
		{Topic: "sensed/porch/door/status", Payload: []byte(`{}`), Retain: true, Stamp: true},
		{Topic: strings.Repeat("t", 1000), Payload: make([]byte, MaxPayload)},
		{Topic: "empty", Payload: []byte{}},
	} {
		got, err := decode(m.encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Errorf("(-before +after):\n%s", d)
		}
	}
}

func TestStampsJSON(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 5e6, time.FixedZone("", 3600))
	for _, tc := range []struct {
		in       string
		seq      uint64
		replayed bool
		want     string
	}{
		{`{}`, 7, false, `{"seq":7,"published":"2026-11-24T11:00:00.005Z"}`},
		{"{ \n}", 7, true, `{"seq":7,"published":"2026-11-24T11:00:00.005Z","replayed":true}`},
		{`{"a":{"b":[1]}}`, 9, true, `{"a":{"b":[1]},"seq":9,"published":"2026-11-24T11:00:00.005Z","replayed":true}`},
		{`{"a":1}`, 0, false, `{"a":1,"published":"2026-11-24T11:00:00.005Z"}`},
	} {
		if got := string(stamped([]byte(tc.in), tc.seq, at, tc.replayed)); got != tc.want {
			t.Errorf("%s became %s, want %s", tc.in, got, tc.want)
		}
	}
}

func TestRefusesMessagesThatNoBrokerTakes(t *testing.T) {
	for _, tc := range []struct {
		m    Message
		want string
	}{
		{Message{}, "no topic"},
		{Message{Topic: "a/#"}, "no topic to publish on"},
		{Message{Topic: "a/+/b"}, "no topic to publish on"},
		{Message{Topic: "$SYS/x"}, "no topic to publish on"},
		{Message{Topic: "a\x00"}, "no topic to publish on"},
		{Message{Topic: "a\xff"}, "no topic to publish on"},
		{Message{Topic: strings.Repeat("a", 1025)}, "no topic to publish on"},
		{Message{Topic: "a", Payload: make([]byte, MaxPayload+1)}, "over the limit"},
		{Message{Topic: "a", Payload: []byte("ON"), Stamp: true}, "no JSON object"},
	} {
		if err := tc.m.check(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%.40q: %v, want %q", tc.m.Topic, err, tc.want)
		}
	}
}

// FuzzDecode reads what may lie in an outbox. What it takes can be sent.
func FuzzDecode(f *testing.F) {
	for _, m := range []Message{
		{Topic: "a", Payload: []byte("x")},
		{Topic: "a/b", Payload: []byte(`{"id":"1"}`), Retain: true, Stamp: true},
		{Topic: "a/#"},
	} {
		f.Add(m.encode())
	}
	f.Add([]byte{})
	f.Add([]byte{0xff})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{2, 1, 'a', '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		if m.Topic == "" || strings.ContainsAny(m.Topic, "#+\x00") || len(m.Payload) > len(b) {
			t.Errorf("%q is read as a message on %q", b, m.Topic)
		}
		if m.Stamp {
			out := stamped(m.Payload, 1, time.Unix(0, 0), true)
			if json.Valid(m.Payload) && !json.Valid(out) {
				t.Errorf("%s became %s", m.Payload, out)
			}
		}
	})
}
