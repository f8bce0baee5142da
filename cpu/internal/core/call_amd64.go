//go:build !purego

package core

import "github.com/smoothl1/smoothl1/internal/isa"

// HasKernels reports whether the instruction set in use has kernels for 16-bit storage, and with weights and a mask.
func HasKernels() bool { return isa.Current() == isa.AVX512 }

// Fence makes what streaming stores have written visible to those that the calling goroutine hands the arrays to. It takes the time to write
// out what is still in the processor's buffers, so that kernels leave it to the caller, who may have several pieces to make.
func Fence() { fence() }

func fence()

// Call runs the kernel with the instruction set in use.
func Call[T Float](p *Params[T]) {
	set := isa.Current()
	if set == isa.Generic {
		generic(p)
		return
	}
	switch p := any(p).(type) {
	case *Params[float32]:
		switch {
		case set == isa.AVX2:
			callF32AVX2(p)
		case p.Storage == Own:
			callF32AVX512(p)
		case p.Storage == F16:
			callF16AVX512(p)
		default:
			callBF16AVX512(p)
		}
	case *Params[float64]:
		if set == isa.AVX2 {
			callF64AVX2(p)
		} else {
			callF64AVX512(p)
		}
	}
}
