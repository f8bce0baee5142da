//go:build !purego

package core

import "github.com/smoothl1/smoothl1/internal/isa"

// Call runs the kernel with the instruction set in use.
func Call[T Float](p *Params[T]) {
	set := isa.Current()
	if set == isa.Generic {
		generic(p)
		return
	}
	switch p := any(p).(type) {
	case *Params[float32]:
		if set == isa.AVX2 {
			callF32AVX2(p)
		} else {
			callF32AVX512(p)
		}
	case *Params[float64]:
		if set == isa.AVX2 {
			callF64AVX2(p)
		} else {
			callF64AVX512(p)
		}
	}
}
