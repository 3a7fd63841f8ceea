package gemma4

import "sensed/kernels"

// pages is the memory of keys and values of all sessions of a model: pages of
// [kernels.Page] positions, each as long as the rows of all layers that have
// keys and values of their own.
//
// Sessions share the pages of a common prefix; a page that more than one
// session holds is copied before it is written. The model's mutex guards it.
type pages struct {
	layers []pageLayer
	refs   []int32 // by page: how many sessions hold it
	free   []int32 // pages that none holds
	exact  bool    // float32 instead of binary16
}

// pageLayer is one layer's part of all pages, [page][position][kvHeads][headDim]
// of keys and of values, in one of the two precisions.
type pageLayer struct {
	row          int // values of a position
	k, v         []float32
	halfK, halfV []uint16
}

func newPages(c *textConfig, exact bool) *pages {
	p := &pages{exact: exact}
	for _, l := range c.shapes[:c.own] {
		p.layers = append(p.layers, pageLayer{row: l.kvHeads * l.headDim})
	}
	return p
}

// take returns a page that nobody else holds. Memory grows by half, so that a
// long session copies each position a constant number of times.
func (p *pages) take() int32 {
	if len(p.free) == 0 {
		old := len(p.refs)
		n := old + max(4, old/2)
		p.refs = append(p.refs, make([]int32, n-old)...)
		for i := range p.layers {
			p.layers[i].resize(n*kernels.Page, p.exact)
		}
		for i := n - 1; i >= old; i-- {
			p.free = append(p.free, int32(i))
		}
	}
	last := len(p.free) - 1
	page := p.free[last]
	p.free = p.free[:last]
	p.refs[page] = 1
	return page
}

func (l *pageLayer) resize(positions int, exact bool) {
	if exact {
		l.k, l.v = extend(l.k, positions*l.row), extend(l.v, positions*l.row)
	} else {
		l.halfK, l.halfV = extend(l.halfK, positions*l.row), extend(l.halfV, positions*l.row)
	}
}

func extend[T any](b []T, n int) []T {
	out := make([]T, n)
	copy(out, b)
	return out
}

// share adds a holder of the page, drop takes one away.
func (p *pages) share(page int32) { p.refs[page]++ }

func (p *pages) drop(page int32) {
	if p.refs[page]--; p.refs[page] == 0 {
		p.free = append(p.free, page)
	}
}

// own returns a page with the same first n positions that only the caller
// holds: the page itself when that is so already.
func (p *pages) own(page int32, n int) int32 {
	if p.refs[page] == 1 {
		return page
	}
	mine := p.take()
	for i := range p.layers {
		l := &p.layers[i]
		from, to, size := int(page)*kernels.Page*l.row, int(mine)*kernels.Page*l.row, n*l.row
		if p.exact {
			copy(l.k[to:to+size], l.k[from:])
			copy(l.v[to:to+size], l.v[from:])
		} else {
			copy(l.halfK[to:to+size], l.halfK[from:])
			copy(l.halfV[to:to+size], l.halfV[from:])
		}
	}
	p.drop(page)
	return mine
}

// cache is the part of the pages that one session sees. Position i lies in
// page table[i/Page].
type cache struct {
	pages *pages
	n     int // positions filled
	table []int32

	states states // where a drafter starts
}

// reserve makes room for positions up to n-1 and makes the pages that will be
// written from position c.n on the session's own.
func (c *cache) reserve(n int) {
	if at := c.n / kernels.Page; c.n%kernels.Page > 0 && n > c.n {
		c.table[at] = c.pages.own(c.table[at], c.n%kernels.Page)
	}
	for len(c.table)*kernels.Page < n {
		c.table = append(c.table, c.pages.take())
	}
}

// truncate forgets the positions from n on and gives back the pages that only
// they needed.
func (c *cache) truncate(n int) {
	c.n = n
	c.states.cut(n)
	keep := (n + kernels.Page - 1) / kernels.Page
	for _, page := range c.table[keep:] {
		c.pages.drop(page)
	}
	c.table = c.table[:keep]
}

// fork returns a cache of the same positions. It shares the pages of this one.
func (c *cache) fork() cache {
	keep := (c.n + kernels.Page - 1) / kernels.Page
	for _, page := range c.table[:keep] {
		c.pages.share(page)
	}
	return cache{pages: c.pages, n: c.n, table: append([]int32(nil), c.table[:keep]...), states: c.states.clone()}
}

// put stores the key and value of a position in a layer, [kvHeads][headDim] each.
func (c *cache) put(layer, position int, k, v []float32) {
	l := &c.pages.layers[layer]
	at := (int(c.table[position/kernels.Page])*kernels.Page + position%kernels.Page) * l.row
	if c.pages.exact {
		copy(l.k[at:at+l.row], k)
		copy(l.v[at:at+l.row], v)
		return
	}
	kernels.Narrow(l.halfK[at:at+l.row], k)
	kernels.Narrow(l.halfV[at:at+l.row], v)
}

// keys completes an attention with the keys and values of a layer.
func (c *cache) keys(layer int, a kernels.Attention) kernels.Attention {
	l := &c.pages.layers[layer]
	a.K, a.V, a.HalfK, a.HalfV, a.Pages = l.k, l.v, l.halfK, l.halfV, c.table
	return a
}
