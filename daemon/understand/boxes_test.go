package understand

import (
	"fmt"
	"strings"
	"testing"
)

// boxTests are answers as models write them, and worse.
var boxTests = []struct {
	name   string
	answer string
	asked  []string
	want   string // label and box of each object
	note   string // part of the notes; "" is none
}{
	{"bare list", `[{"box_2d": [10, 20, 30, 40], "label": "cat"}]`, nil, "cat [10 20 30 40]", ""},
	{"fenced", "```json\n[\n  {\"box_2d\": [10, 20, 30, 40], \"label\": \"cat\"},\n  {\"box_2d\": [1, 2, 3, 4], \"label\": \"dog\"}\n]\n```", nil, "cat [10 20 30 40] dog [1 2 3 4]", ""},
	{"fence left open", "```json\n[{\"box_2d\": [10, 20, 30, 40], \"label\": \"cat\"}]", nil, "cat [10 20 30 40]", ""},
	{"prose around", "Sure, here {you} are: [{\"box_2d\": [10, 20, 30, 40], \"label\": \"cat\"}]. Anything else?", nil, "cat [10 20 30 40]", ""},
	{"one object, no list", `{"label": "cat", "box_2d": [10, 20, 30, 40]}`, nil, "cat [10 20 30 40]", ""},
	{"wrapped", `{"objects": [{"box_2d": [10, 20, 30, 40], "label": "cat"}]}`, nil, "cat [10 20 30 40]", ""},
	{"more fields", `[{"box_2d": [10, 20, 30, 40], "label": "cat", "mask": {"a": []}}]`, nil, "cat [10 20 30 40]", ""},
	{"nothing there", "[]", nil, "", ""},
	{"nothing there, fenced", "```json\n[ ]\n```", nil, "", ""},
	{"empty", "", nil, "", "no list of boxes"},
	{"words", "I see no cat.", nil, "", "no list of boxes"},
	{"cut in a box", `[{"box_2d": [10, 20, 30, 40], "label": "cat"}, {"box_2d": [1, 2`, nil, "cat [10 20 30 40]", "cut off"},
	{"cut in a label", `[{"box_2d": [10, 20, 30, 40], "label": "ca`, nil, "", "cut off"},
	{"missing brace", `[{"box_2d": [1, 2, 3, 4], "label": "cat", {"box_2d": [10, 20, 30, 40], "label": "dog"}]`, nil, "dog [10 20 30 40]", ""},
	{"outside the grid", `[{"box_2d": [-5, 20, 1003, 1e6], "label": "cat"}]`, nil, "cat [0 20 1000 1000]", ""},
	{"swapped corners", `[{"box_2d": [300, 40, 30, 20], "label": "cat"}]`, nil, "cat [30 20 300 40]", ""},
	{"fractions", `[{"box_2d": [10.4, 20.5, 30.6, 40.0], "label": "cat"}]`, nil, "cat [10 21 31 40]", ""},
	{"three numbers", `[{"box_2d": [10, 20, 30], "label": "cat"}]`, nil, "", "has 3 numbers"},
	{"five numbers", `[{"box_2d": [10, 20, 30, 40, 50], "label": "cat"}]`, nil, "", "has 5 numbers"},
	{"no area", `[{"box_2d": [10, 20, 10, 40], "label": "cat"}]`, nil, "", "no area"},
	{"number too large", `[{"box_2d": [10, 20, 30, 1e999], "label": "cat"}]`, nil, "", "no list of numbers"},
	{"words for numbers", `[{"box_2d": ["a", 20, 30, 40], "label": "cat"}]`, nil, "", "no list of numbers"},
	{"null for a number", `[{"box_2d": [null, 20, 30, 40], "label": "cat"}]`, nil, "", "no list of numbers"},
	{"null box", `[{"box_2d": null, "label": "cat"}]`, nil, "", "has 0 numbers"},
	{"no label", `[{"box_2d": [10, 20, 30, 40]}]`, nil, "", "no label"},
	{"no label, one asked", `[{"box_2d": [10, 20, 30, 40]}]`, []string{"cat"}, "cat [10 20 30 40]", ""},
	{"label of wrong type", `[{"box_2d": [10, 20, 30, 40], "label": 3}]`, nil, "", "is no string"},
	{"label with control characters", "[{\"box_2d\": [10, 20, 30, 40], \"label\": \"a\\u0000<b>\\nc\"}]", nil, "ab c [10 20 30 40]", ""},
	{"one bad among good", `[{"box_2d": [1], "label": "dog"}, {"box_2d": [10, 20, 30, 40], "label": "cat"}]`, nil, "cat [10 20 30 40]", "has 1 numbers"},
	{"as asked", `[{"box_2d": [10, 20, 30, 40], "label": "Cats"}, {"box_2d": [1, 2, 3, 4], "label": "dog"}]`, []string{"cat"}, "cat [10 20 30 40]", `"dog" was not asked for`},
	{"many starts", strings.Repeat("{", maxTries+2), nil, "", "more than 512 places"},
	{"many bad", strings.Repeat(`{"box_2d": [1], "label": "dog"}`, maxNotes+4), nil, "", moreRemarks},
	{"long", strings.Repeat(" ", maxAnswer) + `{"box_2d": [10, 20, 30, 40], "label": "cat"}`, nil, "", "was not read"},
}

func TestReadBoxes(t *testing.T) {
	for _, tt := range boxTests {
		t.Run(tt.name, func(t *testing.T) {
			spots, notes := readBoxes(tt.answer, tt.asked)
			var got []string
			for _, s := range spots {
				got = append(got, fmt.Sprint(s.label, " ", s.box))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("objects are %q, want %q", g, tt.want)
			}
			all := strings.Join(notes, "\n")
			if (tt.note == "") != (all == "") || !strings.Contains(all, tt.note) {
				t.Errorf("notes are %q, want %q in them", all, tt.note)
			}
			if len(notes) > maxNotes+1 {
				t.Errorf("%d notes, want at most %d", len(notes), maxNotes+1)
			}
		})
	}
}

// FuzzReadBoxes says that whatever a model writes gives boxes within the
// grid, labels that were asked for, and stretches of the answer.
func FuzzReadBoxes(f *testing.F) {
	for _, tt := range boxTests {
		if len(tt.answer) < 4096 {
			f.Add(tt.answer, strings.Join(tt.asked, ","))
		}
	}
	f.Fuzz(func(t *testing.T, answer, labels string) {
		asked, err := cleanLabels(strings.Split(labels, ","))
		if err != nil {
			asked = nil
		}
		spots, _ := readBoxes(answer, asked)
		for _, s := range spots {
			b := s.box
			if b[0] < 0 || b[1] < 0 || b[2] > grid || b[3] > grid || b[0] >= b[2] || b[1] >= b[3] {
				t.Errorf("box %v is not within the grid or has no area", b)
			}
			if s.label == "" || s.label != cleanLabel(s.label) {
				t.Errorf("label %q is not clean", s.label)
			}
			if s.start < 0 || s.end > len(answer) || answer[s.start] != '{' || answer[s.end-1] != '}' {
				t.Errorf("object at %d to %d of %q", s.start, s.end, answer)
			}
		}
	})
}

func TestOverlap(t *testing.T) {
	tests := []struct {
		a, b [4]int
		want float64
	}{
		{[4]int{0, 0, 10, 10}, [4]int{0, 0, 10, 10}, 1},
		{[4]int{0, 0, 10, 10}, [4]int{0, 5, 10, 15}, 1. / 3},
		{[4]int{0, 0, 10, 10}, [4]int{10, 0, 20, 10}, 0},
		{[4]int{0, 0, 10, 10}, [4]int{20, 20, 30, 30}, 0},
		{[4]int{0, 0, 10, 10}, [4]int{2, 2, 4, 4}, 0.04},
	}
	for _, tt := range tests {
		if got := overlap(tt.a, tt.b); got != tt.want {
			t.Errorf("overlap of %v and %v is %g, want %g", tt.a, tt.b, got, tt.want)
		}
	}
}
