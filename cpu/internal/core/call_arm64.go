//go:build !purego

package core

import "github.com/smoothl1/smoothl1/internal/isa"

// HasKernels reports whether the instruction set in use has kernels for 16-bit storage, and with weights and a mask.
func HasKernels() bool { return isa.Current() == isa.NEON }

// Fence does nothing: the kernels have no streaming stores.
func Fence() {}

// Call runs the kernel with the instruction set in use.
func Call[T Float](p *Params[T]) {
	if isa.Current() == isa.Generic {
		generic(p)
		return
	}
	switch p := any(p).(type) {
	case *Params[float32]:
		switch p.Storage {
		case Own:
			callF32NEON(p)
		case F16:
			callF16NEON(p)
		default:
			callBF16NEON(p)
		}
	case *Params[float64]:
		callF64NEON(p)
	}
}
