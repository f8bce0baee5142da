package op

import (
	"math"
	"unsafe"
)

// Params is the parameter that every kernel takes, by value. It mirrors the struct of the same name in kernels/smoothl1.cu. All fields
// are words of 8 bytes: addresses, counts, float64 numbers, and numbers of the kernel's computing type. A kernel reads only the fields
// that its pass needs. The arrays come last, so that others can be added.
type Params struct {
	N         uint64 // elements
	Threshold Number
	Inverse   Number
	Outer     Number
	Norm      Number
	G         Number  // the upstream gradient, unless elementwise
	Divisor   float64 // of the sum: the divisor of a mean, else 1
	Sums      uint64  // the chunk sums, followed by those of each further level
	Value     uint64  // the reduced loss
	Ticket    uint64  // 4 bytes, 0 before and after a launch

	Pred       uint64
	Target     uint64
	Upstream   uint64
	Terms      uint64
	GradPred   uint64 // or 0
	GradTarget uint64 // or 0
}

// A Number is the bit pattern of a number of a kernel's computing type. That of a float32 is in the low half.
type Number uint64

// Computing is the constraint satisfied by the computing types.
type Computing interface{ float32 | float64 }

// NumberOf returns the bit pattern of x.
func NumberOf[T Computing](x T) Number {
	if unsafe.Sizeof(x) == 4 {
		return Number(math.Float32bits(float32(x)))
	}
	return Number(math.Float64bits(float64(x)))
}

// Words returns p as the words that a launch takes. They share p's memory.
func (p *Params) Words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(p)), unsafe.Sizeof(*p)/8)
}
