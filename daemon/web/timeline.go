package web

import (
	"encoding/json"
	"slices"
	"time"

	"sensed/daemon/event"
)

// timeline has the newest cards in memory, bounded by their number and bytes.
// It belongs to a [Hub], which guards it.
type timeline struct {
	maxCards, maxBytes int

	cards []*entry // oldest first
	byID  map[string]*entry
	bytes int
	rev   uint64
}

// entry is a card with its thumbnail.
type entry struct {
	Card
	thumb []byte // JPEG; nil: there is none
	bytes int    // that were counted for it
}

// shown are the kinds of events that have a card.
func shown(k event.Kind) bool {
	switch k {
	case event.Caption, event.Objects, event.Transcript, event.Answer, event.Motion, event.Sound, event.Pin:
		return true
	}
	return false
}

// words tells whether events of a kind are what the model answered.
func words(k event.Kind) bool {
	switch k {
	case event.Caption, event.Objects, event.Transcript, event.Answer:
		return true
	}
	return false
}

// add puts an event on its card, and returns that. asked says that something is
// asked about the source, so that words follow an announcement.
func (l *timeline) add(e event.Event, sense string, asked bool, now time.Time) *entry {
	c := l.byID[e.ID]
	if c == nil {
		c = &entry{Card: Card{ID: e.ID, Source: e.Source, Sense: sense, Time: e.Time, Labels: []string{}}}
		if l.byID == nil {
			l.byID = map[string]*entry{}
		}
		l.byID[e.ID] = c
		l.cards = append(l.cards, c)
	}
	c.put(e)
	c.summarise(asked)
	c.Updated = now
	l.changed(c)
	return c
}

// illustrate gives a card its thumbnail.
func (l *timeline) illustrate(c *entry, thumb []byte, size [2]int) {
	c.thumb, c.Thumbnail, c.Size = thumb, true, &size
	l.changed(c)
}

// changed counts a card anew and lets go what is too much.
func (l *timeline) changed(c *entry) {
	l.rev++
	c.Rev = l.rev
	text, _ := json.Marshal(c.Events) // its length stands for its memory
	l.bytes -= c.bytes
	c.bytes = 2*len(text) + len(c.thumb)
	l.bytes += c.bytes
	drop := 0
	for drop < len(l.cards)-1 && (len(l.cards)-drop > l.maxCards || l.bytes > l.maxBytes) {
		old := l.cards[drop]
		l.bytes -= old.bytes
		delete(l.byID, old.ID)
		drop++
	}
	l.cards = slices.Delete(l.cards, 0, drop)
}

// put replaces the event of the same kind and task.
func (c *entry) put(e event.Event) {
	i := slices.IndexFunc(c.Events, func(o event.Event) bool { return o.Kind == e.Kind && o.Task == e.Task })
	events := slices.Clone(c.Events) // others may be reading the old ones
	if i < 0 {
		c.Events = append(events, e)
		return
	}
	if old := events[i]; !words(e.Kind) { // the end of a motion says less than its beginning
		if e.Level == nil {
			e.Level = old.Level
		}
		if e.Sample == "" {
			e.Sample = old.Sample
		}
		if old.Time.Before(e.Time) {
			e.Time = old.Time
		}
	}
	events[i] = e
	c.Events = events
}

// summarise makes of the events what the card says of them.
func (c *entry) summarise(asked bool) {
	kinds, labels := []event.Kind{}, []string{}
	c.Text, c.Why = "", ""
	answered, announced, over := false, false, false
	for _, e := range c.Events {
		if !slices.Contains(kinds, e.Kind) {
			kinds = append(kinds, e.Kind)
		}
		for _, o := range e.Objects {
			if !slices.Contains(labels, o.Label) {
				labels = append(labels, o.Label)
			}
		}
		if e.Text != "" {
			c.Text = e.Text
		}
		if e.Status.Wordless() {
			c.Why = e.Error
		}
		switch {
		case words(e.Kind), e.Status.Wordless():
			answered = true
		case e.Status == event.Announced:
			announced = true
		case e.Kind == event.Sound && e.Status == event.Done:
			over = true // words come when a sound is over
		}
	}
	if c.Text != "" || len(labels) > 0 {
		c.Why = ""
	}
	slices.Sort(labels)
	c.Kinds, c.Labels = kinds, labels
	c.Open = !answered && (announced || over && asked)
}
