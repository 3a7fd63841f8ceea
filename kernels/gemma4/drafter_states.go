package gemma4

// states are what the head has read at the newest positions of a session, the
// input of a drafter. They are there for positions whose logits were told.
type states struct {
	width int
	first int       // position of the first row
	rows  []float32 // [positions][width]
}

// maxStates bounds the rows that are kept: a draft that is verified in one batch
// is shorter, and only its last right position is asked for.
const maxStates = 64

// keep takes the states of the positions from first on, [t][width].
func (s *states) keep(first, width int, rows []float32) {
	if more := len(rows)/width - maxStates; more > 0 {
		first, rows = first+more, rows[more*width:]
	}
	s.width, s.first, s.rows = width, first, append(s.rows[:0], rows...)
}

// cut forgets the states from position n on.
func (s *states) cut(n int) {
	s.rows = s.rows[:min(len(s.rows), max(0, n-s.first)*s.width)]
}

// at returns the state of position p, nil if it is not known.
func (s *states) at(p int) []float32 {
	if r := p - s.first; r >= 0 && r*s.width < len(s.rows) {
		return row(s.rows, r, s.width)
	}
	return nil
}

// clone returns a copy.
func (s *states) clone() states {
	return states{width: s.width, first: s.first, rows: append([]float32(nil), s.rows...)}
}
