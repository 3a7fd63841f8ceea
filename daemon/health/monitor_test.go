package health

import (
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// bench is a monitor of a board and parts that a test can change.
type bench struct {
	m    *Monitor
	root *changing

	mu    sync.Mutex
	parts Parts
	sent  []Snapshot
	hangs []string
	looks int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{root: &changing{files: fstest.MapFS{}}}
	b.temperature("50000")
	b.parts = Parts{
		Node: "porch", Model: Model{Name: "tiny", Kernels: "scalar"}, Broker: Broker{Address: "mqtt://b", Connected: true},
		Sources: []Source{{Name: "door", Kind: "camera", State: "ok", Last: "A bus.", LastAt: "12:00"}},
	}
	m, err := NewMonitor(Options{
		Program: "v1.2.3", Board: NewBoard(b.root), Log: slog.New(slog.DiscardHandler),
		Parts: func() Parts {
			b.mu.Lock()
			defer b.mu.Unlock()
			p := b.parts
			p.Sources, p.Workers = slices.Clone(p.Sources), slices.Clone(p.Workers)
			return p
		},
		Publish: func(node string, payload []byte) {
			var s Snapshot
			if err := json.Unmarshal(payload, &s); err != nil || node != "porch" {
				t.Errorf("%v: node %s, %s", err, node, payload)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.sent = append(b.sent, s)
		},
		Looked: func(_ Snapshot, hangs []string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.hangs, b.looks = hangs, b.looks+1
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.m = m
	return b
}

// temperature is in thousandths of a degree, as the kernel writes it.
func (b *bench) temperature(milli string) {
	b.root.put("sys/class/thermal/thermal_zone0/temp", milli)
}

// changing is a file system that a test changes while it is read.
type changing struct {
	mu    sync.Mutex
	files fstest.MapFS
}

func (c *changing) put(name, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[name] = &fstest.MapFile{Data: []byte(text)}
}

// Open opens a file as it is now.
func (c *changing) Open(name string) (fs.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files.Open(name)
}

func (b *bench) change(f func(*Parts)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.parts)
}

func (b *bench) looked() (looks int, hangs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks, b.hangs
}

// published returns what was, and the newest of it.
func (b *bench) published() (n int, last Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sent), b.sent[len(b.sent)-1]
}

// TestMonitorPublishes: at once when something changes that matters, else once a
// minute, and never what was said.
func TestMonitorPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.m.Run(ctx)
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		wait(time.Second)
		if n, _ := b.published(); n != 1 {
			t.Fatalf("%d snapshots at first", n)
		}
		wait(54 * time.Second)
		b.change(func(p *Parts) { p.Queue.Answered++ })
		if n, _ := b.published(); n != 1 {
			t.Errorf("nothing has changed that matters, but %d were sent", n)
		}
		wait(10 * time.Second)
		if n, last := b.published(); n != 2 || last.Queue.Answered != 1 || last.Uptime != 60 {
			t.Errorf("after a minute: %d snapshots, %+v", n, last)
		}
		b.change(func(p *Parts) { p.Sources[0].State, p.Sources[0].Why = "lost", "it was pulled out" })
		wait(Tick)
		n, last := b.published()
		if n != 3 || !slices.Equal(last.Problems, []string{"source door is lost: it was pulled out"}) {
			t.Errorf("%d snapshots, problems %q", n, last.Problems)
		}
		b.change(func(p *Parts) {
			p.Broker = Broker{Address: "mqtt://b", Problem: "the MQTT broker refuses user \"porch\""}
			p.Outbox.Problem = "the disk is full"
		})
		wait(Tick)
		if n, last = b.published(); n != 4 || len(last.Problems) != 3 {
			t.Errorf("%d snapshots, problems %q", n, last.Problems)
		}
		b.mu.Lock()
		for _, s := range b.sent {
			if s.Sources[0].Last != "" || s.Sources[0].LastAt != "" {
				t.Errorf("words are published: %+v", s.Sources[0])
			}
		}
		b.mu.Unlock()
		if s := b.m.Snapshot(); s.Sources[0].Last != "A bus." {
			t.Errorf("words are not shown to who asks at the board: %+v", s.Sources[0])
		}
	})
}

func TestMonitorShedsLoadAndRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.m.Run(ctx)
		b.temperature("84500")
		for i := range 10 {
			time.Sleep(6 * time.Second)
			b.m.Answered(Answer{Prompt: 100, Tokens: 20, Stages: Stages{Wait: 100, Encode: 500, Prefill: 400, Decode: 2000, Total: 3000}})
			b.change(func(p *Parts) {
				p.Queue.Answered = uint64(i + 1)
				p.Queue.Drops = []Drop{{"door", "c", "full", uint64(i)}}
			})
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		level, why := b.m.Level()
		if level < LessOften || !strings.Contains(why, "84.5") {
			t.Errorf("level %v: %q", level, why)
		}
		s := b.m.Snapshot()
		if s.Load.Level != level || s.Load.Name != level.String() || len(s.Problems) != 1 || s.Speed.TokensPerSecond != 10 || s.Speed.Latency.Total != 3000 {
			t.Errorf("%+v", s)
		}
		hour, day := b.m.Past()
		if n := len(hour.Series["temperature_c"]); n != 6 || len(day.Series["temperature_c"]) != 0 {
			t.Errorf("%d points", n)
		}
		for name, want := range map[string]float64{"temperature_c": 84.5, "tokens_per_s": 10, "decode_ms": 2000} {
			if got := hour.Series[name][3]; got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		if sum := hour.Series["answers_per_minute"]; sum[1]+sum[2]+sum[3] < 15 {
			t.Errorf("answers a minute: %v", sum)
		}
		time.Sleep(10 * time.Minute)
		if s := b.m.Snapshot(); s.Speed != (Speed{}) {
			t.Errorf("after ten idle minutes the speed is %+v", s.Speed)
		}
		if v := hour.Series["broker_connected"][3]; v != 1 || !math.IsNaN(hour.Series["clock_throttled"][3]) {
			t.Errorf("the broker is connected %v of the time, the clock throttled %v", v, hour.Series["clock_throttled"][3])
		}
		b.root.put("sys/devices/platform/soc/soc:firmware/get_throttled", "4\n")
		b.change(func(p *Parts) { p.Broker.Connected = false })
		time.Sleep(30 * time.Second)
		synctest.Wait()
		hour, _ = b.m.Past()
		last := len(hour.Series["broker_connected"]) - 1
		if c, x := hour.Series["broker_connected"][last], hour.Series["clock_throttled"][last]; c != 0 || x != 1 {
			t.Errorf("without a broker and with a slow clock: %v and %v", c, x)
		}
	})
}

func TestMonitorSeesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.change(func(p *Parts) { p.Workers = []Worker{{"the model", 3, true, time.Minute}} })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.m.Run(ctx)
		time.Sleep(58 * time.Second)
		synctest.Wait()
		if looks, hangs := b.looked(); looks != 30 || len(hangs) != 0 {
			t.Errorf("%d looks, %q", looks, hangs)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, hangs := b.looked(); len(hangs) != 1 {
			t.Errorf("%q", hangs)
		}
		if p := b.m.Snapshot().Problems; len(p) != 1 || !strings.Contains(p[0], "the model has not moved") {
			t.Errorf("%q", p)
		}
	})
}

func TestNewMonitorRefuses(t *testing.T) {
	if _, err := NewMonitor(Options{}); err == nil {
		t.Error("a monitor of nothing")
	}
}
