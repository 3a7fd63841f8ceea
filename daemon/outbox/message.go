package outbox

import "time"

// Priority says what is given up first when room runs out.
type Priority int8

// The priorities. The zero value is the one for most messages.
const (
	Low    Priority = -1 // worth little by itself
	Normal Priority = 0
	High   Priority = 1 // given up last
)

const priorities = 3

func (p Priority) valid() bool { return p >= Low && p <= High }
func (p Priority) index() int  { return int(p - Low) }

func (p Priority) String() string {
	switch p {
	case Low:
		return "low"
	case Normal:
		return "normal"
	case High:
		return "high"
	}
	return "unknown"
}

// Message is what waits: bytes, and how much they matter.
type Message struct {
	Priority Priority
	Body     []byte
}

// Entry is a message that waits. Its Body belongs to whoever peeked.
type Entry struct {
	// Number grows with each Append, also across restarts. It is not used
	// twice, except that a power cut may take back the last second's.
	Number   uint64
	Accepted time.Time // by this machine's clock, which may have been wrong
	Message
}

// Reason says why a message was given up.
type Reason string

// The reasons.
const (
	Full    Reason = "full"    // no room within the bounds
	Expired Reason = "expired" // older than the bound
	Damaged Reason = "damaged" // what came back from the disk was not what was written
	Refused Reason = "refused" // put into quarantine by whoever peeked
)

func reasons() []Reason { return []Reason{Full, Expired, Damaged, Refused} }

// Drop counts messages that were given up since the start.
type Drop struct {
	Priority string `json:"priority"`
	Reason   Reason `json:"reason"`
	Count    uint64 `json:"count"`
}

// State says how an outbox is.
type State struct {
	// Durable tells whether what is appended now survives the process. If not,
	// Problem says why in a sentence.
	Durable bool   `json:"durable"`
	Problem string `json:"problem,omitempty"`

	Messages int       `json:"messages"`           // that wait
	Bytes    int64     `json:"bytes"`              // of these, as they are stored
	Memory   int64     `json:"memory"`             // bytes of all segments in memory
	Disk     int64     `json:"disk"`               // bytes of all segments in files
	Segments int       `json:"segments"`           // in memory and in files
	Oldest   time.Time `json:"oldest,omitzero"`    // when the oldest that waits was accepted
	Last     uint64    `json:"last"`               // number of the newest message there ever was
	Drops    []Drop    `json:"drops,omitempty"`    // since the start
	Restored int       `json:"restored,omitempty"` // messages found in the folder at the start

	// Since the start:
	Accepted uint64 `json:"accepted"` // messages appended
	Acked    uint64 `json:"acked"`
	BadBytes int64  `json:"bad_bytes,omitempty"`  // found in segments and no record
	TornCut  int64  `json:"torn_bytes,omitempty"` // cut off the end of segments
	Writes   uint64 `json:"writes"`               // system calls that wrote
	Syncs    uint64 `json:"syncs"`                // of files and of the folder
}

// Dropped is how many messages were given up for whatever reason.
func (s State) Dropped() (n uint64) {
	for _, d := range s.Drops {
		n += d.Count
	}
	return n
}
