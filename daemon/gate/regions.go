package gate

// neighbours counts the marked cells among the eight around a cell.
func (m *Motion) neighbours(x, y int) (n int) {
	for j := max(0, y-1); j <= min(m.h-1, y+1); j++ {
		for i := max(0, x-1); i <= min(m.w-1, x+1); i++ {
			if m.fore[j*m.w+i] {
				n++
			}
		}
	}
	return n - 1
}

// changed measures what is marked in clean. Parts smaller than a tenth of the
// smallest area are left out.
func (m *Motion) changed() Moved {
	least := int(m.minArea * float64(m.cells) / 10)
	total := 0
	x1, y1, x2, y2 := m.w, m.h, 0, 0
	copy(m.fore, m.clean)
	for i := range m.fore {
		if !m.fore[i] {
			continue
		}
		part, bx1, by1, bx2, by2 := m.flood(i)
		if part < least {
			continue
		}
		total += part
		x1, y1, x2, y2 = min(x1, bx1), min(y1, by1), max(x2, bx2), max(y2, by2)
	}
	if total == 0 {
		return Moved{}
	}
	w, h := float64(m.w), float64(m.h)
	return Moved{
		Area: float64(total) / float64(m.cells),
		Box:  Box{float64(x1) / w, float64(y1) / h, float64(x2+1) / w, float64(y2+1) / h},
	}
}

// flood unmarks the part of fore that cell i belongs to and measures it.
func (m *Motion) flood(i int) (cells, x1, y1, x2, y2 int) {
	x1, y1 = m.w, m.h
	m.fore[i] = false
	m.stack = append(m.stack[:0], int32(i))
	for len(m.stack) > 0 {
		i := int(m.stack[len(m.stack)-1])
		m.stack = m.stack[:len(m.stack)-1]
		x, y := i%m.w, i/m.w
		cells++
		x1, y1, x2, y2 = min(x1, x), min(y1, y), max(x2, x), max(y2, y)
		for ny := max(0, y-1); ny <= min(m.h-1, y+1); ny++ {
			for nx := max(0, x-1); nx <= min(m.w-1, x+1); nx++ {
				if n := ny*m.w + nx; m.fore[n] {
					m.fore[n] = false
					m.stack = append(m.stack, int32(n))
				}
			}
		}
	}
	return cells, x1, y1, x2, y2
}
