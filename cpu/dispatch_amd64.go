//go:build !purego

package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// call makes the pass with the instruction set in use.
func call[T smoothl1.Float](p *pass[T]) {
	set := isa.Current()
	switch {
	case set == isa.Generic:
		generic(p)
	case unsafe.Sizeof(T(0)) == 4:
		p := (*pass[float32])(unsafe.Pointer(p)) // which it is
		if set == isa.AVX2 {
			callF32AVX2(p)
		} else {
			callF32AVX512(p)
		}
	default:
		p := (*pass[float64])(unsafe.Pointer(p))
		if set == isa.AVX2 {
			callF64AVX2(p)
		} else {
			callF64AVX512(p)
		}
	}
}
