package gemma4

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sensed/deploy/models/tiny"
)

// plainly answers a request by the book: one token at a time, all logits, with
// those that the grammar forbids masked. It is what every answer is held
// against.
func plainly(t *testing.T, m *Model, r Request) Reply {
	t.Helper()
	ctx := context.Background()
	prompt, err := m.Prompt(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	s := m.NewSession()
	defer s.Close()
	if err := s.Append(ctx, prompt.Spans...); err != nil {
		t.Fatal(err)
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = defaultMaxTokens
	}
	var rule *matcher
	var state int32
	if r.Grammar != nil {
		if rule, err = newMatcher(r.Grammar, m.words, newWordList(m.words), []int{m.control.endTurn, m.control.eos, m.control.toolResponse}); err != nil {
			t.Fatal(err)
		}
		state = rule.start
	}
	reply := Reply{PromptTokens: len(prompt.IDs)}
	full := func() bool {
		return len(reply.Tokens) == r.MaxTokens || len(prompt.IDs)+len(reply.Tokens) > m.context
	}
	put := func(id int, p float64) {
		reply.Tokens, reply.Probs = append(reply.Tokens, id), append(reply.Probs, p)
		if rule != nil {
			if state = rule.next(state, id); state == deadState {
				t.Fatalf("%q leads nowhere", m.words.Decode(reply.Tokens))
			}
		}
		if len(prompt.IDs)+len(reply.Tokens) > m.context {
			return
		}
		if err := s.Append(ctx, Span{IDs: []int{id}}); err != nil {
			t.Fatal(err)
		}
	}
	choose := newSampler(r.Sampling, m.parallel)
	for {
		var allowed []int32
		if rule != nil {
			ids, _, ends := rule.forced(state, reply.Tokens)
			for _, id := range ids {
				if full() {
					return reply
				}
				put(id, 1)
			}
			if ends {
				reply.Stopped = true
				return reply
			}
			allowed = rule.choices(state)
		}
		if full() {
			return reply
		}
		l := slices.Clone(logits(t, s))
		if allowed != nil {
			for id := range l {
				if !slices.Contains(allowed, int32(id)) {
					l[id] = negativeInfinity
				}
			}
		}
		id, p, err := choose.next(l)
		if err != nil {
			t.Fatal(err)
		}
		if m.control.stops(id) {
			reply.Stopped = true
			return reply
		}
		put(id, p)
	}
}

// sameAnswer wants the answer that plain writing gives, token by token and bit
// by bit.
func sameAnswer(t *testing.T, what string, got, want Reply, bits bool) {
	t.Helper()
	if !slices.Equal(got.Tokens, want.Tokens) || got.Stopped != want.Stopped {
		t.Errorf("%s: tokens %v, stopped %v; want %v, %v", what, got.Tokens, got.Stopped, want.Tokens, want.Stopped)
		return
	}
	for i, p := range got.Probs {
		if d := p - want.Probs[i]; bits && d != 0 || d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: probability %d is %v, want %v", what, i, p, want.Probs[i])
			return
		}
	}
}

// hints are good, useless and harmful ones for an answer.
func hints(m *Model, right []int, rng *rand.Rand) map[string][]int {
	wrong := make([]int, len(right)+5)
	for i := range wrong {
		wrong[i] = rng.IntN(m.text.vocab)
	}
	mixed := slices.Clone(right)
	for i := range mixed {
		if rng.IntN(4) == 0 {
			mixed[i] = rng.IntN(m.text.vocab)
		}
	}
	stop := m.control.endTurn
	return map[string][]int{
		"none": nil, "right": right, "wrong": wrong, "mixed": mixed,
		"too long":         slices.Concat(right, right, right, right),
		"too short":        right[:len(right)/2],
		"begins elsewhere": slices.Concat(wrong[:2], right),
		"stops":            slices.Concat(right[:len(right)/2], []int{stop}, right[len(right)/2:]),
		"only stops":       {stop, stop, m.control.eos},
		"no tokens":        {-1, m.text.vocab, 1 << 40},
	}
}

// steady is a pace that never changes; a slope of 0 lets guesses run as far as
// they can.
func steady(m *Model, slope float64) {
	m.pace = pace{fixed: true, started: true, slope: slope, draft: 0.05, hint: usualHint}
}

// Guesses of any kind leave a greedy answer as it is, to the last bit of its
// probabilities, under a grammar too.
func TestGuessesChangeNothing(t *testing.T) {
	free, err := Schema([]byte(`{"type":"array","items":{"type":"string","maxLength":9}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, shape := range testShapes {
		for _, batch := range []int{0, 1, 3} {
			m := shape.build(11).open(t, Options{Batch: batch})
			for _, g := range []*Grammar{nil, free} {
				for _, length := range []int{1, 2, 23, 200} {
					r := Request{MaxTokens: length, Parts: []Part{{Text: "abc abc abc"}}, Grammar: g}
					want := plainly(t, m, r)
					for _, slope := range []float64{0, 0.1} {
						steady(m, slope)
						for kind, hint := range hints(m, want.Tokens, rand.New(rand.NewPCG(1, 2))) {
							r.Hint = hint
							got := ask(t, m, r)
							sameAnswer(t, name+", hint "+kind, got, want, g == nil)
							if w := got.Work; w.Accepted > w.Drafted || slope == 0 && batch == 0 && g == nil && kind == "right" && length == 23 && w.Accepted < 20 {
								t.Errorf("%s, hint %s: %+v", name, kind, w)
							}
						}
					}
				}
			}
		}
	}
}

// The bundled model answers all of its samples alike, with the answer itself
// and that about another sample for a hint.
func TestGuessesChangeNothingAboutSamples(t *testing.T) {
	m := bundled(t, Options{})
	caption, detect, transcribe := bundledPrompts(t)
	boxes := tinyBoxes(t)
	var samples map[string]any
	if err := json.Unmarshal(readBundled(t, tiny.Expected), &samples); err != nil || len(samples) == 0 {
		t.Fatalf("%d samples: %v", len(samples), err)
	}
	var last Reply
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		var questions []Request
		if strings.HasSuffix(name, ".wav") {
			sound := Part{Audio: parseWAV(t, name, readBundled(t, tiny.Samples+"/"+name))}
			questions = []Request{{Parts: []Part{sound, {Text: transcribe}}}}
		} else {
			picture := Part{Image: bundledImage(t, name)}
			questions = []Request{
				{Parts: []Part{picture, {Text: caption}}},
				{Parts: []Part{picture, {Text: detect}}},
				{Parts: []Part{picture, {Text: detect}}, Grammar: boxes},
			}
		}
		for _, r := range questions {
			r.ImageTokens = 70
			want := plainly(t, m, r)
			for kind, hint := range map[string][]int{"none": nil, "itself": want.Tokens, "another": last.Tokens} {
				r.Hint = hint
				got := ask(t, m, r)
				sameAnswer(t, name+", hint "+kind, got, want, r.Grammar == nil)
			}
			steady(m, 0.1)
			r.Hint = want.Tokens
			if got, n := ask(t, m, r).Work, len(want.Tokens); got.Passes > 2+n/6 {
				t.Errorf("%s: %d passes for %d tokens that were all known", name, got.Passes, n)
			}
			m.pace = pace{}
			last = want
		}
	}
}

// So do those of a drafter, with and without a grammar.
func TestDrafterChangesNothing(t *testing.T) {
	word, err := Schema([]byte(`{"type":"object","properties":{"a":{"type":"string","maxLength":20}},"required":["a"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, shape := range testShapes {
		m := shape.build(11).open(t, Options{})
		if err := m.AddDrafter(shape.buildDrafter(5).parse(t)); err != nil {
			t.Fatal(err)
		}
		steady(m, 0.01)
		drafted := 0
		for _, g := range []*Grammar{nil, word} {
			for _, text := range []string{"abc", "xyz 123", "q"} {
				r := Request{MaxTokens: 30, Parts: []Part{{Text: text}}, Grammar: g}
				got := ask(t, m, r)
				sameAnswer(t, name+" with a drafter", got, plainly(t, m, r), g == nil)
				drafted += got.Work.Drafted
			}
		}
		if drafted == 0 {
			t.Errorf("%s: the drafter guessed nothing", name)
		}
	}
}

// Answers at the same time may share a grammar.
func TestSharedGrammar(t *testing.T) {
	m := bundled(t, Options{})
	g := tinyBoxes(t)
	_, detect, _ := bundledPrompts(t)
	r := Request{ImageTokens: 70, Parts: []Part{{Image: bundledImage(t, "scene2.png")}, {Text: detect}}, Grammar: g}
	want := ask(t, m, r)
	done := make(chan error)
	for range 4 {
		go func() {
			got, err := m.Generate(context.Background(), r)
			if err == nil && !slices.Equal(got.Tokens, want.Tokens) {
				err = errors.New("another answer: " + got.Text)
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A guess that does not pay is not made.
func TestDearPassesAreNotGuessed(t *testing.T) {
	m := writes(t, strings.Split("abcdefghijklmnopqrstuvwxyz", "")...)
	hint := m.words.Encode("abcdefghijklmnopqrstuvwxyz", false)
	steady(m, 1)
	if r := ask(t, m, Request{MaxTokens: 20, Hint: hint}); r.Work.Drafted > 0 || r.Work.Passes != 19 {
		t.Errorf("with a batch of two at twice the price: %+v", r.Work)
	}
	steady(m, 0)
	if r := ask(t, m, Request{MaxTokens: 20, Hint: hint}); r.Work.Passes > 2 || r.Work.Accepted < 18 {
		t.Errorf("with batches for nothing: %+v", r.Work)
	}
	if r := ask(t, m, Request{MaxTokens: 20, Hint: hint, Plain: true}); r.Work.Drafted > 0 {
		t.Errorf("plainly: %+v", r.Work)
	}
	if r := ask(t, m, Request{MaxTokens: 20, Hint: hint, Sampling: Sampling{Temperature: 1}}); r.Work.Drafted > 0 {
		t.Errorf("by chance: %+v", r.Work)
	}
}

// Wherever an answer with guesses is cancelled, what was written until then is
// the beginning of the whole.
func TestCancelWhileGuessing(t *testing.T) {
	m := likeE2B.build(11).open(t, Options{})
	steady(m, 0.1)
	r := Request{MaxTokens: 30, Parts: []Part{{Text: "abc"}}}
	want := plainly(t, m, r)
	r.Hint = hints(m, want.Tokens, rand.New(rand.NewPCG(3, 4)))["mixed"]
	partly := 0
	for after := 0; ; after++ {
		got, err := m.Generate(&countdown{context.Background(), after}, r)
		if err == nil {
			sameAnswer(t, "in the end", got, want, true)
			break
		}
		if !errors.Is(err, context.Canceled) || !slices.Equal(got.Tokens, want.Tokens[:len(got.Tokens)]) {
			t.Fatalf("after %d: %v, error %v", after, got.Tokens, err)
		}
		if len(got.Tokens) > 0 {
			partly++
		}
	}
	if partly < 10 {
		t.Errorf("only %d cancellations came while writing", partly)
	}
	sameAnswer(t, "afterwards", ask(t, m, r), want, true)
}

func TestFollowing(t *testing.T) {
	text := []int{1, 2, 3, 4, 9, 2, 3, 5, 9, 2, 3, 6}
	cases := []struct {
		written     []int
		least, near int
		want        int
	}{
		{[]int{2, 3}, 2, 0, 4},
		{[]int{2, 3}, 2, 7, 5},
		{[]int{2, 3}, 2, 12, 6},
		{[]int{9, 2, 3}, 2, 0, 5},
		{[]int{1, 2, 3}, 2, 12, 4},
		{[]int{3, 2}, 2, 0, -1},
		{[]int{8, 3}, 1, 0, 4},
		{nil, 1, 0, -1},
		{[]int{3, 6}, 1, 0, -1}, // nothing is behind the end
	}
	for _, c := range cases {
		if got := following(text, c.written, c.least, c.near); got != c.want {
			t.Errorf("behind %v, near %d: %d, want %d", c.written, c.near, got, c.want)
		}
	}
}

// The pace learns what passes cost and is not put off by nonsense.
func TestPace(t *testing.T) {
	var p pace
	if c := p.cost(5); c != 1+4*usualSlope {
		t.Errorf("5 positions cost %g", c)
	}
	p.passed(9, 1000) // before anything is known of one
	for range 100 {
		p.passed(1, 1000)
		p.passed(9, 1800)
		p.guessed(4, 200)
	}
	if c := p.cost(11); c < 1.99 || c > 2.01 {
		t.Errorf("11 positions cost %g, want 2", c)
	}
	if c := p.guessCost(); c < 0.049 || c > 0.051 {
		t.Errorf("a guess costs %g, want 0.05", c)
	}
	for range 100 {
		p.hinted(3, 10)
		p.hinted(0, 0)
	}
	if h := p.hintRate(); h < 0.29 || h > 0.31 {
		t.Errorf("a hint is right at %g, want 0.3", h)
	}
	for range 100 {
		p.passed(2, 1)
		p.passed(3, 0)
	}
	if c := p.cost(2); c < 1 {
		t.Errorf("two positions cost %g, less than one", c)
	}
}

// BenchmarkGuessing compares an answer with its own repetition as a hint with
// plain writing, in the same run.
func BenchmarkGuessing(b *testing.B) {
	m := bundled(b, Options{})
	_, detect, _ := bundledPrompts(b)
	r := Request{ImageTokens: 70, Parts: []Part{{Image: bundledImage(b, "scene2.png")}, {Text: detect}}}
	var plain, guessed Reply
	var plainTime, time float64
	for b.Loop() {
		r.Hint, r.Plain = nil, true
		plain, _ = m.Generate(b.Context(), r)
		plainTime += plain.Timing.Decode.Seconds()
		r.Hint, r.Plain = plain.Tokens, false
		guessed, _ = m.Generate(b.Context(), r)
		time += guessed.Timing.Decode.Seconds()
	}
	if !slices.Equal(plain.Tokens, guessed.Tokens) {
		b.Error("the answers differ")
	}
	b.ReportMetric(float64(plain.Work.Passes), "plain-passes")
	b.ReportMetric(float64(guessed.Work.Passes), "passes")
	b.ReportMetric(plainTime/time, "times-faster")
}
