package kernels

// Choice says of which instruction set the function is that does a part of the
// work here. A set takes those of simpler ones where it has none of its own.
type Choice struct {
	// Operation is what is done: unpack, multiply, attention and so on.
	Operation string
	// Weights are the encodings of the matrices for which it is so; none: it does
	// not depend on them.
	Weights []string
	Set     string // one of [Sets]
}

// choices collects choices, those that differ in the weights only as one.
type choices []Choice

func (c *choices) add(operation, weights, set string) {
	for i := range *c {
		if o := &(*c)[i]; o.Operation == operation && o.Set == set {
			if weights != "" {
				o.Weights = append(o.Weights, weights)
			}
			return
		}
	}
	n := Choice{Operation: operation, Set: set}
	if weights != "" {
		n.Weights = []string{weights}
	}
	*c = append(*c, n)
}
