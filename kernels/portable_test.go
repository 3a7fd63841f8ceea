//go:build !cgo

package kernels

const roundsActivations = false

func sets() []string { return []string{"reference"} }

func (p *Pool) use(string) {}

func rowSets() []rowSet {
	return []rowSet{{"reference", RMSNorm, GeluMul, GLU, Add, AddScaled, AddMul, Mul, NormReLU, AttendRecent, Scale, Clamp, Silu, Softcap, Rope, Narrow, Softmax, Dot}}
}
