package command

import (
	"encoding/json"
	"time"

	"sensed/daemon/event"
)

// Reply is the answer to a request. Of an answer of the model it has what the
// event has.
type Reply struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Command Name      `json:"command"`
	Node    string    `json:"node"`
	Source  string    `json:"source,omitempty"`
	Time    time.Time `json:"time"`
	// Status is done, or why nothing was done: Error says it in a sentence.
	Status event.Outcome `json:"status"`
	Error  string        `json:"error,omitempty"`
	// Question is what was asked.
	Question string `json:"question,omitempty"`
	// Text is the answer in words; Data the same when a schema was asked for.
	Text     string          `json:"text,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Objects  []event.Object  `json:"objects,omitzero"`
	Counts   map[string]int  `json:"counts,omitempty"`
	Frame    *[2]int         `json:"frame,omitempty"`
	Score    *float64        `json:"score,omitempty"`
	Latency  *event.Latency  `json:"latency_ms,omitempty"`
	Model    *event.Model    `json:"model,omitempty"`
	PromptID string          `json:"prompt_id,omitempty"`

	// What follows is set when the reply is sent, as in an event.
	Seq       uint64    `json:"seq,omitempty"`
	Published time.Time `json:"published,omitzero"`
	Replayed  bool      `json:"replayed,omitempty"`
}

// Answered is the reply that says what an event says.
func (r Request) Answered(e event.Event) Reply {
	reply := Reply{
		Source: e.Source, Time: e.Time, Status: e.Status, Error: e.Error, Text: e.Text,
		Objects: e.Objects, Counts: e.Counts, Frame: e.Frame, Score: e.Score,
		Latency: e.Latency, Model: e.Model, PromptID: e.PromptID,
	}
	if r.Schema != nil && json.Valid([]byte(e.Text)) {
		reply.Data = json.RawMessage(e.Text)
	}
	return reply
}

// Refused is the reply that says why nothing was done.
func Refused(o event.Outcome, why string) Reply { return Reply{Status: o, Error: why} }
