package understand

import "slices"

// earlier are the last answers, by task and source, in the model's tokens: what
// a camera shows changes little from one picture to the next, so the answer
// about the last one lets the model guess much of the next.
//
// Speech is not repeated; transcripts and translations are not kept.
type earlier struct {
	answers []earlierAnswer // the newest first
}

type earlierAnswer struct {
	about  topic
	tokens []int
}

// topic is what two answers have in common that resemble each other.
type topic struct {
	kind         Kind
	task, source string
	words        string // a prompt that differs asks for something else
}

// maxEarlier bounds the answers that are kept: of a handful of cameras with a
// handful of tasks each.
const maxEarlier = 64

func topicOf(t Task, in Input) (about topic, repeats bool) {
	return topic{t.Kind, t.Name, in.Source, t.Prompt}, t.Kind != Transcribe && t.Kind != Translate
}

// tokens returns the last answer about the same, nil when there is none.
func (e *earlier) tokens(t Task, in Input) []int {
	about, repeats := topicOf(t, in)
	if !repeats {
		return nil
	}
	for _, a := range e.answers {
		if a.about == about {
			return a.tokens
		}
	}
	return nil
}

// add keeps an answer in place of the last one about the same, or of the one
// that is oldest.
func (e *earlier) add(t Task, in Input, tokens []int) {
	about, repeats := topicOf(t, in)
	if !repeats {
		return
	}
	e.answers = slices.DeleteFunc(e.answers, func(a earlierAnswer) bool { return a.about == about })
	e.answers = slices.Insert(e.answers, 0, earlierAnswer{about, tokens})
	e.answers = e.answers[:min(len(e.answers), maxEarlier)]
}
