package op

import (
	"math"
	"unsafe"
)

// Params is what every kernel takes, by value: the struct of this name in kernels/smoothl1.cu, field by field. All fields are words
// of 8 bytes: addresses and counts, float64 numbers, and numbers of the type that a kernel computes in. A kernel reads the
// fields that its pass needs. The arrays come last, where more can follow.
type Params struct {
	N         uint64 // elements
	Threshold Number
	Inverse   Number
	Outer     Number
	Norm      Number
	G         Number  // the upstream gradient, where it is not by element
	Divisor   float64 // of the sum: the count for a mean, else 1
	Sums      uint64  // the chunk sums, and behind them those of each further level
	Value     uint64  // the reduced loss
	Ticket    uint64  // 4 bytes, 0 before and after a launch

	Pred       uint64
	Target     uint64
	Upstream   uint64
	Terms      uint64
	GradPred   uint64 // 0: not wanted
	GradTarget uint64
}

// A Number is the bits of a number of the type that a kernel computes in; those of a float32 are the low half.
type Number uint64

// Computing is the constraint of the types that kernels compute in.
type Computing interface{ float32 | float64 }

// NumberOf returns the bits of x.
func NumberOf[T Computing](x T) Number {
	if unsafe.Sizeof(x) == 4 {
		return Number(math.Float32bits(float32(x)))
	}
	return Number(math.Float64bits(float64(x)))
}

// Words returns the words of p, as a launch takes them. They are p's own memory.
func (p *Params) Words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(p)), unsafe.Sizeof(*p)/8)
}
