package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// take empties the queue and returns the payloads in order.
func take(q *Queue[string], now time.Time) []string {
	var out []string
	for {
		j, ok, _ := q.Next(now)
		if !ok {
			return out
		}
		out = append(out, j.Work)
	}
}

func TestOrder(t *testing.T) {
	type add struct {
		at    float64
		class Class
	}
	tests := []struct {
		name string
		adds []add
		want []string // "index of add"
	}{
		{"urgent first", []add{{0, Timed}, {0, Motion}, {0, Speech}, {0, Trigger}}, []string{"3", "2", "1", "0"}},
		{"first come within a class", []add{{0, Motion}, {1, Motion}, {2, Motion}}, []string{"0", "1", "2"}},
		{"just before an age has passed", []add{{0, Timed}, {9.9, Motion}}, []string{"1", "0"}},
		{"after an age the old one goes first", []add{{0, Timed}, {10.1, Motion}}, []string{"0", "1"}},
		{"three ages beat a trigger", []add{{0, Timed}, {29.9, Trigger}, {30.1, Trigger}}, []string{"1", "0", "2"}},
		{"equal keys: first come", []add{{0, Timed}, {10, Motion}}, []string{"0", "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := New[string](Options{Age: 10 * time.Second})
			for i, a := range tt.adds {
				d := q.Add(at(a.at), Job[string]{Source: "s", Task: fmt.Sprint(i), Class: a.class, Since: at(a.at), Work: fmt.Sprint(i)})
				if len(d) != 0 {
					t.Fatalf("Add dropped %v", d)
				}
			}
			if got := take(q, at(40)); !slices.Equal(got, tt.want) {
				t.Errorf("order %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNewestWins(t *testing.T) {
	q := New[string](Options{Age: 10 * time.Second})
	frame := func(source, task, work string, c Class, s float64) []Dropped[string] {
		return q.Add(at(s), Job[string]{Source: source, Task: task, Class: c, Since: at(s), Latest: true, Work: work})
	}
	frame("door", "caption", "old", Motion, 0)
	frame("yard", "caption", "other source", Motion, 1)
	frame("door", "detect", "other task", Motion, 2)
	d := frame("door", "caption", "new", Motion, 3)
	if len(d) != 1 || d[0].Job.Work != "old" || d[0].Reason != Newer {
		t.Fatalf("dropped %+v, want old because of a newer one", d)
	}
	// The newer one has inherited the wait, so it still goes before the others.
	if got, want := take(q, at(4)), []string{"new", "other source", "other task"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	if n := q.Drops()[Count{"door", "caption", Newer}]; n != 1 {
		t.Errorf("counted %d drops, want 1", n)
	}
}

func TestNewestDoesNotTakeAMoreUrgentPlace(t *testing.T) {
	q := New[string](Options{})
	q.Add(at(0), Job[string]{Source: "door", Task: "caption", Class: Trigger, Since: at(0), Latest: true, Work: "button"})
	if d := q.Add(at(1), Job[string]{Source: "door", Task: "caption", Class: Timed, Since: at(1), Latest: true, Work: "clock"}); len(d) != 0 {
		t.Fatalf("a timed picture dropped %+v", d)
	}
	// A second press takes both places: it is at least as urgent as either.
	d := q.Add(at(2), Job[string]{Source: "door", Task: "caption", Class: Trigger, Since: at(2), Latest: true, Work: "again"})
	if len(d) != 2 || d[0].Job.Work != "button" || d[1].Job.Work != "clock" {
		t.Fatalf("dropped %+v, want button and clock", d)
	}
	if got, want := take(q, at(3)), []string{"again"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestSpeechIsNotReplaced(t *testing.T) {
	q := New[string](Options{})
	for i := range 3 {
		if d := q.Add(at(0), Job[string]{Source: "mic", Task: "transcribe", Class: Speech, Since: at(float64(i)), Work: fmt.Sprint(i)}); len(d) != 0 {
			t.Fatalf("dropped %+v", d)
		}
	}
	if got, want := take(q, at(5)), []string{"0", "1", "2"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestDepth(t *testing.T) {
	q := New[string](Options{Depth: 2})
	add := func(source, work string, c Class) []Dropped[string] {
		return q.Add(at(0), Job[string]{Source: source, Task: "t", Class: c, Since: at(0), Work: work})
	}
	add("a", "a1", Speech)
	add("a", "a2", Speech)
	if d := add("b", "b1", Timed); len(d) != 0 {
		t.Fatalf("another source's job dropped %+v", d)
	}
	// The same class: the oldest makes room.
	if d := add("a", "a3", Speech); len(d) != 1 || d[0].Job.Work != "a1" || d[0].Reason != Full {
		t.Fatalf("dropped %+v, want a1 as full", d)
	}
	// A less urgent newcomer is refused itself.
	if d := add("a", "a4", Timed); len(d) != 1 || d[0].Job.Work != "a4" || d[0].Reason != Full {
		t.Fatalf("dropped %+v, want a4 as full", d)
	}
	// A more urgent newcomer displaces the oldest of the least urgent.
	if d := add("a", "a5", Trigger); len(d) != 1 || d[0].Job.Work != "a2" {
		t.Fatalf("dropped %+v, want a2", d)
	}
	if q.Waiting("a") != 2 || q.Waiting("b") != 1 || q.Len() != 3 {
		t.Errorf("waiting a %d, b %d, all %d", q.Waiting("a"), q.Waiting("b"), q.Len())
	}
}

func TestDeadline(t *testing.T) {
	q := New[string](Options{})
	add := func(work string, deadline float64, now float64) []Dropped[string] {
		return q.Add(at(now), Job[string]{Source: "s", Task: work, Since: at(0), Deadline: at(deadline), Work: work})
	}
	add("short", 5, 0)
	add("long", 50, 0)
	if d := q.Expire(at(5)); len(d) != 0 {
		t.Fatalf("at its deadline: dropped %+v", d)
	}
	// The next call of any kind finds it.
	d := add("third", 60, 6)
	if len(d) != 1 || d[0].Job.Work != "short" || d[0].Reason != Late {
		t.Fatalf("dropped %+v, want short as late", d)
	}
	if d := add("too late", 6, 7); len(d) != 1 || d[0].Job.Work != "too late" || d[0].Reason != Late {
		t.Fatalf("dropped %+v, want the newcomer as late", d)
	}
	j, ok, late := q.Next(at(51))
	if !ok || j.Work != "third" || len(late) != 1 || late[0].Job.Work != "long" {
		t.Fatalf("Next: %+v %v, late %+v", j, ok, late)
	}
	if _, ok, _ := q.Next(at(51)); ok {
		t.Error("an empty queue gave a job")
	}
}

func TestDrain(t *testing.T) {
	q := New[string](Options{})
	for i := range 3 {
		q.Add(at(0), Job[string]{Source: "s", Task: fmt.Sprint(i), Since: at(0)})
	}
	d := q.Drain(Stopping)
	if len(d) != 3 || d[0].Reason != Stopping || q.Len() != 0 {
		t.Errorf("drained %+v, %d left", d, q.Len())
	}
	if d := q.Drain(Stopping); len(d) != 0 {
		t.Errorf("an empty queue drained %+v", d)
	}
}

// TestNothingStarves floods the model with triggers and checks that a timed job
// is answered within the bound that the package promises.
func TestNothingStarves(t *testing.T) {
	const age = 10 * time.Second
	q := New[string](Options{Age: age, Depth: 1000})
	q.Add(at(0), Job[string]{Source: "slow", Task: "t", Class: Timed, Since: at(0), Work: "timed"})
	for s := range 100 {
		// Two triggers a second come, one job a second is answered.
		now := at(float64(s))
		for i := range 2 {
			q.Add(now, Job[string]{Source: "fast", Task: fmt.Sprint(s, i), Class: Trigger, Since: now, Work: "trigger"})
		}
		j, ok, _ := q.Next(now)
		if !ok {
			t.Fatal("nothing waits")
		}
		if j.Work == "timed" {
			// 60 triggers are older than three ages.
			if s > 61 {
				t.Errorf("answered after %d s", s)
			}
			return
		}
	}
	t.Error("the timed job was never answered")
}

// TestReplacedNeverStarves: a camera that is faster than the model keeps its
// place although each of its pictures is replaced.
func TestReplacedNeverStarves(t *testing.T) {
	q := New[string](Options{Depth: 1000})
	for s := range 50 {
		now := at(float64(s))
		q.Add(now, Job[string]{Source: "camera", Task: "caption", Class: Motion, Since: now, Latest: true, Work: "picture"})
		q.Add(now, Job[string]{Source: "mic", Task: fmt.Sprint(s), Class: Speech, Since: now, Work: "speech"})
		if s%2 == 0 {
			continue // the model is too slow for everything
		}
		if j, _, _ := q.Next(now); j.Work == "picture" {
			return
		}
	}
	t.Error("the pictures were never answered")
}

// TestEverythingIsAccountedFor does random things and checks that each job
// comes out exactly once, answered or dropped, and that the bounds hold.
func TestEverythingIsAccountedFor(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		q := New[int](Options{Depth: 4})
		seen := map[int]int{}
		note := func(ds []Dropped[int]) {
			for _, d := range ds {
				seen[d.Job.Work]++
			}
		}
		n := 0
		var dropped uint64
		answered := 0
		for step := range 400 {
			now := at(float64(step))
			if rng.IntN(3) > 0 {
				j := Job[int]{
					Source: string(rune('a' + rng.IntN(3))), Task: string(rune('x' + rng.IntN(2))),
					Class: Class(rng.IntN(4)), Since: now, Latest: rng.IntN(2) == 0, Work: n,
				}
				if rng.IntN(2) == 0 {
					j.Deadline = now.Add(time.Duration(rng.IntN(20)) * time.Second)
				}
				n++
				note(q.Add(now, j))
			} else if j, ok, late := q.Next(now); true {
				note(late)
				if ok {
					seen[j.Work]++
					answered++
				}
			}
			for _, s := range []string{"a", "b", "c"} {
				if w := q.Waiting(s); w > 4 {
					t.Fatalf("seed %d: %d jobs of %s wait", seed, w, s)
				}
			}
		}
		note(q.Drain(Stopping))
		for i := range n {
			if seen[i] != 1 {
				t.Fatalf("seed %d: job %d came out %d times", seed, i, seen[i])
			}
		}
		for _, c := range q.Drops() {
			dropped += c
		}
		if int(dropped)+answered != n {
			t.Fatalf("seed %d: %d dropped and %d answered of %d", seed, dropped, answered, n)
		}
	}
}

func TestClassNames(t *testing.T) {
	for c, want := range map[Class]string{Timed: "timed", Motion: "motion", Speech: "speech", Trigger: "trigger", 9: "unknown"} {
		if c.String() != want {
			t.Errorf("class %d is %q, want %q", c, c, want)
		}
	}
}

func TestRemoveTakesAllOfASource(t *testing.T) {
	q := New[int](Options{})
	now := time.Unix(0, 0)
	for i, source := range []string{"door", "hall", "door"} {
		q.Add(now, Job[int]{Source: source, Task: "c", Since: now, Work: i})
	}
	got := q.Remove("door", Private)
	if len(got) != 2 || got[0].Job.Work != 0 || got[1].Job.Work != 2 || got[0].Reason != Private {
		t.Errorf("removed %+v", got)
	}
	if j, ok, _ := q.Next(now); !ok || j.Work != 1 || q.Len() != 0 {
		t.Errorf("left is %+v, %v", j, ok)
	}
	if n := q.Drops()[Count{"door", "c", Private}]; n != 2 {
		t.Errorf("counted %d", n)
	}
}
