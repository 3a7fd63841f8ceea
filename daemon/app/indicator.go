package app

import (
	"log/slog"
	"sync"

	"sensed/daemon/config"
)

// indicators are the lamps that say which senses are open: that of the
// microphones and that of the cameras.
type indicators struct {
	lamps map[string]*indicator // by the name of the source
	all   []*indicator
}

// newIndicators opens the configured lamps, dark.
func newIndicators(c *config.Config, open func(string) (lamp, error), log *slog.Logger) *indicators {
	i := &indicators{lamps: map[string]*indicator{}}
	for sense, pin := range map[config.Sense]string{config.Hearing: c.LED.Microphone, config.Sight: c.LED.Camera} {
		if pin == "" {
			continue
		}
		one := &indicator{pin: pin, log: log}
		if one.lamp, one.err = open(pin); one.err != nil {
			log.Warn("going on without the LED that shows what is open", "pin", pin, "err", one.err)
		}
		i.all = append(i.all, one)
		for _, s := range c.Sources {
			if s.Device.Sense() == sense {
				i.lamps[s.Name] = one
			}
		}
	}
	return i
}

// opened is told that the device of a source was opened or closed. It returns
// when the lamp shows it.
func (i *indicators) opened(source string, open bool) {
	if l := i.lamps[source]; l != nil {
		l.opened(open)
	}
}

// close turns the lamps off.
func (i *indicators) close() {
	for _, l := range i.all {
		l.close()
	}
}

// indicator is one lamp, lit while any of its devices is open.
type indicator struct {
	pin string
	log *slog.Logger

	mu   sync.Mutex
	lamp lamp // nil after err
	err  error
	open int // devices
}

func (l *indicator) opened(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.open++
	} else {
		l.open--
	}
	if l.err != nil {
		return
	}
	if l.err = l.lamp.Set(l.open > 0); l.err != nil {
		l.log.Warn("the LED that shows what is open fails, going on without it", "pin", l.pin, "err", l.err)
	}
}

func (l *indicator) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lamp == nil {
		return
	}
	if err := l.lamp.Halt(); err != nil {
		l.log.Warn("the LED could not be given back", "pin", l.pin, "err", err)
	}
}
