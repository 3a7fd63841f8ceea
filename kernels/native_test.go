//go:build cgo

package kernels

const roundsActivations = true

func sets() (names []string) {
	for _, s := range available() {
		names = append(names, s.name())
	}
	return names
}

func (p *Pool) use(name string) {
	for _, s := range available() {
		if s.name() == name {
			p.scratch.isa = s
		}
	}
}

func rowSets() (all []rowSet) {
	for _, s := range available() {
		all = append(all, rowSet{s.name(), s.rmsNorm, s.geluMul, s.glu, s.add, s.addScaled, s.addMul, s.mul, s.normReLU, s.attendRecent, s.scale, s.clamp, s.silu, s.softcap, s.rope, s.narrow, s.softmax, s.dot})
	}
	return all
}
