package web

import (
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/health"
)

// Failure is the answer of every request that is refused.
type Failure struct {
	// Error is a sentence for people.
	Error string `json:"error"`
	// Problems are what is wrong with a configuration.
	Problems []Problem `json:"problems,omitempty"`
}

// Session says whether the API may be used.
type Session struct {
	// Required says that a password is needed.
	Required bool `json:"required"`
	// Authenticated says that the API may be used, with or without one.
	Authenticated bool `json:"authenticated"`
	// CSRF is to be sent as the header Sensed-CSRF with what changes something;
	// empty until Authenticated.
	CSRF string `json:"csrf"`
	// Setup says what to do when a password is required and none is set.
	Setup string `json:"setup"`
}

// Login is the request for a session.
type Login struct {
	Password string `json:"password"`
}

// Node is the machine and the program.
type Node struct {
	Node    string    `json:"node"`
	Program string    `json:"program"` // version of sensed
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	// Boot is another text after each start.
	Boot  string `json:"boot"`
	Model string `json:"model"` // name of the model; empty while it is loaded
	// Loading says that the model is being loaded: nothing is sensed before that.
	Loading bool `json:"loading"`
	// Config says that there is a configuration file.
	Config bool `json:"config"`
}

// Source is a camera or a microphone and its newest words.
type Source struct {
	Name  string `json:"name"`
	Sense string `json:"sense"` // camera or microphone
	// State is ok, absent, lost, failed, ended, stopped, off, muted, private or, at
	// first, starting; Why a sentence that goes with it.
	State  string `json:"state"`
	Why    string `json:"why"`
	Device string `json:"device"` // as in the configuration
	// Thermal says that it is a camera which measures temperatures.
	Thermal  bool   `json:"thermal"`
	Seen     uint64 `json:"seen"`     // pictures, or pieces of sound
	Asked    uint64 `json:"asked"`    // questions
	Answered uint64 `json:"answered"` // questions
	Tasks    []Task `json:"tasks"`
	// The places of a camera's picture that are painted black, those where alone
	// motion counts, and those where it does not.
	Blackout []Polygon `json:"blackout"`
	Zones    []Polygon `json:"zones"`
	Masks    []Polygon `json:"masks"`

	// The newest event of each kind that has words or values.
	Caption     *event.Event `json:"caption,omitempty"`
	Objects     *event.Event `json:"objects,omitempty"`
	Transcript  *event.Event `json:"transcript,omitempty"`
	Answer      *event.Event `json:"answer,omitempty"`
	Temperature *event.Event `json:"temperature,omitempty"`
	// Moving and Speaking say that a motion or a sound goes on.
	Moving   bool `json:"moving"`
	Speaking bool `json:"speaking"`
}

// Polygon is its corners [x, y] from the upper left corner, each 0..1 of the
// picture.
type Polygon [][2]float64

// Task is a question that is asked about a source.
type Task struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Labels []string `json:"labels,omitempty"`
}

// Sources are all of them, in the order of the configuration.
type Sources struct {
	Sources []Source `json:"sources"`
}

// Frame announces a picture of a camera that can be fetched.
type Frame struct {
	Source string    `json:"source"`
	Seq    uint64    `json:"seq"` // counts from the start of sensed
	Time   time.Time `json:"time"`
	// Width and Height in pixels, of the camera's picture.
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Sample string `json:"sample,omitempty"` // the replayed file
	// Area is the share of the picture that moves, 0..1.
	Area   float64 `json:"area"`
	Moving bool    `json:"moving"`
	// Thermal is the scale of a picture of temperatures, which is grey.
	Thermal *Scale `json:"thermal,omitempty"`
	Heat    *Heat  `json:"heat,omitempty"`
}

// Scale is what black and white mean in a picture of temperatures, in degrees
// Celsius.
type Scale struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Heat is where a picture changes: one byte for each cell of a grid, row by row,
// from 0 (nothing) to 255 (all of it).
type Heat struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Cells  []byte `json:"cells"` // base64
}

// Level is how loud a microphone is, in dBFS.
type Level struct {
	Source string    `json:"source"`
	Time   time.Time `json:"time"`
	Level  float64   `json:"level"` // of about 100 ms
	Peak   float64   `json:"peak"`  // of the loudest sample
	// Speech says that somebody speaks.
	Speech bool `json:"speech"`
}

// Text is an answer that is being written: all of it until now.
type Text struct {
	Source string     `json:"source"`
	ID     string     `json:"id"` // of the event that it becomes
	Kind   event.Kind `json:"kind"`
	Text   string     `json:"text"`
}

// Piece is an answer to a request that is being written: all of it until now.
type Piece struct {
	Text string `json:"text"`
}

// Bye says why a stream ends.
type Bye struct {
	Why string `json:"why"`
}

// Card is one thing that happened: the announcement and the words about it.
type Card struct {
	ID string `json:"id"` // of its events
	// Rev grows whenever a card changes; of two copies the greater is newer.
	Rev     uint64    `json:"rev"`
	Source  string    `json:"source"`
	Sense   string    `json:"sense"` // camera, microphone or pin
	Time    time.Time `json:"time"`  // of its first event
	Updated time.Time `json:"updated"`
	// Kinds and Labels are those of its events.
	Kinds  []event.Kind `json:"kinds"`
	Labels []string     `json:"labels"`
	Text   string       `json:"text"` // the newest words
	// Open says that words are still to come, Why why none came.
	Open bool   `json:"open"`
	Why  string `json:"why"`
	// Thumbnail says that there is a picture; Size is that of the whole one, in
	// pixels.
	Thumbnail bool    `json:"thumbnail"`
	Size      *[2]int `json:"size,omitempty"`
	// Events has the newest event of each kind and task.
	Events []event.Event `json:"events"`
}

// Timeline is a part of what is kept, newest first.
type Timeline struct {
	Cards []Card `json:"cards"`
	// Next is what to ask for as before, to go on; empty: there are no more.
	Next   string     `json:"next,omitempty"`
	Held   int        `json:"held"`  // cards that are kept in all
	Bytes  int        `json:"bytes"` // that they take with their thumbnails
	Oldest *time.Time `json:"oldest,omitempty"`
}

// Strip counts cards in equal spans of time.
type Strip struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Counts []int     `json:"counts"`
}

// Facets are what can be filtered by.
type Facets struct {
	Sources []string     `json:"sources"`
	Kinds   []event.Kind `json:"kinds"`
	Labels  []LabelCount `json:"labels"`
}

// LabelCount says on how many cards a label is.
type LabelCount struct {
	Label string `json:"label"`
	Count int    `json:"count"`
}

// Switches are all of them.
type Switches struct {
	Switches []command.Setting `json:"switches"`
}

// Throw is the request to set a switch.
type Throw struct {
	Source string         `json:"source,omitempty"` // "": that of the whole node
	Name   command.Switch `json:"name"`
	Value  string         `json:"value"`
}

// History is how the node was doing.
type History struct {
	Hour health.Curves `json:"hour"`
	Day  health.Curves `json:"day"`
}

// Model is what answers, and the kernels that compute it.
type Model struct {
	Name   string `json:"name"`
	File   string `json:"file"`   // "": inside the program
	SHA256 string `json:"sha256"` // "" until it is computed
	Quant  string `json:"quant"`
	// Kernels is the instruction set that was chosen for this processor.
	Kernels string `json:"kernels"`
	// Table are the sets that this processor could use, the best last.
	Table []Kernel `json:"table"`
	// Choices say which set's function does what.
	Choices []Choice `json:"choices"`
}

// Kernel is one row of the kernel table.
type Kernel struct {
	Name string `json:"name"` // of an instruction set
	// Active says that it is the one in use.
	Active bool `json:"active"`
}

// Choice is a part of the work and the kernel that does it. A set takes those of
// simpler sets where it has none of its own.
type Choice struct {
	Operation string   `json:"operation"`
	Weights   []string `json:"weights"` // encodings for which it is so; empty: it depends on none
	Kernel    string   `json:"kernel"`  // the set for which it was written
}

// Line is a line of the log.
type Line struct {
	Time    time.Time   `json:"time"`
	Level   string      `json:"level"` // DEBUG, INFO, WARN or ERROR
	Message string      `json:"message"`
	Attrs   [][2]string `json:"attrs"` // names and values
}

// Lines are the last of the log, oldest first.
type Lines struct {
	Lines []Line `json:"lines"`
}

// Configuration is the file that says what sensed does.
type Configuration struct {
	Path string `json:"path"`
	Text string `json:"text"`
	// Revision names this text; it is wanted back when another one is saved.
	Revision string `json:"revision"`
	// Writable says whether it can be saved here, Why why not.
	Writable bool     `json:"writable"`
	Why      string   `json:"why"`
	Backups  []Backup `json:"backups"` // newest first
	// Pending are sections that are in use only after a restart.
	Pending []string `json:"pending"`
}

// Backup is an earlier configuration.
type Backup struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"` // when it was replaced
}

// BackupText is an earlier configuration with its text.
type BackupText struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Draft is the request to check or save a configuration.
type Draft struct {
	Text string `json:"text"`
	// Revision is that of the text which it shall replace; not needed to check.
	Revision string `json:"revision,omitempty"`
}

// Check is what is said of a draft.
type Check struct {
	Problems []Problem `json:"problems"` // none: it is right
	// Applied are the sections that change at once when it is saved, Restart those
	// that change after a restart.
	Applied []string `json:"applied"`
	Restart []string `json:"restart"`
	Diff    []Edit   `json:"diff"` // against the file
}

// Problem is a mistake in a configuration.
type Problem struct {
	// Line and Column count from 1; 0: the file does not set the field.
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Field  string `json:"field"` // "": the file as a whole
	What   string `json:"what"`
	Hint   string `json:"hint"`
}

// Edit is a line of a difference.
type Edit struct {
	// Op is + for a new line, - for one that goes, a space for one that stays, and
	// @ where lines that stay are left out.
	Op string `json:"op"`
	// Old and New are the numbers of the line in both texts; 0: it is not there.
	Old  int    `json:"old"`
	New  int    `json:"new"`
	Text string `json:"text"`
}

// Saved says what became of a configuration.
type Saved struct {
	Revision string   `json:"revision"`
	Applied  []string `json:"applied"`
	Restart  []string `json:"restart"`
	Backup   string   `json:"backup"` // name of what was there before
}
