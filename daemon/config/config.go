// Package config reads the one file that says what sensed does: YAML, with a
// default for everything, and with an answer for every mistake that names the
// line, the column and what to write instead.
//
// An unknown key is a mistake. All mistakes of a file are reported together.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxFile bounds the file: the YAML parser is quadratic in deeply nested text.
const maxFile = 64 << 10

//go:embed sample.yaml
var sample []byte

// Sample returns a configuration that shows every setting with its meaning.
func Sample() []byte { return slices.Clone(sample) }

// Config is the whole configuration. Get one from [Default], [Parse] or [Load].
type Config struct {
	// Version is that of the format, at most [Version].
	Version int
	// Node names this machine in topics and events.
	Node     string
	Broker   Broker
	Outbox   Outbox
	Model    Model
	Sources  []Source
	Triggers []Trigger
	Switches []Switch
	LED      LED
	Web      Web
	Health   Health
	// Unchanged says what becomes of captions and answers that say nothing new:
	// skip or send.
	Unchanged     string
	HomeAssistant HomeAssistant
	Log           Log

	name     string              // of the file, for messages
	where    map[string]position // of each field that the file sets
	outdated []Problem
}

// Broker says where to publish.
type Broker struct {
	// URL of the broker: mqtt, mqtts, ws, wss or unix. Empty: the broker inside
	// sensed, which listens at Listen.
	URL string
	// Fallbacks are brokers to use, in this order, while the first cannot be.
	Fallbacks []string
	Listen    string // host:port of the broker inside sensed
	// ClientID is how the broker knows us; empty: made from the node name.
	ClientID string
	Username string
	// PasswordFile holds the password in its first line; only its owner (and
	// group) may read it.
	PasswordFile string
	CAFile       string // PEM certificates to trust instead of the system's
	CertFile     string // PEM certificate to show to the broker
	KeyFile      string // PEM key of CertFile
	ServerName   string // name in the broker's certificate; empty: the host of the URL
}

// Model says which model answers. Without Name and Text it is the bundled one.
type Model struct {
	// Name of a model that sensed model pull fetched, or current for the one that
	// sensed model use chose; the files are its own then.
	Name      string
	Folder    string // where such models are; empty: the usual place
	Text      string // GGUF file of the decoder
	Projector string // GGUF file of the encoders
	Drafter   string // GGUF file of the drafter of the same model; empty: none
	Profile   string // JSON file with the model's prompts; empty: that of Gemma 4
	Threads   int    // 0: one for each core
	Context   int    // tokens of prompt and answer together; 0: the engine's default
	// Packed is the folder for the weights in the form that the processor likes
	// best, or PackedOff; empty: the service's cache folder, or beside the model.
	Packed string
}

// PackedOff as Model.Packed uses the weights as the model has them.
const PackedOff = "off"

// Source is one camera or microphone and what is asked about it.
type Source struct {
	Name   string
	Device Device
	Tasks  []Task
	Gate   Gate
	// Blackout are the places of a camera's pictures that are painted black
	// before anything else sees them.
	Blackout []Area
	Image    bool // of a camera: publish the picture that the last words are about
}

// Task is one question that is asked about a source.
type Task struct {
	Kind        string // caption, detect, point, transcribe, translate or prompt
	Name        string // default: the kind
	Labels      []string
	Prompt      string
	Choices     []string // prompt: the answer is one of these
	Schema      string   // prompt: the answer is JSON of this schema
	System      string
	Language    string // spoken
	Into        string // translate: the language wanted
	Every       time.Duration
	ImageTokens int // 0: the profile's
	MaxTokens   int // 0: the profile's
}

// Gate says when a source is worth the model's time.
type Gate struct {
	Motion *Motion // cameras; nil: motion is not looked for
	Speech *Speech // microphones; nil: speech is not listened for
	Always bool    // every picture, every second of sound
}

// Motion is the gate of a camera.
type Motion struct {
	Sensitivity float64 // 0..1
	MinArea     float64 // share of the picture that must move, 0..1
	// Again asks again while a motion lasts, at most this often; 0: once.
	Again time.Duration
	Zones []Area // where motion counts; none: everywhere
	Masks []Area // where motion does not count, also in a zone
}

// Speech is the gate of a microphone.
type Speech struct {
	Sensitivity float64       // 0..1
	Pause       time.Duration // this much silence ends what was said
	Max         time.Duration // longer speech is split
}

// Trigger is a pin that makes sources look and listen.
type Trigger struct {
	Pin      string
	Edge     string // rising, falling or both
	Pull     string // up, down, none
	Debounce time.Duration
	Starts   []string // names of sources
}

// LED names the pins of lights; empty: there is none.
type LED struct {
	Model      string // lit while the model works
	Microphone string // lit while a microphone is open
	Camera     string // lit while a camera is open
}

// Health says how sensed tells how it is doing.
type Health struct {
	// Socket of `sensed status` and `sensed reload`; empty: in the service's
	// runtime folder.
	Socket string
	// Every is how often the state is published that says nothing new.
	Every time.Duration
	// Metrics is the host:port at which Prometheus may ask; empty: the socket only.
	Metrics string
}

// Log says what is logged.
type Log struct {
	Level string // debug, info, warn or error
	// Format is text or json, on standard error; journal; or auto: the journal
	// under systemd, else text.
	Format string
}

// Default returns the configuration of an empty file: the bundled model, the
// broker inside sensed, no sources.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &Config{
		Version:       Version,
		Node:          NodeName(host),
		Broker:        Broker{Listen: "127.0.0.1:1883"},
		Web:           defaultWeb(),
		Health:        Health{Every: time.Minute},
		Unchanged:     "skip",
		HomeAssistant: HomeAssistant{Discovery: true, Prefix: "homeassistant", Birth: "homeassistant/status"},
		Log:           Log{Level: "info", Format: "auto"},
		name:          "configuration",
	}
}

// DefaultMotion is the motion gate of a camera whose file does not speak of it.
func DefaultMotion() *Motion {
	return &Motion{Sensitivity: 0.5, MinArea: 0.005, Again: 10 * time.Second}
}

// DefaultSpeech is the speech gate of a microphone whose file does not speak of it.
func DefaultSpeech() *Speech {
	return &Speech{Sensitivity: 0.5, Pause: 600 * time.Millisecond, Max: 28 * time.Second}
}

func defaultTrigger() Trigger {
	return Trigger{Edge: "rising", Pull: "none", Debounce: 50 * time.Millisecond}
}

// Load reads and checks the file. Relative paths in it are taken from its
// folder. The error is an [*Error] when the content is at fault.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration %s cannot be read: %w", path, err)
	}
	return Read(path, data)
}

// Read is [Load] with a text that is not in the file, or not yet.
func Read(path string, data []byte) (*Config, error) {
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	c.resolve(filepath.Dir(path))
	if p := c.checkFiles(); len(p) > 0 {
		return nil, c.failed(p)
	}
	return c, nil
}

// Parse reads and checks the content of a file; name is for messages.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	c.name = name
	c.where = map[string]position{}
	r := &reader{where: c.where}
	r.file(data, c)
	if p := c.newer(); len(p) > 0 {
		return nil, c.failed(p)
	}
	// What the reader refused is left at its default, so checking the rest
	// reports further mistakes and not the same again.
	problems := append(r.problems, c.check()...)
	if len(problems) > 0 {
		return nil, c.failed(problems)
	}
	return c, nil
}

// Validate checks a configuration that was not parsed, or was changed since.
func (c *Config) Validate() error {
	if p := c.check(); len(p) > 0 {
		return c.failed(p)
	}
	return nil
}

// Fault makes the error of a mistake that only the user of a field can find,
// such as a device that refuses its options. It has the field's line and column.
func (c *Config) Fault(field string, err error) error {
	k := &checker{c: c}
	k.wrong(field, err.Error(), "")
	return c.failed(k.problems)
}

// failed makes the error of some problems, sorted by place, one per field.
func (c *Config) failed(problems []Problem) error {
	slices.SortStableFunc(problems, Problem.compare)
	seen := map[string]bool{}
	e := &Error{Name: c.name}
	for _, p := range problems {
		if p.Field != "" && seen[p.Field] {
			continue // the first one said it
		}
		seen[p.Field] = true
		e.Problems = append(e.Problems, p)
	}
	return e
}

// IsInvalid tells whether err says that the content of the file is wrong, and
// not that it could not be read.
func IsInvalid(err error) bool {
	var e *Error
	return errors.As(err, &e)
}
