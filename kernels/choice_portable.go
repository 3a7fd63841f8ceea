//go:build !cgo

package kernels

// Choices says which function does what here.
func Choices() []Choice { return []Choice{{Operation: "everything", Set: Kernels()}} }
