package pipeline

import (
	"reflect"
	"slices"

	"sensed/daemon/gate"
)

// Settings are what may change about a source while it works.
type Settings struct {
	Tasks  []Task
	Motion *gate.MotionOpts // as in [Source]
	Speech *gate.SpeechOpts // as in [Source]
}

// Configure changes a source from its next picture or chunk of sound on.
// Questions that wait are asked as they were. It may be called from any
// goroutine, also before Run.
func (p *Pipeline) Configure(source string, n Settings) error {
	s, err := p.source(source)
	if err != nil {
		return err
	}
	changed := s.Source
	changed.Tasks, changed.Motion, changed.Speech = n.Tasks, n.Motion, n.Speech
	if err := changed.check(); err != nil {
		return err
	}
	s.settings.Store(&n)
	return nil
}

// tasks are what is asked about the source at present.
func (s *source) tasks() []Task { return s.settings.Load().Tasks }

// adopt takes over the settings when they have changed.
func (e *eye) adopt() error {
	now := e.s.settings.Load()
	if now == e.settings {
		return nil
	}
	if e.settings == nil || !reflect.DeepEqual(now.Motion, e.settings.Motion) {
		e.motion = nil
		if now.Motion != nil {
			m, err := gate.NewMotion(*now.Motion)
			if err != nil {
				return err
			}
			e.motion = m
		}
	}
	pace := map[string]*gate.Rate{}
	for _, t := range now.Tasks {
		if t.Every <= 0 {
			continue
		}
		if pace[t.Name] = e.pace[t.Name]; pace[t.Name] != nil && !e.paceChanged(t) {
			continue
		}
		r, err := gate.NewRate(gate.RateOpts{Min: t.Every})
		if err != nil {
			return err
		}
		pace[t.Name] = r
	}
	e.pace, e.settings = pace, now
	return nil
}

// paceChanged tells whether a task had another pace before.
func (e *eye) paceChanged(t Task) bool {
	i := slices.IndexFunc(e.settings.Tasks, func(o Task) bool { return o.Name == t.Name })
	return i < 0 || e.settings.Tasks[i].Every != t.Every
}

// adopt takes over the settings when they have changed. What is being said is
// asked about first.
func (e *ear) adopt() error {
	now := e.s.settings.Load()
	if now == e.settings {
		return nil
	}
	e.unfollow() // perhaps it is not asked about any more
	if e.settings == nil || !reflect.DeepEqual(now.Speech, e.settings.Speech) {
		e.hush()
		e.speech = nil
		if now.Speech != nil && !e.s.pushToTalk {
			s, err := gate.NewSpeech(*now.Speech)
			if err != nil {
				return err
			}
			e.speech = s
		}
	}
	e.settings = now
	return nil
}
