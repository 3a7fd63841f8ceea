package gemma4

import (
	"context"
	"errors"
	"image"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// writes opens a model that answers every prompt with the tokens.
func writes(t *testing.T, tokens ...string) *Model {
	t.Helper()
	words := scripted(nil).open(t, Options{}).words
	return scripted(script(t, words, tokens...)).open(t, Options{})
}

func ask(t *testing.T, m *Model, r Request) Reply {
	t.Helper()
	reply, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAnswers(t *testing.T) {
	cases := map[string]struct {
		tokens []string
		text   string
		pieces []string // as they are streamed
		stop   bool
		n      int // tokens of the answer
	}{
		"stops at the end of the turn": {[]string{"h", "i", "<turn|>"}, "hi", []string{"h", "i"}, true, 2},
		"stops at the end of the text": {[]string{"h", "i", "<eos>"}, "hi", []string{"h", "i"}, true, 2},
		"stops at a tool's response":   {[]string{"h", "i", "<|tool_response>"}, "hi", []string{"h", "i"}, true, 2},
		"empty":                        {[]string{"<turn|>"}, "", nil, true, 0},
		"space":                        {[]string{"a", "▁", "b", "<turn|>"}, "a b", []string{"a", " ", "b"}, true, 3},
		"thinking": {[]string{"<|channel>", "t", "h", "<0xC3>", "<channel|>", "o", "k", "<turn|>"},
			"ok", []string{"o", "k"}, true, 7},
		"thinking in between":               {[]string{"a", "<|channel>", "t", "<channel|>", "b", "<turn|>"}, "ab", []string{"a", "b"}, true, 5},
		"thinking to the end":               {[]string{"a", "<|channel>", "t", "<turn|>"}, "a", []string{"a"}, true, 3},
		"other control tokens are left out": {[]string{"a", "<|image>", "<pad>", "b", "<turn|>"}, "ab", []string{"a", "b"}, true, 4},
		"characters of several bytes": {[]string{"<0xF0>", "<0x9F>", "<0x99>", "<0x82>", "é", "<0xC3>", "<0x9C>", "<turn|>"},
			"🙂éÜ", []string{"🙂", "é", "Ü"}, true, 7},
		"broken bytes": {[]string{"<0xF0>", "<0x9F>", "a", "<0x80>", "<0xC3>", "<turn|>"},
			"\ufffd\ufffda\ufffd\ufffd", []string{"\ufffd\ufffda", "\ufffd", "\ufffd"}, true, 5},
		"broken bytes before a control token": {[]string{"<0xF0>", "<|image>", "a", "<turn|>"}, "\ufffda", []string{"\ufffd", "a"}, true, 3},
	}
	for name, c := range cases {
		m := writes(t, c.tokens...)
		var pieces []string
		r := ask(t, m, Request{Parts: []Part{{Text: "go"}}, OnText: func(s string) { pieces = append(pieces, s) }})
		if r.Text != c.text || !slices.Equal(pieces, c.pieces) || r.Stopped != c.stop || len(r.Tokens) != c.n {
			t.Errorf("%s: %q in pieces %q, stopped %v after %d tokens; want %q in %q, %v, %d",
				name, r.Text, pieces, r.Stopped, len(r.Tokens), c.text, c.pieces, c.stop, c.n)
		}
		if len(r.Pieces) != c.n || len(r.Probs) != c.n {
			t.Errorf("%s: %d pieces and %d probabilities for %d tokens", name, len(r.Pieces), len(r.Probs), c.n)
		}
	}
}

func TestProbabilities(t *testing.T) {
	words := scripted(nil).open(t, Options{}).words
	id := func(s string) int {
		n, ok := words.ID(s)
		if !ok {
			t.Fatal(s)
		}
		return n
	}
	m := scripted(map[int]map[int]float64{
		id("\n"): {id("a"): 2, id("b"): 1},
		id("a"):  {id("<turn|>"): 20},
		id("b"):  {id("<turn|>"): 20},
	}).open(t, Options{})
	want := 1 / (1 + math.Exp(-1))
	r := ask(t, m, Request{})
	if r.Text != "a" || math.Abs(r.Probs[0]-want) > 1e-5 {
		t.Errorf("%q with probability %g, want a with %g", r.Text, r.Probs[0], want)
	}
	// Sampling asks for both, each with its own probability.
	seen := map[string]int{}
	for seed := range uint64(200) {
		r := ask(t, m, Request{Sampling: Sampling{Temperature: 1, TopP: 0.95, TopK: 64, Seed: seed}})
		seen[r.Text]++
		p := want
		if r.Text == "b" {
			p = 1 - want
		}
		if math.Abs(r.Probs[0]-p) > 1e-5 {
			t.Errorf("%q with probability %g, want %g", r.Text, r.Probs[0], p)
		}
		if again := ask(t, m, Request{Sampling: Sampling{Temperature: 1, TopP: 0.95, TopK: 64, Seed: seed}}); again.Text != r.Text {
			t.Errorf("seed %d wrote %q, then %q", seed, r.Text, again.Text)
		}
	}
	if a := seen["a"]; seen["a"]+seen["b"] != 200 || a < 120 || a > 172 { // 146 +- 4 sigma
		t.Errorf("200 answers: %v, want about 146 a and 54 b", seen)
	}
}

func TestLimits(t *testing.T) {
	long := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	m := writes(t, long...)
	if r := ask(t, m, Request{MaxTokens: 5}); r.Text != "abcde" || r.Stopped {
		t.Errorf("at most 5 tokens: %q, stopped %v", r.Text, r.Stopped)
	}
	// bos, turn, "user\n", end of turn, "\n", turn, "model\n": 16 tokens.
	words := scripted(nil).open(t, Options{}).words
	file := scripted(script(t, words, long...))
	m = file.open(t, Options{Context: 20})
	r := ask(t, m, Request{})
	if r.PromptTokens != 16 || r.Text != "abcde" || r.Stopped {
		t.Errorf("a context of 20: %d tokens of prompt, %q, stopped %v", r.PromptTokens, r.Text, r.Stopped)
	}
	_, err := m.Generate(context.Background(), Request{Parts: []Part{{Text: "long"}}})
	if !errors.Is(err, ErrContext) || !strings.Contains(err.Error(), "20 tokens long") {
		t.Errorf("a prompt of 20 tokens in a context of 20: %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	blind := writes(t, "a")
	seeing := bundled(t, Options{Context: 200})
	picture := image.NewGray(image.Rect(0, 0, 64, 48))
	frames := func(n int) []VideoFrame {
		out := make([]VideoFrame, n)
		for i := range out {
			out[i] = VideoFrame{time.Duration(i) * time.Second, picture}
		}
		return out
	}
	cases := map[string]struct {
		m    *Model
		r    Request
		want string
	}{
		"temperature":     {blind, Request{Sampling: Sampling{Temperature: -1}}, "temperature"},
		"negative length": {blind, Request{MaxTokens: -1}, "-1 tokens"},
		"budget":          {seeing, Request{ImageTokens: 100}, "100 soft tokens"},
		"no projector":    {blind, Request{Parts: []Part{{Image: picture}}}, "without a projector"},
		"no ears":         {blind, Request{Parts: []Part{{Audio: make([]float32, 16000)}}}, "without a projector"},
		"two in one part": {seeing, Request{Parts: []Part{{Text: "x", Image: picture}}}, "part 1 of the request"},
		"long sound":      {seeing, Request{Parts: []Part{{Text: "x"}, {Audio: make([]float32, 31*16000)}}}, "31.0 s of sound"},
		"long video":      {seeing, Request{Parts: []Part{{Video: frames(61)}}}, "61 video frames"},
		"too much video":  {seeing, Request{Parts: []Part{{Video: frames(4)}}}, "the context holds 200"},
		"no frame":        {seeing, Request{Parts: []Part{{Video: []VideoFrame{{}}}}}, "video frame 1"},
		"empty picture":   {seeing, Request{Parts: []Part{{Image: image.NewGray(image.Rectangle{})}}}, "part 1 of the request"},
	}
	for name, c := range cases {
		_, err := c.m.Generate(context.Background(), c.r)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not contain %q", name, err, c.want)
		}
	}
}

func TestCancelWhileWriting(t *testing.T) {
	m := writes(t, strings.Split("abcdefghijklmnopqrstuvwxyz", "")...)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := m.Generate(ctx, Request{OnText: func(s string) {
		if s == "c" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || r.Text != "abc" {
		t.Errorf("%q and error %v, want abc and a cancellation", r.Text, err)
	}
	if _, err := m.Generate(ctx, Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is cancelled from the start: %v", err)
	}
	if r := ask(t, m, Request{MaxTokens: 3}); r.Text != "abc" {
		t.Errorf("the next answer is %q", r.Text)
	}
}

// Answers that are asked for at the same time do not mix.
func TestConcurrentAnswers(t *testing.T) {
	m := bundled(t, Options{})
	question := func(i int) Request {
		return Request{MaxTokens: 8, Parts: []Part{{Text: strings.Repeat("word ", i+1)}}}
	}
	var want []Reply
	for i := range 4 {
		want = append(want, ask(t, m, question(i)))
	}
	done := make(chan error)
	for i := range 4 {
		go func() {
			r, err := m.Generate(context.Background(), question(i))
			if err == nil && !slices.Equal(r.Tokens, want[i].Tokens) {
				err = errors.New("answer " + r.Text + " differs from " + want[i].Text)
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

// A prompt of ids takes the media's soft tokens in its places.
func TestSpans(t *testing.T) {
	m := likeE2B.build(1).open(t, Options{})
	id := func(s string) int { n, _ := m.words.ID(s); return n }
	img, aud, w := id("<|image|>"), id("<|audio|>"), m.Width()
	a, b := make([]float32, 2*w), make([]float32, w)
	got, err := m.Spans([]int{2, img, img, 50, 51, aud}, a, b)
	if err != nil || len(got) != 4 || !slices.Equal(got[0].IDs, []int{2}) || len(got[1].Soft) != 2*w || !slices.Equal(got[2].IDs, []int{50, 51}) || len(got[3].Soft) != w {
		t.Errorf("spans %v, error %v", got, err)
	}
	for name, media := range map[string][][]float32{"too few": {a}, "too many": {a, b, b}, "wrong lengths": {b, a}} {
		if _, err := m.Spans([]int{2, img, img, 50, 51, aud}, media...); err == nil {
			t.Errorf("%s media: no error", name)
		}
	}
	// By themselves such ids are read as padding, as the reference does.
	s, padded := m.NewSession(), m.NewSession()
	if err := errors.Join(s.Append(context.Background(), Span{IDs: []int{2, img, aud, 50}}), padded.Append(context.Background(), Span{IDs: []int{2, 0, 0, 50}})); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logits(t, s), logits(t, padded)) {
		t.Error("a placeholder without its medium is not read as padding")
	}
}
