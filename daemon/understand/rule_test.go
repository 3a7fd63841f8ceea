package understand

import (
	"fmt"
	"image"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sensed/kernels/gemma4"
)

func TestRules(t *testing.T) {
	official, err := OfficialProfile()
	if err != nil {
		t.Fatal(err)
	}
	small, err := TinyProfile()
	if err != nil {
		t.Fatal(err)
	}
	free := official
	free.Boxes = nil
	tests := []struct {
		name    string
		profile Profile
		task    Task
		want    rule
	}{
		{"labels", official, Task{Kind: Detect, Labels: []string{" Cats ", "dog"}}, rule{Boxes: official.Boxes, Labels: []string{"Cats", "dog"}}},
		{"everything", official, Task{Kind: Detect}, rule{Boxes: official.Boxes}},
		{"point", official, Task{Kind: Point, Labels: []string{"door"}}, rule{Boxes: official.Boxes, Labels: []string{"door"}}},
		{"a model that lists what it knows", small, Task{Kind: Detect, Labels: []string{"zebra"}}, rule{Boxes: small.Boxes, Labels: small.Labels}},
		{"and points so", small, Task{Kind: Point, Labels: []string{"cat"}}, rule{Boxes: small.Boxes, Labels: small.Labels}},
		{"no spelling known", free, Task{Kind: Detect, Labels: []string{"cat"}}, rule{Labels: []string{"cat"}}},
		{"caption", official, Task{Kind: Caption}, rule{}},
		{"schema", official, Task{Kind: Prompt, Prompt: "what?", Schema: `{"type":"null"}`}, rule{Schema: `{"type":"null"}`}},
		{"choices", official, Task{Kind: Prompt, Prompt: "what?", Choices: []string{"yes", "no"}}, rule{Choices: []string{"yes", "no"}}},
	}
	for _, tt := range tests {
		q, err := tt.profile.ask(tt.task, Input{Images: []image.Image{image.NewGray(image.Rect(0, 0, 7, 5))}})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if !reflect.DeepEqual(q.rule, tt.want) {
			t.Errorf("%s: held to %+v, want %+v", tt.name, q.rule, tt.want)
		}
	}
}

// Grammars are compiled once and not kept without bound.
func TestGrammarsAreKept(t *testing.T) {
	var g grammars
	if got, err := g.of(rule{Labels: []string{"a"}}); got != nil || err != nil {
		t.Errorf("no rule: grammar %v, error %v", got, err)
	}
	of := func(r rule) *gemma4.Grammar {
		got, err := g.of(r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	yes := rule{Choices: []string{"yes", "no"}}
	first := of(yes)
	if first == nil || of(yes) != first || of(rule{Choices: []string{"yes"}}) == first {
		t.Error("a grammar is not kept, or for another rule")
	}
	for i := range 5 * maxGrammars {
		of(rule{Choices: []string{fmt.Sprint(i)}})
	}
	if len(g.known) > maxGrammars {
		t.Errorf("%d grammars are kept", len(g.known))
	}
	if _, err := g.of(rule{Schema: `{"type":"date"}`}); err == nil || !strings.Contains(err.Error(), "$.type") {
		t.Errorf("error is %v, want one that names $.type", err)
	}
}

// Each task on each source gets its own last answer for a hint, speech none.
func TestHints(t *testing.T) {
	var replies []gemma4.Reply
	for i := range 8 {
		r := reply(true, []string{"hi"}, 1)
		r.Tokens = []int{i}
		replies = append(replies, r)
	}
	s := &script{replies: replies}
	e := scripted(t, s)
	picture := func(source string) Input {
		return Input{Images: []image.Image{image.NewGray(image.Rect(0, 0, 7, 5))}, Source: source}
	}
	ask := func(task Task, in Input) {
		t.Helper()
		if _, err := e.Understand(t.Context(), task, in); err != nil {
			t.Fatal(err)
		}
	}
	caption, question := Task{Kind: Caption, Name: "caption"}, Task{Kind: Prompt, Name: "ask", Prompt: "what?"}
	ask(caption, picture("door"))                                                  // 0
	ask(caption, picture("yard"))                                                  // 1
	ask(caption, picture("door"))                                                  // 2, hint 0
	ask(question, picture("door"))                                                 // 3
	ask(caption, picture("door"))                                                  // 4, hint 2
	ask(Task{Kind: Transcribe}, Input{Audio: make([]float32, 320), Source: "mic"}) // 5
	ask(Task{Kind: Transcribe}, Input{Audio: make([]float32, 320), Source: "mic"}) // 6
	question.Prompt = "and now?"
	ask(question, picture("door")) // 7
	want := [][]int{nil, nil, {0}, nil, {2}, nil, nil, nil}
	for i, r := range s.asked {
		if !slices.Equal(r.Hint, want[i]) {
			t.Errorf("question %d has the hint %v, want %v", i, r.Hint, want[i])
		}
	}
	for i := range 3 * maxEarlier {
		e.earlier.add(caption, picture(fmt.Sprint(i)), []int{i})
	}
	if n := len(e.earlier.answers); n != maxEarlier {
		t.Errorf("%d answers are kept", n)
	}
	if got := e.earlier.tokens(caption, picture(fmt.Sprint(3*maxEarlier-1))); len(got) != 1 {
		t.Errorf("the newest answer is forgotten: %v", got)
	}
}

// The bundled model finds the same with and without its grammar, on a first
// picture, on the same again and on another.
func TestRulesChangeNoBoxes(t *testing.T) {
	held, free := bundledEngine(t), bundledEngine(t)
	free.profile.Boxes = nil
	for _, name := range []string{"scene1.png", "scene1.png", "scene2.png", "scene0.png", "scene6.png"} {
		in := Input{Images: []image.Image{sampleImage(t, name)}, Source: "camera"}
		a, err := held.Understand(t.Context(), Task{Kind: Detect}, in)
		if err != nil {
			t.Fatal(err)
		}
		b, err := free.Understand(t.Context(), Task{Kind: Detect}, in)
		if err != nil {
			t.Fatal(err)
		}
		if a.Text != b.Text || len(a.Objects) != len(b.Objects) {
			t.Errorf("%s: held to the grammar %q, free %q", name, a.Text, b.Text)
			continue
		}
		for i, o := range a.Objects {
			if d := o.Score - b.Objects[i].Score; d < -0.02 || d > 0.15 {
				t.Errorf("%s: score of %s is %.3f held to the grammar, free %.3f", name, o.Label, o.Score, b.Objects[i].Score)
			}
		}
	}
}

// A model that was never taught to answer so keeps to choices and schemas.
func TestPromptsAreHeld(t *testing.T) {
	e := bundledEngine(t)
	in := Input{Images: []image.Image{sampleImage(t, "scene2.png")}}
	res, err := e.Understand(t.Context(), Task{Kind: Prompt, Prompt: "Is there a cat?", Choices: []string{"yes", "no", "cannot tell"}}, in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains([]string{"yes", "no", "cannot tell"}, res.Text) {
		t.Errorf("answer is %q", res.Text)
	}
	res, err = e.Understand(t.Context(), Task{Kind: Prompt, Prompt: "Count.", Schema: `{"type":"object","properties":{"cats":{"type":"integer","minimum":0,"maximum":9}},"required":["cats"]}`}, in)
	if err != nil {
		t.Fatal(err)
	}
	var cats int
	if n, err := fmt.Sscanf(res.Text, `{"cats": %d}`, &cats); n != 1 || err != nil {
		t.Errorf("answer is %q", res.Text)
	}
	for _, c := range []struct {
		task Task
		want string
	}{
		{Task{Kind: Prompt, Prompt: "?", Schema: `{"type":"string","pattern":"x"}`}, "$.pattern"},
		{Task{Kind: Prompt, Prompt: "?", Schema: `{}`, Choices: []string{"a"}}, "exclude"},
		{Task{Kind: Caption, Choices: []string{"a"}}, "only the kind prompt"},
	} {
		if _, err := e.Understand(t.Context(), c.task, in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want one with %q", err, c.want)
		}
	}
}
