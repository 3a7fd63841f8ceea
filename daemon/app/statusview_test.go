package app

import (
	"strings"
	"testing"

	"sensed/daemon/health"
)

func busyBoard() health.Snapshot {
	t := 84.25
	return health.Snapshot{
		Node: "porch", Program: "v1.2.3", Uptime: 3*86400 + 3661,
		Problems: []string{"the supply voltage is too low: use a stronger supply and a short cable"},
		Board:    health.Reading{Temperature: &t, Power: &health.Power{UnderVoltage: true, UnderVoltageOccurred: true, ThrottledOccurred: true}},
		Memory:   health.Memory{Total: 8 << 30, Available: 3 << 30, Anonymous: 900 << 20, File: 2 << 30, Limit: 7 << 30, Left: 6 << 30},
		Load:     health.Shed{Level: health.LessOften, Name: "less often", Why: "the supply voltage of the board is too low"},
		Model:    health.Model{Name: "gemma-4-E2B-it", File: "/var/lib/sensed/models/gemma.gguf", Quant: "Q4_0", Kernels: "dotprod", Busy: true},
		Speed:    health.Speed{TokensPerSecond: 6.25, Latency: health.Stages{Wait: 120, Encode: 3100, Prefill: 900, Decode: 2500, Total: 6620}},
		Queue:    health.Queue{Waiting: 2, Answered: 100, Failed: 1, Drops: []health.Drop{{Count: 3}, {Count: 4}}},
		Broker:   health.Broker{Address: "mqtts://broker.lan:8883", Problem: "the MQTT broker refuses user \"porch\""},
		Outbox:   health.Outbox{Durable: true, Messages: 12, Bytes: 6 << 10, Dropped: 1, Problem: "the disk is full"},
		Sources: []health.Source{
			{Name: "door", Kind: "camera", State: "ok", Seen: 1000, Asked: 20, Answered: 18, Last: "A dog\x1b[2J in front\nof a door.", LastAt: "16:30:52"},
			{Name: "hall", Kind: "microphone", State: "absent", Why: "no such device"},
		},
	}
}

func TestStatusView(t *testing.T) {
	want := `porch  sensed v1.2.3  up 3d1h1m1s
model   gemma-4-E2B-it Q4_0, /var/lib/sensed/models/gemma.gguf, dotprod, at work
speed   6.2 tokens/s; 6.6 s from capture to answer (wait 120 ms, encode 3.1 s, prefill 900 ms, decode 2.5 s)
board   84.2 °C, under-voltage, since it started: throttled, sensed has 900 MB, and 2.0 GB of the model's files, 3.0 GB of 8.0 GB available, limit 7.0 GB, 6.0 GB left
load    less often (the supply voltage of the board is too low)
queue   2 waiting, 100 answered, 1 failed, 7 dropped
broker  mqtts://broker.lan:8883, not connected (the MQTT broker refuses user "porch")
outbox  on disk, 12 messages wait (6 kB), 1 dropped; the disk is full

door         camera     ok
             1000 seen, 20 asked, 18 answered
             16:30:52  A dog [2J in front of a door.
hall         microphone absent (no such device)
             0 seen, 0 asked, 0 answered

! the supply voltage is too low: use a stronger supply and a short cable
`
	if got := StatusView(busyBoard(), 0, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for line := range strings.Lines(StatusView(busyBoard(), 40, false)) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 40 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	color := StatusView(busyBoard(), 0, true)
	if strings.Count(color, "\x1b[33m") != strings.Count(color, "\x1b[0m") || strings.Count(color, "\x1b[33m") != 6 {
		t.Errorf("colours: %q", color)
	}
	empty := StatusView(health.Snapshot{Node: "n"}, 0, false)
	for _, want := range []string{"no sources", "nothing was asked", "inside the program", "in memory only"} {
		if !strings.Contains(empty, want) {
			t.Errorf("the empty view lacks %q:\n%s", want, empty)
		}
	}
}
