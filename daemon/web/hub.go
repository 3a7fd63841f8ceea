package web

import (
	"context"
	"encoding/json"
	"image"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sensed/daemon/command"
	"sensed/daemon/event"
	"sensed/daemon/health"
)

// HubOptions bound what a hub keeps.
type HubOptions struct {
	Cards int // of the timeline
	Bytes int // of the timeline with its thumbnails
	// Archive keeps the timeline for the next start; nil: in memory only.
	Archive  Archive
	Pictures bool // go to the archive, too
	Log      *slog.Logger
}

// Hub is told what happens, keeps the timeline and the newest words, and hands
// all of it to the pages that are open. Its methods may be called from any
// goroutine and do not block.
type Hub struct {
	log      *slog.Logger
	pictures chan picture // that become thumbnails
	readers  atomic.Int32 // open streams, and waits for a frame
	archive  Archive      // nil: there is none
	keepAll  bool         // pictures, too
	records  chan record  // for the archive

	mu      sync.Mutex // guards what follows
	line    timeline
	sources map[string]*known
	streams map[*stream]struct{}
	asked   []illustration // without a card, the newest last
	seq     uint64         // of frames
	closed  bool
	slow    bool // the archive was, and that was logged
}

// known is what the hub knows of a source.
type known struct {
	sense            string
	tasks            int
	moving, speaking bool
	latest           map[event.Kind]*event.Event
	camera           camera
}

// picture is one that becomes a thumbnail.
type picture struct {
	id    string
	image image.Image
}

// illustration is the thumbnail of something that has no card, or none yet.
type illustration struct {
	id    string
	thumb []byte
	size  [2]int
}

// maxAsked is how many of these are kept.
const maxAsked = 8

// NewHub returns a hub that knows what its archive holds. Run it for thumbnails
// and the archive.
func NewHub(o HubOptions) *Hub {
	h := &Hub{
		log: o.Log, pictures: make(chan picture, 4),
		line:    timeline{maxCards: o.Cards, maxBytes: o.Bytes},
		sources: map[string]*known{}, streams: map[*stream]struct{}{},
		archive: o.Archive, keepAll: o.Pictures, records: make(chan record, maxUnwritten),
	}
	if h.archive != nil {
		h.restore()
	}
	return h
}

// Run makes thumbnails and writes to the archive until ctx ends, and then ends all
// streams.
func (h *Hub) Run(ctx context.Context) {
	defer h.end("sensed stops")
	for {
		select {
		case p := <-h.pictures:
			h.illustrated(p)
		case r := <-h.records:
			h.write(r)
		case <-ctx.Done():
			h.writeRest()
			return
		}
	}
}

// Begin says which sources there are from now on.
func (h *Hub) Begin(sources []Source) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.sources
	h.sources = map[string]*known{}
	for _, s := range sources {
		k := before[s.Name]
		if k == nil {
			k = &known{latest: map[event.Kind]*event.Event{}}
		}
		k.sense, k.tasks, k.moving, k.speaking = s.Sense, len(s.Tasks), false, false
		h.sources[s.Name] = k
	}
	for s := range h.streams {
		s.send(message{name: "hello"}) // everything may be another
	}
}

// Event takes an event as it is published.
func (h *Hub) Event(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.sources[e.Source]
	if k != nil {
		k.note(e)
		h.tell(message{name: "source", source: e.Source})
	}
	if !shown(e.Kind) {
		return
	}
	sense, asked := "pin", false
	if k != nil {
		sense, asked = k.sense, k.tasks > 0
	}
	c := h.line.add(e, sense, asked, time.Now())
	h.keep(record{Event: &e, Sense: sense, Asked: asked})
	for i, a := range h.asked {
		if a.id == e.ID {
			h.illustrate(c, a.thumb, a.size)
			h.asked = append(h.asked[:i:i], h.asked[i+1:]...)
			break
		}
	}
	h.tellJSON("event", c.Card)
}

// note remembers what an event says of its source.
func (k *known) note(e event.Event) {
	switch e.Kind {
	case event.Motion:
		k.moving = e.Active != nil && *e.Active
	case event.Sound:
		k.speaking = e.Active != nil && *e.Active
	case event.Caption, event.Objects, event.Transcript, event.Answer, event.Temperature:
		if e.Status == event.Done {
			k.latest[e.Kind] = &e
		}
	}
}

// complete puts into sources what the hub knows of them.
func (h *Hub) complete(sources []Source) []Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range sources {
		s := &sources[i]
		k := h.sources[s.Name]
		if k == nil {
			continue
		}
		s.Moving, s.Speaking = k.moving, k.speaking
		s.Caption, s.Objects, s.Transcript = k.latest[event.Caption], k.latest[event.Objects], k.latest[event.Transcript]
		s.Answer, s.Temperature = k.latest[event.Answer], k.latest[event.Temperature]
	}
	return sources
}

// Illustrate takes the picture that the events of an id are about, to which
// nobody writes any more.
func (h *Hub) Illustrate(id string, img image.Image) {
	select {
	case h.pictures <- picture{id, img}:
	default: // they come faster than they can be made small; the next one will do
	}
}

// illustrated makes a picture the thumbnail of its card.
func (h *Hub) illustrated(p picture) {
	thumb, err := encode(p.image, thumbWidth, thumbQuality)
	if err != nil {
		h.log.Warn("a thumbnail cannot be made", "err", err)
		return
	}
	b := p.image.Bounds()
	size := [2]int{b.Dx(), b.Dy()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.line.byID[p.id]; c != nil {
		h.illustrate(c, thumb, size)
		h.tellJSON("event", c.Card)
		return
	}
	if len(h.asked) == maxAsked {
		h.asked = h.asked[1:]
	}
	h.asked = append(h.asked[:len(h.asked):len(h.asked)], illustration{p.id, thumb, size})
}

// illustrate gives a card its thumbnail. The lock is held.
func (h *Hub) illustrate(c *entry, thumb []byte, size [2]int) {
	h.line.illustrate(c, thumb, size)
	if h.keepAll {
		h.keep(record{ID: c.ID, Size: &size, thumb: thumb})
	}
}

// thumbnail returns the thumbnail of an id, nil when there is none.
func (h *Hub) thumbnail(id string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.line.byID[id]; c != nil {
		return c.thumb
	}
	for _, a := range h.asked {
		if a.id == id {
			return a.thumb
		}
	}
	return nil
}

// Writing tells whether somebody reads along while an answer is written, and
// returns what takes its pieces; nil: nobody does.
func (h *Hub) Writing(source, id string, kind event.Kind) func(piece string) {
	if h.readers.Load() == 0 {
		return nil
	}
	t := Text{Source: source, ID: id, Kind: kind}
	return func(piece string) {
		t.Text += piece
		h.mu.Lock()
		defer h.mu.Unlock()
		h.tellJSON("text", t)
	}
}

// Listens tells whether somebody looks at the levels of microphones.
func (h *Hub) Listens() bool {
	if h.readers.Load() == 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wanted("level", "")
}

// Level takes how loud a microphone is.
func (h *Hub) Level(l Level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellJSON("level", l)
}

// Setting takes how a switch stands.
func (h *Hub) Setting(s command.Setting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellJSON("switch", s)
	h.tell(message{name: "source", source: s.Source})
}

// Health takes how the node is doing.
func (h *Hub) Health(s health.Snapshot) {
	if h.readers.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wanted("health", "") {
		h.tellJSON("health", s)
	}
}

// Logged takes a line of the log.
func (h *Hub) Logged(l Line) {
	if h.readers.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellJSON("log", l)
}

// wanted tells whether a stream wants messages of a name. The lock is held.
func (h *Hub) wanted(name, source string) bool {
	for s := range h.streams {
		if s.wants(name, source) {
			return true
		}
	}
	return false
}

// tellJSON writes a value once for all streams that want it. The lock is held.
func (h *Hub) tellJSON(name string, v any) {
	source := ""
	if f, ok := v.(Frame); ok {
		source = f.Source
	}
	if !h.wanted(name, source) {
		return
	}
	data, err := json.Marshal(v)
	if err != nil { // a number that is none
		h.log.Error("what the page should show cannot be written as JSON", "what", name, "err", err)
		return
	}
	h.tell(message{name: name, source: source, data: data})
}

// tell hands a message to the streams that want it. The lock is held.
func (h *Hub) tell(m message) {
	for s := range h.streams {
		if s.wants(m.name, m.source) {
			s.send(m)
		}
	}
}
