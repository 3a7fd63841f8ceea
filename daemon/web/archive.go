package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"sensed/daemon/event"
)

// Archive keeps records on disk, within bounds of its own, so that the timeline
// is there again after a restart.
type Archive interface {
	// Append adds a record. It may wait for the disk.
	Append(record []byte) error
	// Records are those that it holds, oldest first.
	Records() iter.Seq[[]byte]
}

const (
	maxUnwritten = 256       // records that wait for the disk
	maxThumbnail = 256 << 10 // bytes
	maxSide      = 1 << 16   // of a picture, in pixels
)

// record is what the archive keeps: an event, or the thumbnail of its card. It is
// written as a line of JSON, which the bytes of the thumbnail follow.
type record struct {
	Time  time.Time    `json:"time"` // when the hub heard of it
	Event *event.Event `json:"event,omitempty"`
	Sense string       `json:"sense,omitempty"` // of the event's source
	Asked bool         `json:"asked,omitempty"` // something is asked about that

	ID    string  `json:"id,omitempty"` // of the card
	Size  *[2]int `json:"size,omitempty"`
	thumb []byte  // JPEG
}

func (r *record) encode() ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), r.thumb...), nil
}

// parseRecord reads what encode wrote.
func parseRecord(data []byte) (r record, err error) {
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return r, errors.New("its first line has no end")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	switch {
	case r.Event != nil && r.Size == nil && len(rest) == 0:
		if !shown(r.Event.Kind) {
			return r, fmt.Errorf("an event of the kind %q has no card", r.Event.Kind)
		}
		return r, r.Event.Validate()
	case r.Event == nil && r.Size != nil && r.ID != "":
		for _, side := range r.Size {
			if side < 1 || side > maxSide {
				return r, fmt.Errorf("a picture of %d by %d pixels is none", r.Size[0], r.Size[1])
			}
		}
		if len(rest) > maxThumbnail || !bytes.HasPrefix(rest, []byte("\xff\xd8")) {
			return r, errors.New("its picture is no JPEG")
		}
		r.thumb = rest
		return r, nil
	}
	return r, errors.New("it is neither an event nor a picture")
}

// cutShort is why there are no words on a card that waited for them when sensed
// ended.
const cutShort = "sensed ended before there were words"

// restore fills the timeline with what the archive holds.
func (h *Hub) restore() {
	bad := 0
	for data := range h.archive.Records() {
		r, err := parseRecord(data)
		if err != nil {
			bad++
			h.log.Debug("a record of the timeline cannot be read", "err", err)
			continue
		}
		if r.Event != nil {
			h.line.add(*r.Event, r.Sense, r.Asked, r.Time)
		} else if c := h.line.byID[r.ID]; c != nil {
			h.line.illustrate(c, r.thumb, *r.Size)
		}
	}
	for _, c := range h.line.cards {
		if c.Open {
			c.Open, c.Why = false, cutShort
		}
	}
	if bad > 0 {
		h.log.Warn("a part of the timeline of earlier cannot be read and is left out", "records", bad)
	}
}

// keep gives a record to the goroutine that writes; nobody waits for the disk.
// The lock is held.
func (h *Hub) keep(r record) {
	if h.archive == nil {
		return
	}
	r.Time = time.Now()
	select {
	case h.records <- r:
	default:
		if !h.slow {
			h.slow = true
			h.log.Warn("the disk is too slow for the timeline; a part of it will not be there after a restart")
		}
	}
}

// write gives a record to the archive.
func (h *Hub) write(r record) {
	data, err := r.encode()
	if err == nil {
		err = h.archive.Append(data)
	}
	if err != nil {
		h.log.Warn("a part of the timeline cannot be kept", "err", err)
	}
}

// writeRest writes what waits.
func (h *Hub) writeRest() {
	for {
		select {
		case r := <-h.records:
			h.write(r)
		default:
			return
		}
	}
}
