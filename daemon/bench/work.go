package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// work is one thing that is measured.
type work struct {
	name string // its group, which --only may name too, and what tells it from the rest of the group
	what string // for people
	// count says how many units one run handles; 0: no rate is told.
	count int
	unit  string
	// fresh work gets a model that was opened for this run.
	fresh bool
	run   func(ctx context.Context, s *subject) (time.Duration, error)
}

func (x work) group() string {
	group, _, _ := strings.Cut(x.name, "-")
	return group
}

const decodeTokens = 64

// works lists everything that is measured, in order: what opens the model
// again comes last, so that the memory of the rest is that of a daemon.
func works() []work {
	var out []work
	for _, n := range []int{64, 256, 512} {
		out = append(out, work{name: fmt.Sprint("prefill-", n), what: fmt.Sprintf("read %d tokens", n), count: n, unit: "tokens",
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.prefill(ctx, n) }})
	}
	out = append(out, work{name: fmt.Sprint("decode-", decodeTokens), what: fmt.Sprintf("write %d tokens, without speculation", decodeTokens), count: decodeTokens, unit: "tokens",
		run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.decode(ctx, decodeTokens) }})
	for _, n := range []int{70, 280} {
		out = append(out, work{name: fmt.Sprint("vision-", n), what: fmt.Sprintf("encode a picture of %dx%d, budget %d", frameW, frameH, n), count: 1, unit: "pictures",
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.see(ctx, n) }})
	}
	for _, n := range []int{5, 30} {
		out = append(out, work{name: fmt.Sprint("audio-", n), what: fmt.Sprintf("encode %d s of sound", n), count: n, unit: "s of sound",
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.hear(ctx, n) }})
	}
	return append(out,
		work{name: "frame-changed", what: "changed scene to caption and boxes",
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.frame(ctx, true) }},
		work{name: "frame-unchanged", what: "same scene again to caption and boxes",
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.frame(ctx, false) }},
		work{name: "speech-end", what: fmt.Sprintf("end of %d s of speech to transcript", speechSeconds),
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.transcribe(ctx) }},
		work{name: "frame-first", what: "first frame of all to caption and boxes", fresh: true,
			run: func(ctx context.Context, s *subject) (time.Duration, error) { return s.frame(ctx, true) }},
		work{name: "load", what: "open the model", fresh: true,
			run: func(_ context.Context, s *subject) (time.Duration, error) { return s.opened, nil }},
	)
}

// GroupNames lists what can be measured, for the help.
func GroupNames() []string {
	var out []string
	for _, w := range works() {
		if g := w.group(); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// CheckNames returns an error for the first name that nothing is called.
func CheckNames(only []string) error {
	_, err := chosen(only)
	return err
}

// chosen returns the works that are named, by themselves or by their group; no
// name names all.
func chosen(only []string) ([]work, error) {
	all := works()
	if len(only) == 0 {
		return all, nil
	}
	named := map[string]bool{}
	for _, name := range only {
		if !slices.ContainsFunc(all, func(w work) bool { return w.name == name || w.group() == name }) {
			return nil, fmt.Errorf("nothing is called %q that could be measured; there are %s, and the names in the first column of the table", name, strings.Join(GroupNames(), ", "))
		}
		named[name] = true
	}
	return slices.DeleteFunc(all, func(w work) bool { return !named[w.name] && !named[w.group()] }), nil
}
