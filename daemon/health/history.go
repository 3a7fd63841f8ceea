package health

import (
	"math"
	"strconv"
	"time"
)

// Steps and lengths of the two histories.
const (
	FineStep   = 10 * time.Second
	FineLen    = 360 // an hour
	CoarseStep = 5 * time.Minute
	CoarseLen  = 288 // a day
)

// curves name the values of a history, in their order.
var curves = [...]string{
	"temperature_c", "memory_anonymous_bytes", "memory_available_bytes", "load_level",
	"questions_waiting", "answers_per_minute", "drops_per_minute", "tokens_per_s",
	"wait_ms", "encode_ms", "prefill_ms", "decode_ms", "total_ms", "outbox_messages",
	"broker_connected", "clock_throttled", // shares of the time, 0..1
}

// point is one value for each curve; NaN: unknown.
type point [len(curves)]float64

// History keeps an hour finely and a day coarsely, in memory only. Its zero
// value is empty. It must not be used by several goroutines at a time.
type History struct {
	fine, coarse ring
	sum          point // of the known values since the last coarse point
	known        [len(curves)]int
	summed       int
}

// ring keeps the newest points.
type ring struct {
	points []point // oldest first after next
	next   int
	end    time.Time // of the newest
}

func (r *ring) add(at time.Time, p point, size int) {
	r.end = at
	if len(r.points) < size {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % size
}

// add takes the point of the fine step that ends now.
func (h *History) add(now time.Time, p point) {
	h.fine.add(now, p, FineLen)
	for i, v := range p {
		if !math.IsNaN(v) {
			h.sum[i] += v
			h.known[i]++
		}
	}
	if h.summed++; h.summed < int(CoarseStep/FineStep) {
		return
	}
	for i := range h.sum {
		h.sum[i] /= float64(h.known[i]) // NaN when nothing was known
	}
	h.coarse.add(now, h.sum, CoarseLen)
	h.sum, h.known, h.summed = point{}, [len(curves)]int{}, 0
}

// Curves is a history as it is told: for each curve its values, oldest first, at
// the same distance from each other and the last at End. All have one length.
type Curves struct {
	End    time.Time         `json:"end"`
	Step   float64           `json:"step_s"`
	Series map[string]Values `json:"series"`
}

// Values are numbers of which some are unknown (NaN), in JSON null.
type Values []float64

// MarshalJSON writes four significant digits: this is for drawing.
func (v Values) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(x) || math.IsInf(x, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, x, 'g', 4, 64)
	}
	return append(b, ']'), nil
}

// Hour returns the last hour, Day the last day.
func (h *History) Hour() Curves { return h.fine.curves(FineStep) }

// Day returns the last day.
func (h *History) Day() Curves { return h.coarse.curves(CoarseStep) }

func (r *ring) curves(step time.Duration) Curves {
	c := Curves{End: r.end, Step: step.Seconds(), Series: map[string]Values{}}
	for i, name := range curves {
		v := make(Values, 0, len(r.points))
		for k := range r.points {
			v = append(v, r.points[(r.next+k)%len(r.points)][i])
		}
		c.Series[name] = v
	}
	return c
}
