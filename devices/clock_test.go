package devices

import (
	"context"
	"errors"
	"testing"
	"time"
)

// jump is a clock that is at once where one waits for.
type jump struct{ now time.Time }

func (j *jump) Now() time.Time { return j.now }

func (j *jump) Until(ctx context.Context, t time.Time) error {
	if t.After(j.now) {
		j.now = t
	}
	return ctx.Err()
}

func TestPaceKeepsSpacing(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &jump{now: start}
	p := Pace{Clock: c, Every: time.Second}
	steps := []struct{ work, want time.Duration }{ // work: what the consumer spends before it asks
		{0, 0},
		{0, time.Second},
		{900 * time.Millisecond, 2 * time.Second},
		{1200 * time.Millisecond, 3200 * time.Millisecond}, // late by less than the spacing: the grid stays
		{0, 4 * time.Second},
		{3500 * time.Millisecond, 7500 * time.Millisecond}, // late by more: a new grid
		{0, 8500 * time.Millisecond},
	}
	for i, s := range steps {
		c.now = c.now.Add(s.work)
		at, err := p.Wait(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := at.Sub(start); got != s.want {
			t.Errorf("sample %d came at %v, want %v", i, got, s.want)
		}
	}
}

func TestPaceStopsWithContext(t *testing.T) {
	p := Pace{Clock: Wall{}, Every: time.Hour}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want context.Canceled", err)
	}
}

func TestPaceRefusesEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := Pace{Clock: Wall{}, Every: time.Hour}
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v, want context.Canceled", err)
	}
}
