package command

import "sensed/daemon/event"

// Source is what commands must know of a source.
type Source struct {
	Name   string
	Camera bool // else a microphone
	Image  bool // its pictures may be published
	Tasks  []event.Task
	// Sensitivity of its gate, 0..1; nil: it has none.
	Sensitivity *float64
}

func (s Source) sense() string {
	if s.Camera {
		return "it is a camera"
	}
	return "it is a microphone"
}

// task returns the first task of a kind.
func (s Source) task(k event.TaskKind) (event.Task, bool) {
	for _, t := range s.Tasks {
		if t.Kind == k {
			return t, true
		}
	}
	return event.Task{}, false
}

func (s Source) has(kinds ...event.TaskKind) bool {
	for _, k := range kinds {
		if _, ok := s.task(k); ok {
			return true
		}
	}
	return false
}
