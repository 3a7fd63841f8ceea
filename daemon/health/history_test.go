package health

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestHistory(t *testing.T) {
	var h History
	now := time.Unix(1e9, 0)
	const steps = 9000 // 25 h
	for i := range steps {
		p := point{float64(i), math.NaN()}
		if i%2 == 0 {
			p[2] = math.NaN()
		} else {
			p[2] = 5
		}
		h.add(now, p)
		now = now.Add(FineStep)
	}
	hour, day := h.Hour(), h.Day()
	first := hour.Series["temperature_c"]
	if len(first) != FineLen || first[0] != steps-FineLen || first[FineLen-1] != steps-1 || hour.Step != 10 || !hour.End.Equal(now.Add(-FineStep)) {
		t.Errorf("hour: %d values from %v to %v, step %v, end %v", len(first), first[0], first[len(first)-1], hour.Step, hour.End)
	}
	means := day.Series["temperature_c"]
	if len(means) != CoarseLen || means[CoarseLen-1] != steps-15.5 || means[CoarseLen-1]-means[0] != 30*(CoarseLen-1) || day.Step != 300 {
		t.Errorf("day: %d values from %v to %v, step %v", len(means), means[0], means[len(means)-1], day.Step)
	}
	if v := day.Series["memory_anonymous_bytes"][0]; !math.IsNaN(v) {
		t.Errorf("nothing was known, but the mean is %v", v)
	}
	if v := day.Series["memory_available_bytes"][0]; v != 5 {
		t.Errorf("the mean of what was known is %v", v)
	}
	b, err := json.Marshal(Values{1.23456, math.NaN(), math.Inf(1), 0})
	if err != nil || string(b) != "[1.235,null,null,0]" {
		t.Errorf("%s, %v", b, err)
	}
	var empty History
	if b, err := json.Marshal(empty.Hour()); err != nil || !json.Valid(b) {
		t.Errorf("%s, %v", b, err)
	}
}
