//go:build !purego

package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// call makes the pass with the best instruction set in use.
func call[T smoothl1.Float](p *pass[T]) {
	p32, p64 := (*pass[float32])(unsafe.Pointer(p)), (*pass[float64])(unsafe.Pointer(p)) // one of which it is
	switch set := isa.Current(); {
	case set == isa.Generic:
		generic(p)
	case unsafe.Sizeof(T(0)) == 4 && set == isa.AVX2:
		callF32AVX2(p32)
	case unsafe.Sizeof(T(0)) == 4:
		callF32AVX512(p32)
	case set == isa.AVX2:
		callF64AVX2(p64)
	default:
		callF64AVX512(p64)
	}
}
