package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeeperTakesBackWhatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "retained.json")
	log := slog.New(slog.DiscardHandler)
	all := func(string) bool { return true }
	none := func(string) bool { return false }
	was := retained{1, []string{"a", "b", "c"}, map[string]string{"x": "sensor", "y": "switch"}}
	is := retained{1, []string{"b", "d"}, map[string]string{"y": "switch"}}

	// The first configuration has nothing to take back.
	k := openKeeper(path, log)
	if gone, before := k.begin(was); gone != nil || before.Topics != nil {
		t.Errorf("gone %v, before %v", gone, before)
	}
	// The process is killed; the next one has another configuration, and no
	// connection: what it is to take back is not forgotten.
	for range 3 {
		k = openKeeper(path, log)
		gone, before := k.begin(is)
		if d := cmp.Diff([]string{"a", "c"}, gone); d != "" {
			t.Error(d)
		}
		if before.Entities["x"] != "sensor" {
			t.Errorf("before: %v", before)
		}
		k.settle(none)
	}
	// Then the broker has forgotten it; but Home Assistant may have been away.
	k.settle(all)
	k = openKeeper(path, log)
	if gone, before := k.begin(is); gone != nil || before.Entities["x"] != "sensor" {
		t.Errorf("gone %v, before %v", gone, before)
	}
	k.knows()
	k.settle(all)
	k = openKeeper(path, log)
	if gone, before := k.begin(is); gone != nil || !before.equal(is) {
		t.Errorf("gone %v, before %v", gone, before)
	}
	// Nothing is written while nothing changes.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	k.settle(all)
	k.begin(is)
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written although nothing has changed")
	}
	// What comes back is not taken back.
	k.begin(was)
	if gone, _ := k.begin(retained{1, []string{"a", "b", "c", "d"}, nil}); gone != nil {
		t.Errorf("gone %v", gone)
	}
}

func TestKeeperWithoutAFile(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	k := openKeeper("", log)
	k.begin(retained{1, []string{"a"}, nil})
	if gone, _ := k.begin(retained{1, []string{"b"}, nil}); len(gone) != 1 {
		t.Errorf("after a reload: %v", gone)
	}
	path := filepath.Join(t.TempDir(), "retained.json")
	for _, text := range []string{"", "{", `{"version":2,"topics":[]}`, `{"version":1,"topics":[],"more":1}`, `{"version":1,"topics":["a"]} x`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k := openKeeper(path, log)
		if gone, _ := k.begin(retained{1, []string{"b"}, nil}); gone != nil {
			t.Errorf("%q: gone %v", text, gone)
		}
	}
}

func FuzzRetained(f *testing.F) {
	f.Add([]byte(`{"version":1,"topics":["a","b"],"entities":{"x":"sensor"}}`))
	f.Add([]byte(`{"version":1,"topics":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRetained(data)
		if err == nil && r.Version != 1 || err != nil && r.Topics != nil {
			t.Errorf("%q: %+v, %v", data, r, err)
		}
		if both := r.with(r); err == nil && len(both.Topics) > len(r.Topics) {
			t.Errorf("%+v with itself is %+v", r, both)
		}
	})
}
