package gemma4

import (
	"encoding/json"
	"math"
	"testing"
)

var negativeInfinity = float32(math.Inf(-1))

var tinyForm = BoxForm{Open: "[", Object: `{"box_2d": [{y1}, {x1}, {y2}, {x2}], "label": "{label}"}`, Between: ", ", Close: "]", Empty: "[]"}

// tinyBoxes is the grammar of the boxes that the bundled model writes.
func tinyBoxes(tb testing.TB) *Grammar {
	tb.Helper()
	var profile struct{ Labels []string }
	if err := json.Unmarshal(readBundled(tb, "profile.json"), &profile); err != nil {
		tb.Fatal(err)
	}
	g, err := Boxes(profile.Labels, 64, tinyForm)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}
