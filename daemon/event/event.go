// Package event holds what sensed tells the world: one JSON object for each
// thing that was seen or heard, and the names of the topics. The types are the
// contract with subscribers (deploy/docs/mqtt.md); fields are added, never
// renamed.
package event

import "time"

// Version is the version of the contract, in every payload.
const Version = 1

// Kind says what an event is about and is the last part of its topic.
type Kind string

// The kinds of events.
const (
	Caption     Kind = "caption"     // words about a picture
	Objects     Kind = "objects"     // boxes found in a picture
	Transcript  Kind = "transcript"  // words that were spoken
	Answer      Kind = "answer"      // answer to a free prompt
	Motion      Kind = "motion"      // something moves, before any words
	Sound       Kind = "sound"       // something is heard, before any words
	Pin         Kind = "pin"         // a pin changed its level
	Temperature Kind = "temperature" // what a thermal camera measures
	Level       Kind = "level"       // how loud it is
	Status      Kind = "status"      // the state of the node or of a source
)

// Outcome says how far the words about a thing have come.
type Outcome string

// The outcomes. The last four say that no words will come, and Error why.
const (
	Announced Outcome = "announced" // it begins; words may follow under its id
	Done      Outcome = "done"      // here they are; of a motion or a sound: it is over
	Skipped   Outcome = "skipped"   // there is nothing to say, or somebody does not want it said
	Throttled Outcome = "throttled" // too much is asked, or the board has to rest
	TimedOut  Outcome = "timeout"   // it took too long
	Faulty    Outcome = "error"     // something failed
)

// What the state of a status event says: of the node, then of a source.
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

// The levels of a pin, which are the state of a pin event.
const (
	High = "high"
	Low  = "low"
)

// NoWords is the reason in the sound event that ends an announced sound in which
// there was no speech.
const NoWords = "no words were spoken"

// Event is one message. A subscriber can tell from it what was sensed, when,
// where, by which model, and how long each stage took.
type Event struct {
	// Version of the contract.
	Version int `json:"version"`
	// ID names the thing that happened; the announcement (motion, sound, pin)
	// and the words that follow it share it.
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// EventType repeats the kind in the copy on the topic SOURCE/event.
	EventType Kind   `json:"event_type,omitempty"`
	Node      string `json:"node"`
	Source    string `json:"source,omitempty"`
	// Time is the capture time, not the time of publication.
	Time time.Time `json:"time"`
	// Status says how far the words have come; it is absent in events of kind
	// status.
	Status Outcome `json:"status,omitempty"`
	// State is the state of a source, or the level of a pin.
	State string `json:"state,omitempty"`
	// Active says of a motion or a sound whether it begins or is over.
	Active *bool `json:"active,omitempty"`
	// Level is the loudness of a sound in dBFS, or the moving share of the
	// picture (0..1) of a motion.
	Level *float64 `json:"level,omitempty"`
	// Peak and Floor go with the Level of events of kind level: the loudest
	// sample and the quietest tenth of a second, in dBFS.
	Peak  *float64 `json:"peak,omitempty"`
	Floor *float64 `json:"floor,omitempty"`
	// Duration of the speech, the sound or the motion, in seconds.
	Duration float64 `json:"duration_s,omitempty"`
	// Text is the caption, the transcript or the answer.
	Text string `json:"text,omitempty"`
	// Changed is false when the words say nothing new.
	Changed *bool `json:"changed,omitempty"`
	// Objects is present, and may be empty, exactly in events of kind objects
	// that are done.
	Objects []Object `json:"objects,omitzero"`
	// Counts are how many objects of each label there are.
	Counts map[string]int `json:"counts,omitempty"`
	// Frame is the width and height in pixels of the picture with the objects.
	Frame *[2]int `json:"frame,omitempty"`
	// Temperature is present exactly in events of that kind.
	Temperature *Warmth `json:"temperature,omitempty"`
	// Task is the name of the configured task that asked.
	Task string `json:"task,omitempty"`
	// Sample names the replayed file when there is one.
	Sample string `json:"sample,omitempty"`
	// Error is the reason for a status of skipped, throttled, timeout or error,
	// or for the state of a source, in a sentence.
	Error string `json:"error,omitempty"`
	// Score is how sure the model was of the whole answer, 0..1.
	Score   *float64 `json:"score,omitempty"`
	Latency *Latency `json:"latency_ms,omitempty"`
	// Model is what answered, PromptID the words that it was asked with.
	Model    *Model `json:"model,omitempty"`
	PromptID string `json:"prompt_id,omitempty"`

	// What follows is set when the event is sent.

	// Seq is the number of the message among all of this node. A repetition has
	// the same.
	Seq uint64 `json:"seq,omitempty"`
	// Published is when this copy was sent.
	Published time.Time `json:"published,omitzero"`
	// Replayed says that it waited in the outbox because the broker was away.
	Replayed bool `json:"replayed,omitempty"`
}

// Object is a thing in a picture.
type Object struct {
	Label string `json:"label"`
	// Box is [x, y, w, h] from the upper left corner, each 0..1 of the frame.
	Box [4]float64 `json:"box"`
	// Pixels is the box in whole pixels of the frame.
	Pixels [4]int `json:"pixels"`
	// Score is the model's own probability of the box, 0..1.
	Score float64 `json:"score"`
	// Track is the number that a thing keeps from picture to picture for as long
	// as it is found again; 0: it is not followed.
	Track int `json:"track,omitempty"`
}

// Model says which model answered.
type Model struct {
	Name string `json:"name"`
	// SHA256 of the file with the text model, in hex; "" until it was computed.
	SHA256 string `json:"sha256,omitempty"`
	// Quant is the quantisation of most of its weights, such as Q4_0.
	Quant string `json:"quant,omitempty"`
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
