package web

import (
	"bytes"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/event"
)

// drawer is an archive in memory.
type drawer struct{ records [][]byte }

func (d *drawer) Append(r []byte) error {
	d.records = append(d.records, bytes.Clone(r))
	return nil
}
func (d *drawer) Records() iter.Seq[[]byte] { return slices.Values(d.records) }

func archived(d *drawer, pictures bool) *Hub {
	h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20, Archive: d, Pictures: pictures, Log: slog.New(slog.DiscardHandler)})
	h.Begin(sample())
	return h
}

// happen lets a motion with words and a picture happen, and one whose words do
// not come any more.
func happen(h *Hub) {
	yes := true
	begin := seen("1", event.Motion, "")
	begin.Status, begin.Active = event.Announced, &yes
	h.Event(begin)
	h.illustrated(picture{"1", grey(64, 48, 99)})
	h.Event(seen("1", event.Caption, "A dog\nat the door."))
	begin.ID = "2"
	h.Event(begin)
	h.Event(seen("3", event.Temperature, "")) // has no card
	h.writeRest()
}

func TestTheTimelineIsThereAgain(t *testing.T) {
	for _, pictures := range []bool{false, true} {
		d := &drawer{}
		before := archived(d, pictures)
		happen(before)
		if len(d.records) != 3+map[bool]int{true: 1}[pictures] {
			t.Errorf("pictures %t: %d records", pictures, len(d.records))
		}
		after := archived(d, pictures)
		was, is := before.line.cards[0], after.line.cards[0]
		if is.Updated.Sub(was.Updated).Abs() > time.Minute { // both were now, a moment apart
			t.Errorf("it was updated at %v, and at %v before", is.Updated, was.Updated)
		}
		w, i := was.Card, is.Card
		w.Rev, i.Rev, w.Updated, i.Updated = 0, 0, is.Updated, is.Updated
		if !pictures {
			w.Thumbnail, w.Size = false, nil
		}
		if diff := cmp.Diff(w, i); diff != "" {
			t.Errorf("pictures %t: another card (-before +after):\n%s", pictures, diff)
		}
		if got, want := after.thumbnail("1") != nil, pictures; got != want {
			t.Errorf("pictures %t: there is one: %t", pictures, got)
		}
		if pictures && !bytes.Equal(after.thumbnail("1"), before.thumbnail("1")) {
			t.Error("it is another picture")
		}
		if c := after.line.byID["2"]; c.Open || c.Why != cutShort {
			t.Errorf("words for which nobody works are still waited for: %+v", c.Card)
		}
		if c := before.line.byID["2"]; !c.Open {
			t.Error("the test shows nothing: no words were waited for")
		}
		if n := len(d.records); n != 3+map[bool]int{true: 1}[pictures] {
			t.Errorf("reading wrote: %d records", n)
		}
	}
}

func TestNothingIsKeptWithoutAnArchive(t *testing.T) {
	h := NewHub(HubOptions{Cards: 10, Bytes: 1 << 20, Pictures: true, Log: slog.New(slog.DiscardHandler)})
	h.Begin(sample())
	happen(h)
	if len(h.records) != 0 {
		t.Error("records wait for an archive that is not there")
	}
}

// TestTheDiskMayBeSlow: nobody waits for it.
func TestTheDiskMayBeSlow(t *testing.T) {
	d := &drawer{}
	h := archived(d, false)
	for range 2 * maxUnwritten {
		h.Event(seen("1", event.Caption, "A dog."))
	}
	h.writeRest()
	if len(d.records) != maxUnwritten || !h.slow {
		t.Errorf("%d records, slow %t", len(d.records), h.slow)
	}
}

// FuzzParseRecord reads records made of anything; a hub takes all that are good.
func FuzzParseRecord(f *testing.F) {
	d := &drawer{}
	happen(archived(d, true))
	for _, r := range d.records {
		f.Add(r)
		f.Add(r[:len(r)/2])
	}
	f.Add([]byte("{\"id\":\"1\",\"size\":[0,4]}\n\xff\xd8"))
	f.Add([]byte("{\"id\":\"1\",\"size\":[4,4]}\nGIF"))
	f.Add([]byte("{\"event\":{\"kind\":\"health\"}}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord(data)
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", r, err)
		}
		if _, err := parseRecord(again); err != nil {
			t.Fatalf("%q cannot be read back: %v", again, err)
		}
		h := archived(&drawer{[][]byte{data}}, true)
		if (r.Event != nil) != (len(h.line.cards) == 1) {
			t.Fatalf("%d cards of %q", len(h.line.cards), data)
		}
	})
}
