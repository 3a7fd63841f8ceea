package health

import (
	"fmt"
	"slices"
	"time"
)

// Snapshot is how the daemon and its board are at one moment: the answer of the
// control socket and the payload of sensed/NODE/health. Fields are added, never
// renamed.
type Snapshot struct {
	Version int       `json:"version"` // of this format: 1
	Node    string    `json:"node"`
	Time    time.Time `json:"time"`
	// Program is the version of sensed.
	Program string  `json:"program"`
	Uptime  float64 `json:"uptime_s"`
	// Problems are sentences about what is not as it should be; none: all is well.
	Problems []string `json:"problems"`
	Board    Reading  `json:"board"`
	Memory   Memory   `json:"memory"`
	Load     Shed     `json:"load"`
	Model    Model    `json:"model"`
	Speed    Speed    `json:"speed"`
	Queue    Queue    `json:"queue"`
	Events   Events   `json:"events"`
	Broker   Broker   `json:"broker"`
	Outbox   Outbox   `json:"outbox"`
	Sources  []Source `json:"sources"`
}

// Shed is what the load policy does.
type Shed struct {
	Level Level  `json:"level"` // 0 is normal
	Name  string `json:"name"`
	Why   string `json:"why,omitempty"`
}

// Model is what answers.
type Model struct {
	Name    string `json:"name"`
	File    string `json:"file,omitempty"` // "": inside the program
	Quant   string `json:"quant,omitempty"`
	Kernels string `json:"kernels"`
	Busy    bool   `json:"busy"`
}

// Speed is how fast the model was over the last minutes; 0 when it did nothing.
type Speed struct {
	TokensPerSecond float64 `json:"tokens_per_s"` // written
	Latency         Stages  `json:"latency_ms"`   // mean of each stage
}

// Stages are milliseconds.
type Stages struct {
	Wait    float64 `json:"wait"`
	Encode  float64 `json:"encode"`
	Prefill float64 `json:"prefill"`
	Decode  float64 `json:"decode"`
	Total   float64 `json:"total"`
}

// Queue is about questions to the model.
type Queue struct {
	Waiting  int    `json:"waiting"`
	Answered uint64 `json:"answered"`
	Failed   uint64 `json:"failed"`
	Drops    []Drop `json:"drops"`
}

// Drop counts questions that were not asked.
type Drop struct {
	Source string `json:"source"`
	Task   string `json:"task"`
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// Events counts what was published, and what could not even be stored.
type Events struct {
	Published uint64 `json:"published"`
	Lost      uint64 `json:"lost"`
}

// Broker is the connection to MQTT.
type Broker struct {
	Address   string `json:"address"`
	Connected bool   `json:"connected"`
	Problem   string `json:"problem,omitempty"` // in a sentence
	Delivered uint64 `json:"delivered"`         // messages
}

// Outbox is where messages wait for the broker.
type Outbox struct {
	Durable  bool   `json:"durable"`           // it survives a restart
	Problem  string `json:"problem,omitempty"` // in a sentence
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	Dropped  uint64 `json:"dropped"` // messages
}

// Source is a camera or a microphone.
type Source struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`              // camera or microphone
	State    string `json:"state"`             // ok, absent, lost, failed, ended, stopped, off, muted, private; "starting" before
	Why      string `json:"why,omitempty"`     // in a sentence
	Seen     uint64 `json:"seen"`              // pictures, or pieces of sound
	Asked    uint64 `json:"asked"`             // questions
	Answered uint64 `json:"answered"`          // questions
	Last     string `json:"last,omitempty"`    // the last words about it; never published
	LastAt   string `json:"last_at,omitempty"` // when they were captured
}

// Parts is what the daemon's parts say; all slices are the receiver's.
type Parts struct {
	Node    string
	Model   Model
	Queue   Queue
	Events  Events
	Broker  Broker
	Outbox  Outbox
	Sources []Source
	Workers []Worker
}

// troubled are the states of a source that its owner should know of.
var troubled = []string{"absent", "lost", "failed"}

// problems says in sentences what is not as it should be.
func (s *Snapshot) problems(hangs []string) []string {
	out := []string{}
	for _, h := range hangs {
		out = append(out, h+"; the service manager restarts sensed if this lasts")
	}
	if p := s.Board.Power; p != nil {
		if p.UnderVoltage {
			out = append(out, "the supply voltage is too low: use a stronger supply and a short cable")
		}
		if p.Throttled || p.Capped {
			out = append(out, "the processor is throttled"+at(s.Board.Temperature)+": see to its cooling and supply")
		}
	}
	if s.Load.Level > Normal {
		out = append(out, fmt.Sprintf("less is asked than configured (%s): %s", s.Load.Name, s.Load.Why))
	}
	for _, p := range []string{s.Broker.Problem, s.Outbox.Problem} {
		if p != "" {
			out = append(out, p)
		}
	}
	if s.Broker.Problem == "" && !s.Broker.Connected {
		out = append(out, "the MQTT broker is not connected")
	}
	for _, x := range s.Sources {
		if slices.Contains(troubled, x.State) {
			why := ""
			if x.Why != "" {
				why = ": " + x.Why
			}
			out = append(out, fmt.Sprintf("source %s is %s%s", x.Name, x.State, why))
		}
	}
	return out
}

// gist is what of a snapshot is published at once when it changes; everything
// else may wait for the next regular time.
func (s *Snapshot) gist() string {
	g := fmt.Sprintf("%q %v %q", s.Problems, s.Load.Level, s.Model.Name)
	for _, x := range s.Sources {
		g += fmt.Sprintf(" %q %q", x.Name, x.State)
	}
	if p := s.Board.Power; p != nil {
		g += fmt.Sprint(*p)
	}
	return g
}

// public returns the snapshot as it is published: without words.
func (s Snapshot) public() Snapshot {
	s.Sources = slices.Clone(s.Sources)
	for i := range s.Sources {
		s.Sources[i].Last, s.Sources[i].LastAt = "", ""
	}
	return s
}
