package command

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStoreKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "switches.json")
	synctest.Test(t, func(t *testing.T) {
		s := OpenStore(path, slog.New(slog.DiscardHandler))
		if len(s.Saved()) != 0 {
			t.Errorf("at first %v", s.Saved())
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		written := func() string {
			t.Helper()
			synctest.Wait()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		s.Save(map[string]string{"door/camera": "OFF"})
		first := written()
		for _, v := range []string{"0.1", "0.2", "0.3"} {
			s.Save(map[string]string{"door/camera": "OFF", "door/sensitivity": v})
		}
		if now := written(); now != first {
			t.Errorf("it was written again at once:\n%s", now)
		}
		time.Sleep(rest + time.Second)
		if now := written(); !strings.Contains(now, "0.3") {
			t.Errorf("after a rest:\n%s", now)
		}
		// What closes a source does not wait; what opens it does.
		s.Save(map[string]string{"door/sensitivity": "0.4"})
		time.Sleep(2*rest + time.Second)
		s.Save(map[string]string{"door/sensitivity": "0.5"})
		if now := written(); !strings.Contains(now, "0.5") {
			t.Errorf("after a rest:\n%s", now)
		}
		for _, closed := range []map[string]string{{"privacy": "ON"}, {"hall/privacy": "ON"}, {"door/camera": "OFF"}, {"hall/microphone": "OFF"}} {
			s.Save(closed)
			for name, v := range closed {
				if now := written(); !strings.Contains(now, `"`+name+`": "`+v+`"`) {
					t.Errorf("%s is not saved at once:\n%s", name, now)
				}
			}
		}
		first = written()
		s.Save(map[string]string{})
		if now := written(); now != first {
			t.Errorf("what opens was written at once:\n%s", now)
		}
		s.Save(map[string]string{"door/labels": "privacy"})
		s.Save(map[string]string{"privacy": "ON"})
		end()
		<-ended
	})
	s := OpenStore(path, slog.New(slog.DiscardHandler))
	if d := cmp.Diff(map[string]string{"privacy": "ON"}, s.Saved()); d != "" {
		t.Errorf("read back (-want +got)\n%s", d)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestStoreFailsSafe: when nobody can tell how the switches stood, nobody is
// watched.
func TestStoreFailsSafe(t *testing.T) {
	good := `{"version":1,"switches":{"door/camera":"OFF"}}`
	for name, content := range map[string]string{
		"empty": "", "torn": good[:20], "noise": "\x00\xff\x00", "another version": `{"version":9,"switches":{}}`, "no switches": `{"version":1}`, "more": good + good,
	} {
		path := filepath.Join(t.TempDir(), "switches.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s := OpenStore(path, slog.New(slog.NewTextHandler(&log, nil)))
		if NewBoard(Specs(porch()), s.Saved()).Value("", Privacy) != On || !strings.Contains(log.String(), path) {
			t.Errorf("%s: %v\n%s", name, s.Saved(), log.String())
		}
	}
}

func TestStoreGoesOnWhenItCannotWrite(t *testing.T) {
	var log bytes.Buffer
	s := OpenStore(filepath.Join(t.TempDir(), "no", "such", "folder", "switches.json"), slog.New(slog.NewTextHandler(&log, nil)))
	s.Save(map[string]string{"privacy": "ON"})
	ctx, end := context.WithCancel(t.Context())
	end()
	s.Run(ctx)
	if !strings.Contains(log.String(), "cannot be kept") || s.Saved()["privacy"] != On {
		t.Errorf("%v\n%s", s.Saved(), log.String())
	}
}

func FuzzParseState(f *testing.F) {
	for _, s := range []string{"", `{"version":1,"switches":{"door/camera":"OFF","privacy":"ON"}}`, `{"version":1,"switches":{"a":1}}`, `{"version":1,"switches":null}`, "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, err := ParseState(data)
		if err != nil {
			return
		}
		for _, s := range NewBoard(Specs(porch()), saved).Settings() {
			if v, err := s.Parse(s.Value); err != nil || v != s.Value {
				t.Fatalf("%s stands at %q: %v", s.name(), s.Value, err)
			}
		}
	})
}
