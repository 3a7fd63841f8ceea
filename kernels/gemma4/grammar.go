package gemma4

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Grammar is a set of texts that an answer is held to ([Request.Grammar]): the
// model chooses only among tokens that lead to one of them. It is made by
// [OneOf], [Boxes], [Schema] or [ToolCalls], never changes, and may be used by
// several requests at once.
//
// An answer under a grammar does not think, and ends where the grammar does.
// Text that has no alternative is not chosen token by token but written at
// once, with probability 1; of the others the probability is the model's among
// the tokens that the grammar allows there.
type Grammar struct {
	root *expr

	mu    sync.Mutex
	spare *matcher // of the last answer, with all that it found out
	owner *Model   // whose vocabulary it is for
}

// Limits of a grammar.
const (
	maxChoices     = 4096
	maxChoiceBytes = 4096
)

// OneOf is the grammar of an answer that is one of the texts to the letter.
func OneOf(texts ...string) (*Grammar, error) {
	if len(texts) == 0 || len(texts) > maxChoices {
		return nil, fmt.Errorf("gemma4: a choice of %d answers; 1 to %d are possible", len(texts), maxChoices)
	}
	var parts []*expr
	for _, t := range texts {
		switch {
		case t == "":
			return nil, errors.New("gemma4: one of the answers to choose from is empty")
		case len(t) > maxChoiceBytes || !utf8.ValidString(t):
			return nil, fmt.Errorf("gemma4: the answer %.40q to choose is no text of at most %d bytes", t, maxChoiceBytes)
		}
		parts = append(parts, lit(t))
	}
	return &Grammar{root: either(parts...)}, nil
}

// BoxForm is how a model spells a list of boxes. Object holds each of {y1},
// {x1}, {y2} and {x2} once, which are whole numbers 0..1000, and {label}, all
// between other text:
//
//	{"box_2d": [{y1}, {x1}, {y2}, {x2}], "label": "{label}"}
type BoxForm struct {
	// Open, Between and Close stand around the objects; Empty is the answer
	// without any.
	Open    string `json:"open"`
	Object  string `json:"object"`
	Between string `json:"between"`
	Close   string `json:"close"`
	Empty   string `json:"empty"`
}

// boxNumbers are the places of an object.
var boxNumbers = [...]string{"{y1}", "{x1}", "{y2}", "{x2}"}

// Check returns an error that names what is wrong with the form.
func (f BoxForm) Check() error {
	for _, p := range append([]string{"{label}"}, boxNumbers[:]...) {
		if strings.Count(f.Object, p) != 1 {
			return fmt.Errorf("object is %q and should hold %s once", f.Object, p)
		}
	}
	for name, text := range map[string]string{"open": f.Open, "between": f.Between, "close": f.Close, "empty": f.Empty} {
		if text == "" {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for _, text := range []string{f.Open, f.Object, f.Between, f.Close, f.Empty} {
		if len(text) > maxChoiceBytes || !utf8.ValidString(text) {
			return fmt.Errorf("%.40q is no text of at most %d bytes", text, maxChoiceBytes)
		}
	}
	return nil
}

// maxLabelRunes bounds a label that the model is free to choose.
const maxLabelRunes = 48

// Boxes is the grammar of a list of at most the given number of boxes with
// labels of the list, of any label when there are none. With several forms the
// model chooses one and keeps to it.
func Boxes(labels []string, most int, forms ...BoxForm) (*Grammar, error) {
	if most < 1 || len(forms) == 0 || len(labels) > maxChoices {
		return nil, fmt.Errorf("gemma4: a list of at most %d boxes in %d forms with %d labels makes no sense", most, len(forms), len(labels))
	}
	label := repeat(plainCharacter(), 1, maxLabelRunes)
	if len(labels) > 0 {
		var parts []*expr
		for _, l := range labels {
			quoted, err := quote(l)
			if err != nil || l == "" {
				return nil, fmt.Errorf("gemma4: the label %.40q is no text", l)
			}
			parts = append(parts, lit(quoted[1:len(quoted)-1]))
		}
		label = either(parts...)
	}
	number := wholeNumber(0, 1000)
	var all []*expr
	for i, f := range forms {
		if err := f.Check(); err != nil {
			return nil, fmt.Errorf("gemma4: form %d of the boxes: %w", i+1, err)
		}
		object := f.object(number, label)
		list := seq(lit(f.Open), object, repeat(seq(lit(f.Between), object), 0, most-1), lit(f.Close))
		all = append(all, lit(f.Empty), list)
	}
	return &Grammar{root: either(all...)}, nil
}

// object puts numbers and label into their places.
func (f BoxForm) object(number, label *expr) *expr {
	type place struct {
		at, length int
		e          *expr
	}
	places := []place{{strings.Index(f.Object, "{label}"), len("{label}"), label}}
	for _, p := range boxNumbers {
		places = append(places, place{strings.Index(f.Object, p), len(p), number})
	}
	slices.SortFunc(places, func(a, b place) int { return a.at - b.at })
	var parts []*expr
	at := 0
	for _, p := range places {
		parts = append(parts, lit(f.Object[at:p.at]), p.e)
		at = p.at + p.length
	}
	return seq(append(parts, lit(f.Object[at:]))...)
}

// matcher returns one that is at its start, for one answer of the model.
func (g *Grammar) matcher(m *Model) (*matcher, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.spare; x != nil && g.owner == m {
		g.spare = nil
		return x, nil
	}
	return newMatcher(g, m.words, m.wordList(), []int{m.control.endTurn, m.control.eos, m.control.toolResponse})
}

// giveBack keeps what a matcher found out for the next answer.
func (g *Grammar) giveBack(m *Model, x *matcher) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !x.worn() {
		g.spare, g.owner = x, m
	}
}

// wordList returns the vocabulary as grammars need it, made when the first one
// does.
func (m *Model) wordList() *wordList {
	m.listOnce.Do(func() { m.list = newWordList(m.words) })
	return m.list
}
