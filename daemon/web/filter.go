package web

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensed/daemon/event"
)

// Bounds of what may be asked of the timeline.
const (
	maxLimit  = 200
	maxSlots  = 1000
	maxFilter = 32   // values of one filter
	maxSearch = 1000 // bytes
)

// filter says which cards are wanted; zero fields want all.
type filter struct {
	sources, kinds, labels []string
	words                  []string // lower case
	from, to               time.Time
}

// parseFilter reads the filters of a query.
func parseFilter(q url.Values) (f filter, err error) {
	f.sources, f.kinds, f.labels = q["source"], q["kind"], q["label"]
	for _, l := range [][]string{f.sources, f.kinds, f.labels} {
		if len(l) > maxFilter {
			return f, fmt.Errorf("a filter has more than %d values", maxFilter)
		}
	}
	for _, k := range f.kinds {
		if !event.Kind(k).Valid() {
			return f, fmt.Errorf("there is no kind %.40q", k)
		}
	}
	text := q.Get("text")
	if len(text) > maxSearch {
		return f, fmt.Errorf("text is longer than %d bytes", maxSearch)
	}
	f.words = strings.Fields(strings.ToLower(text))
	if f.from, err = instant(q, "from"); err != nil {
		return f, err
	}
	f.to, err = instant(q, "to")
	return f, err
}

// instant reads a time of a query; zero when it is not there.
func instant(q url.Values, name string) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%s is no time such as 2026-11-29T08:15:00Z", name)
	}
	return t, nil
}

// whole reads a number of a query that lies between two others.
func whole(q url.Values, name string, standard, least, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return standard, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is no number from %d to %d", name, least, most)
	}
	return n, nil
}

// fits tells whether a card is wanted.
func (f *filter) fits(c *Card) bool {
	any := func(wanted []string, has func(string) bool) bool {
		return len(wanted) == 0 || slices.ContainsFunc(wanted, has)
	}
	if !any(f.sources, func(s string) bool { return s == c.Source }) ||
		!any(f.kinds, func(k string) bool { return slices.Contains(c.Kinds, event.Kind(k)) }) ||
		!any(f.labels, func(l string) bool { return slices.Contains(c.Labels, l) }) ||
		!f.from.IsZero() && c.Time.Before(f.from) || !f.to.IsZero() && !c.Time.Before(f.to) {
		return false
	}
	if len(f.words) == 0 {
		return true
	}
	text := strings.ToLower(c.haystack())
	return !slices.ContainsFunc(f.words, func(w string) bool { return !strings.Contains(text, w) })
}

// haystack is all text of a card.
func (c *Card) haystack() string {
	parts := slices.Clone(c.Labels)
	for _, e := range c.Events {
		parts = append(parts, e.Text)
	}
	return strings.Join(parts, "\n")
}

// page returns the newest cards that fit and are older than that with the id
// before (""; all), at most limit of them, and whether there are more.
func (l *timeline) page(f filter, before string, limit int) (cards []Card, more bool) {
	cards = []Card{}
	last := len(l.cards)
	if before != "" {
		// What is gone was older than everything that is there.
		last = 0
		if c := l.byID[before]; c != nil {
			last = slices.Index(l.cards, c)
		}
	}
	for i := last - 1; i >= 0; i-- {
		if !f.fits(&l.cards[i].Card) {
			continue
		}
		if len(cards) == limit {
			return cards, true
		}
		cards = append(cards, l.cards[i].Card)
	}
	return cards, false
}

// strip counts the cards that fit in slots of equal length.
func (l *timeline) strip(f filter, slots int) []int {
	counts := make([]int, slots)
	length := f.to.Sub(f.from)
	for _, c := range l.cards {
		if f.fits(&c.Card) {
			counts[min(slots-1, int(float64(c.Time.Sub(f.from))/float64(length)*float64(slots)))]++
		}
	}
	return counts
}

// facets lists what can be filtered by.
func (l *timeline) facets() Facets {
	out := Facets{Sources: []string{}, Kinds: []event.Kind{}, Labels: []LabelCount{}}
	labels := map[string]int{}
	for _, c := range l.cards {
		if !slices.Contains(out.Sources, c.Source) {
			out.Sources = append(out.Sources, c.Source)
		}
		for _, k := range c.Kinds {
			if !slices.Contains(out.Kinds, k) {
				out.Kinds = append(out.Kinds, k)
			}
		}
		for _, name := range c.Labels {
			labels[name]++
		}
	}
	for name, n := range labels {
		out.Labels = append(out.Labels, LabelCount{name, n})
	}
	slices.Sort(out.Sources)
	slices.Sort(out.Kinds)
	slices.SortFunc(out.Labels, func(a, b LabelCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Label, b.Label))
	})
	return out
}
