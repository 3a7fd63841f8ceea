// Package event holds what sensed tells the world: one JSON object for each
// thing that was seen or heard. The types are the contract with subscribers;
// fields are added, never renamed.
package event

import "time"

// Kind says what an event is about and is the last part of its topic.
type Kind string

// The kinds of events.
const (
	Caption    Kind = "caption"    // words about a picture
	Objects    Kind = "objects"    // boxes found in a picture
	Transcript Kind = "transcript" // words that were spoken
	Answer     Kind = "answer"     // answer to a free prompt
	Motion     Kind = "motion"     // something moved, before any words
	Sound      Kind = "sound"      // something was heard, before any words
	Pin        Kind = "pin"        // a pin changed its level
	Status     Kind = "status"     // the state of the node or of a source
)

// What the text of a status event says: of the node, then of a source.
const (
	Online  = "online"
	Offline = "offline"

	OK      = "ok"      // it delivers
	Absent  = "absent"  // it is not there (yet)
	Lost    = "lost"    // it was there
	Failed  = "failed"  // it is there, but does not work; Error says why
	Ended   = "ended"   // it had an end and reached it
	Stopped = "stopped" // sensed is stopping

	// Closed on purpose, and not opened before that is taken back.
	Off     = "off"     // by a command
	Muted   = "muted"   // by a button
	Private = "private" // by the privacy switch
)

// NoWords is the text of the sound event that ends an announced sound in which
// there was no speech.
const NoWords = "no words"

// Event is one message. A subscriber can tell from it what was sensed, when,
// where, by which model, and how long each stage took.
type Event struct {
	// ID names the thing that happened; the announcement (motion, sound) and
	// the words that follow it share it.
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Node   string `json:"node"`
	Source string `json:"source,omitempty"`
	// Time is the capture time, not the time of publication.
	Time time.Time `json:"time"`
	// Text is the caption, the transcript, the answer or, for a status, the
	// state (online, offline, or a source's state) in words.
	Text string `json:"text,omitempty"`
	// Objects is present, and may be empty, exactly in events of kind objects
	// without an error.
	Objects []Object `json:"objects,omitzero"`
	// Task is the name of the configured task that asked.
	Task string `json:"task,omitempty"`
	// Sample names the replayed file when there is one.
	Sample string `json:"sample,omitempty"`
	// Level is the loudness of a sound in dBFS, or the moving share of the
	// picture (0..1) of a motion.
	Level *float64 `json:"level,omitempty"`
	// Duration of the speech or sound, in seconds.
	Duration float64 `json:"duration_s,omitempty"`
	// Error says why the words will not come.
	Error   string   `json:"error,omitempty"`
	Latency *Latency `json:"latency_ms,omitempty"`
	Model   string   `json:"model,omitempty"`
}

// Object is a labelled box.
type Object struct {
	Label string `json:"label"`
	// Box is [y1, x1, y2, x2] on a grid of 1000 by 1000 over the whole frame.
	Box [4]int `json:"box_2d"`
	// Score is the model's own probability of the box, 0..1.
	Score float64 `json:"score"`
}

// Latency is how long the stages of one answer took, in milliseconds.
type Latency struct {
	// Wait is the time from capture until the model was free.
	Wait float64 `json:"wait"`
	// Encode is the image or audio encoder; of speech what was left to do when
	// its turn came, because most was done while it was spoken.
	Encode float64 `json:"encode"`
	// Prefill is reading the prompt, of speech likewise.
	Prefill float64 `json:"prefill"`
	// Decode is writing the answer.
	Decode float64 `json:"decode"`
	// Total is from capture to the finished answer.
	Total float64 `json:"total"`
}
