package portaudio

import (
	"errors"
	"os"
)

// crowd are the microphones that are open in this process, and what the kernel
// said of the sound cards when PortAudio listed its devices. Like the library,
// of which there is one, it is touched by who holds turn.
type crowd struct {
	open  map[*microphone]bool
	cards string
}

var present = crowd{open: map[*microphone]bool{}}

// errOthers ends a microphone so that another one can be found.
var errOthers = errors.New("other sound devices are there now, and one of them is wanted")

// list notes the sound cards when nobody is there: then the list is made.
func (c *crowd) list(path string) {
	if len(c.open) == 0 {
		c.cards = cards(path)
	}
}

func (c *crowd) enter(m *microphone) { c.open[m] = true }

func (c *crowd) leave(m *microphone) { delete(c.open, m) }

// renew ends those that are open when the list is out of date. They come back
// by themselves, once: then the list is a new one.
func (c *crowd) renew(path string) {
	now := cards(path)
	if now == c.cards {
		return
	}
	c.cards = now
	for m := range c.open {
		select {
		case m.broken <- errOthers:
		default: // it has failed already
		}
	}
}

// cards is what the kernel says of the sound cards; nothing where it has none.
func cards(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}
