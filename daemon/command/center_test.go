package command

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/event"
)

// worker does nothing, slowly if it must.
type worker struct{ busy chan struct{} }

func (worker) Node() string { return "porch" }

func (w worker) Work(ctx context.Context, r Request) Reply {
	if w.busy != nil {
		<-w.busy
	}
	return Reply{Status: event.Done, Text: "did " + string(r.Command)}
}

func TestCenterAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCenter(worker{})
		r, ok := c.Do(t.Context(), Request{Command: Describe, ID: "1", Source: "door"}, nil)
		if !ok || r.Version != event.Version || r.ID != "1" || r.Command != Describe || r.Node != "porch" || r.Source != "door" || r.Status != event.Done || r.Text != "did describe" || r.Time.IsZero() {
			t.Errorf("%+v", r)
		}
		if r, ok := c.Do(t.Context(), Request{Command: Describe, ID: "1"}, nil); ok {
			t.Errorf("the same id again: %+v", r)
		}
		a, _ := c.Do(t.Context(), Request{Command: Describe}, nil)
		b, _ := c.Do(t.Context(), Request{Command: Describe}, nil)
		if a.ID == "" || a.ID == b.ID {
			t.Errorf("ids that were made up: %q and %q", a.ID, b.ID)
		}
		if r, ok := c.Do(t.Context(), Request{Command: Ask, ID: "2"}, errors.New("question is missing")); !ok || r.Status != event.Faulty || r.Error != "question is missing" || r.ID != "2" {
			t.Errorf("a wrong one: %+v", r)
		}
	})
}

func TestCenterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCenter(worker{})
		count := func(n int) (done, refused, ignored int) {
			for range n {
				r, ok := c.Do(t.Context(), Request{Command: Describe}, nil)
				switch {
				case !ok:
					ignored++
				case r.Status == event.Throttled:
					refused++
				default:
					done++
				}
			}
			return done, refused, ignored
		}
		for _, want := range []string{"20 20 60", "3 0 97", "20 2 78"} {
			done, refused, ignored := count(100)
			if got := fmt.Sprint(done, refused, ignored); got != want {
				t.Errorf("done, refused, ignored: %s, want %s", got, want)
			}
			if want == "20 20 60" {
				time.Sleep(3 * time.Second)
			} else {
				time.Sleep(20 * time.Second)
			}
		}
	})
}

func TestCenterDoesNotDoEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make(chan struct{})
		c := NewCenter(worker{busy})
		for range maxAtWork {
			go c.Do(t.Context(), Request{Command: Ask}, nil)
		}
		synctest.Wait()
		if r, ok := c.Do(t.Context(), Request{Command: Ask}, nil); !ok || r.Status != event.Throttled {
			t.Errorf("%+v", r)
		}
		close(busy)
		synctest.Wait()
		if r, _ := c.Do(t.Context(), Request{Command: Ask}, nil); r.Status != event.Done {
			t.Errorf("afterwards: %+v", r)
		}
	})
}

func TestRecentForgets(t *testing.T) {
	var r recent
	for i := range 10 * len(r.ids) {
		if id := fmt.Sprint(i); r.seen(id) || !r.seen(id) {
			t.Fatalf("%s", id)
		}
	}
	if r.seen("0") {
		t.Error("it remembers everything")
	}
}
