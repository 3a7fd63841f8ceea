package understand

import (
	"encoding/json"
	"fmt"
	"strings"

	"sensed/kernels/gemma4"
)

// maxBoxes is how many objects an answer lists at most: about as many as fit
// into boxTokens in the longest spelling.
const maxBoxes = 25

// rule is what an answer is held to; the zero value is nothing. Of its fields
// one is set, labels belong to boxes.
type rule struct {
	Boxes   []gemma4.BoxForm
	Labels  []string // none: any
	Schema  string
	Choices []string
}

// rule says what the answer to a task is held to. Lists of boxes are held to
// the labels that the model is asked for; a model whose prompt names no labels
// lists what it sees, and the answer is sorted afterwards.
func (p Profile) rule(t Task, labels []string) rule {
	switch t.Kind {
	case Detect, Point:
		named := strings.Contains(p.Prompts.Detect, "{labels}")
		if t.Kind == Point && p.Prompts.Point != "" {
			named = true
		}
		if !named || len(labels) == 0 {
			labels = p.Labels
		}
		return rule{Boxes: p.Boxes, Labels: labels}
	case Prompt:
		return rule{Schema: t.Schema, Choices: t.Choices}
	}
	return rule{}
}

// CheckRule returns an error that says what is wrong with the schema or the
// choices of a task.
func CheckRule(t Task) error {
	var g grammars
	_, err := g.of(rule{Schema: t.Schema, Choices: t.Choices})
	return err
}

// grammars keeps what was compiled for the rules used of late: a grammar gets
// faster with each answer that it saw.
type grammars struct{ known map[string]*gemma4.Grammar }

// maxGrammars bounds the grammars that are kept.
const maxGrammars = 16

// of returns the grammar of a rule, nil for one that demands nothing.
func (g *grammars) of(r rule) (*gemma4.Grammar, error) {
	if len(r.Boxes) == 0 && r.Schema == "" && len(r.Choices) == 0 {
		return nil, nil
	}
	key, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if known, ok := g.known[string(key)]; ok {
		return known, nil
	}
	var made *gemma4.Grammar
	switch {
	case len(r.Boxes) > 0:
		made, err = gemma4.Boxes(r.Labels, maxBoxes, r.Boxes...)
	case r.Schema != "":
		made, err = gemma4.Schema([]byte(r.Schema))
	default:
		made, err = gemma4.OneOf(r.Choices...)
	}
	if err != nil {
		return nil, fmt.Errorf("what the answer is held to: %w", err)
	}
	if g.known == nil || len(g.known) >= maxGrammars {
		g.known = map[string]*gemma4.Grammar{}
	}
	g.known[string(key)] = made
	return made, nil
}
