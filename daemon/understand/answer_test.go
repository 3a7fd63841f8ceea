package understand

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sensed/daemon/event"
	"sensed/kernels/gemma4"
)

// reply builds what a model answers from pieces, each with its probability.
func reply(stopped bool, pieces []string, probs ...float64) gemma4.Reply {
	r := gemma4.Reply{Text: strings.Join(pieces, ""), Pieces: pieces, Probs: probs, Stopped: stopped}
	for i := range pieces {
		r.Tokens = append(r.Tokens, i)
	}
	return r
}

func TestReadObjectsScoresAndMerges(t *testing.T) {
	pieces := []string{
		"[", `{"box_2d": [`, "10", ", 20, 500, 600], ", `"label": "cat"}`, // 0.5 and 1
		", ", `{"box_2d": [11, 20, 500, 600], "label": "cat"}`, // the same again, surer
		`, {"box_2d": [10, 20, 500, 600], "label": "dog"`, "}, ", // shares its last token with what follows
		`{"box_2d": [600, 20, 900, 600], "label": "cat"}]`,
	}
	probs := []float64{1, 1, 0.5, 0.5, 1, 1, 0.9, 0.4, 0.1, 0.3}
	got, notes := question{kind: Detect}.readObjects(reply(true, pieces, probs...))
	want := []event.Found{
		{Label: "cat", Box: [4]int{11, 20, 500, 600}, Score: 0.9},
		{Label: "dog", Box: [4]int{10, 20, 500, 600}, Score: math.Sqrt(0.4 * 0.1)},
		{Label: "cat", Box: [4]int{600, 20, 900, 600}, Score: 0.3},
	}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if diff := cmp.Diff(want, got, near); diff != "" || len(notes) > 0 {
		t.Errorf("objects differ (- want, + got):\n%s\nnotes: %q", diff, notes)
	}
}

func TestScore(t *testing.T) {
	box := `{"box_2d": [1, 2, 3, 4], "label": "cat"}`
	tests := []struct {
		name string
		r    gemma4.Reply
		want float64
	}{
		{"thinking before it", gemma4.Reply{Text: box, Pieces: []string{"<|channel>", "hm", "<channel|>", box}, Probs: []float64{.1, .1, .1, .8}}, 0.8},
		{"pieces of something else", gemma4.Reply{Text: box, Pieces: []string{"other"}, Probs: []float64{.8}}, 0},
		{"pieces without probabilities", gemma4.Reply{Text: box, Pieces: []string{box}}, 0},
		{"probability 0", gemma4.Reply{Text: box, Pieces: []string{box}, Probs: []float64{0}}, 0},
		{"not a number", gemma4.Reply{Text: box, Pieces: []string{box}, Probs: []float64{math.NaN()}}, 0},
		{"above 1 by rounding", gemma4.Reply{Text: box, Pieces: []string{box}, Probs: []float64{1.0000001}}, 1},
	}
	for _, tt := range tests {
		got, _ := question{kind: Detect}.readObjects(tt.r)
		if len(got) != 1 || math.Abs(got[0].Score-tt.want) > 1e-12 {
			t.Errorf("%s: objects are %v, want one of score %g", tt.name, got, tt.want)
		}
	}
}

func TestRead(t *testing.T) {
	tests := []struct {
		name             string
		q                question
		text             string
		cut              bool
		want, transcript string
		note             string
	}{
		{"caption", question{kind: Caption}, " A cat.\n", false, "A cat.", "", ""},
		{"caption of two lines", question{kind: Caption}, "A cat.\n\nA dog.\n", false, "A cat.\n\nA dog.", "", ""},
		{"caption cut", question{kind: Caption}, "A cat and", true, "A cat and", "", "bound of tokens"},
		{"answer", question{kind: Prompt}, "\tYes.", false, "Yes.", "", ""},
		{"transcript", question{kind: Transcribe}, " open the\n  door\n", false, "open the door", "", ""},
		{"silence", question{kind: Transcribe}, "", false, "", "", ""},
		{"translation", question{kind: Translate, into: "German"}, "open the door\nGerman: öffne die Tür", false, "öffne die Tür", "open the door", ""},
		{"translation on its own line", question{kind: Translate, into: "German"}, "open\nthe door\n\ngerman:\nöffne\ndie Tür\n", false, "öffne die Tür", "open the door", ""},
		{"translation in bold", question{kind: Translate, into: "German"}, "open\n**German:** öffne", false, "öffne", "open", ""},
		{"language in the speech", question{kind: Translate, into: "German"}, "German is hard\nGermany too\nGerman: Deutsch ist schwer", false, "Deutsch ist schwer", "German is hard Germany too", ""},
		{"translation without its mark", question{kind: Translate, into: "German"}, "öffne die Tür", false, "öffne die Tür", "", "where the translation begins"},
		{"nothing to translate", question{kind: Translate, into: "German"}, " \n", false, "", "", ""},
		{"boxes keep their words", question{kind: Detect}, "[]\n", false, "[]", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.q.read(reply(!tt.cut, []string{tt.text}, 0.5))
			if r.Text != tt.want || r.Transcript != tt.transcript {
				t.Errorf("read %q and %q, want %q and %q", r.Text, r.Transcript, tt.want, tt.transcript)
			}
			if all := strings.Join(r.Notes, "\n"); (tt.note == "") != (all == "") || !strings.Contains(all, tt.note) {
				t.Errorf("notes are %q, want %q in them", all, tt.note)
			}
			if r.Kind != tt.q.kind || r.Answer != 1 || math.Abs(r.Score-0.5) > 1e-12 {
				t.Errorf("kind %s, %d tokens, score %g; want %s, 1, 0.5", r.Kind, r.Answer, r.Score, tt.q.kind)
			}
		})
	}
	if r := (question{kind: Detect}).read(gemma4.Reply{Stopped: true}); r.Objects == nil {
		t.Error("objects of an empty answer are nil, want an empty list")
	}
}

// FuzzRead says that no answer breaks the reader, and that transcripts and
// translations are one line.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "open\nGerman: öffne", "**German:**", "\xff\nGERMAN :", `[{"box_2d": [1,2,3,4], "label": "German"}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range kinds {
			r := question{kind: kind, into: "German"}.read(reply(true, strings.SplitAfter(text, ","), make([]float64, strings.Count(text, ",")+1)...))
			if (kind == Transcribe || kind == Translate) && strings.ContainsAny(r.Text+r.Transcript, "\r\n") {
				t.Errorf("%s has more than one line: %q %q", kind, r.Text, r.Transcript)
			}
			if slices.ContainsFunc(r.Objects, func(o event.Found) bool { return !(o.Score >= 0 && o.Score <= 1) }) {
				t.Errorf("a score is not within 0..1: %v", r.Objects)
			}
		}
	})
}
