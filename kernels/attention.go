package kernels

import "fmt"

// Attention is scaled dot-product attention over a cache of keys and values
// that one or more query heads share (Ainslie et al.,
// https://arxiv.org/abs/2305.13245).
type Attention struct {
	Out, Q []float32 // [T][Heads][Dim]
	K, V   []float32 // [Keys][KVHeads][Dim]

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
	queries, keys := a.T*a.Heads*a.Dim, a.Keys*a.KVHeads*a.Dim
	if a.Heads%a.KVHeads != 0 || len(a.Q) < queries || len(a.Out) < queries || len(a.K) < keys || len(a.V) < keys ||
		a.Causal && a.First+a.T > a.Keys {
		panic(fmt.Sprintf("kernels: attention of %d queries at %d, %d/%d heads of %d over %d keys does not fit its slices",
			a.T, a.First, a.Heads, a.KVHeads, a.Dim, a.Keys))
	}
	if queries == 0 {
		return
	}
	p.attention(&a)
}
