package kernels

import "fmt"

// Page is how many positions a page of a cache of keys and values holds.
const Page = 32

// Attention is scaled dot-product attention over a cache of keys and values
// that one or more query heads share (Ainslie et al.,
// https://arxiv.org/abs/2305.13245).
type Attention struct {
	Out, Q []float32 // [T][Heads][Dim]

	// Keys and values, [Keys][KVHeads][Dim]: in float32, or in binary16.
	K, V         []float32
	HalfK, HalfV []uint16
	// With Pages, the positions from Page*i on lie at Page*Pages[i] instead of in
	// order, so that several caches can share what they have in common.
	Pages []int32

	T, Keys, Heads, KVHeads, Dim int

	// Causal: query t sits at key position First+t and sees the keys j <= First+t
	// with First+t-j < Window; Window 0 has no limit. Not causal: all keys.
	Causal        bool
	First, Window int

	// Scale multiplies the products of query and key; 0 means 1.
	Scale float32
}

// visible returns the range of keys that query t sees.
func (a *Attention) visible(t int) (from, to int) {
	if !a.Causal {
		return 0, a.Keys
	}
	to = a.First + t + 1
	if a.Window > 0 {
		from = max(0, to-a.Window)
	}
	return from, to
}

// Attention computes Out = softmax(Scale * Q K^T) V for each query head. It
// panics when the shapes do not fit, which is a mistake of the caller.
func (p *Pool) Attention(a Attention) {
	if a.Scale == 0 {
		a.Scale = 1
	}
	queries := a.T * a.Heads * a.Dim
	if a.Heads%a.KVHeads != 0 || len(a.Q) < queries || len(a.Out) < queries || a.Causal && a.First+a.T > a.Keys || !a.holdsKeys() {
		panic(fmt.Sprintf("kernels: attention of %d queries at %d, %d/%d heads of %d over %d keys does not fit its slices",
			a.T, a.First, a.Heads, a.KVHeads, a.Dim, a.Keys))
	}
	if queries == 0 {
		return
	}
	p.attention(&a)
}

// holdsKeys says whether every position's key and value is there.
func (a *Attention) holdsKeys() bool {
	positions := len(a.K) / (a.KVHeads * a.Dim)
	values := len(a.V)
	if a.HalfK != nil {
		positions, values = len(a.HalfK)/(a.KVHeads*a.Dim), len(a.HalfV)
	}
	if values < positions*a.KVHeads*a.Dim {
		return false
	}
	if a.Pages == nil {
		return positions >= a.Keys
	}
	for i := 0; i*Page < a.Keys; i++ {
		if i >= len(a.Pages) || a.Pages[i] < 0 || int(a.Pages[i])*Page+min(Page, a.Keys-i*Page) > positions {
			return false
		}
	}
	return true
}
