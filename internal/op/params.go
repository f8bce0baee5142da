package op

import (
	"math"
	"unsafe"
)

// Params is the parameter that every kernel takes, by value. It mirrors the structs of kernels/params.cuh: the rich kernels take all of
// it, others the fields before Weight. All fields are words of 8 bytes: addresses, counts, float64 numbers, and numbers of the kernel's
// computing type. A kernel reads only the fields that its pass needs.
type Params struct {
	N         uint64 // elements
	Threshold Number
	Inverse   Number
	Outer     Number
	Norm      Number
	G         Number  // the upstream gradient, unless it is an array
	Least     Number  // see Formula.Least
	Divisor   float64 // of the sum: the divisor of a mean, else 1
	Sums      uint64  // the chunk sums, followed by those of each further level
	Value     uint64  // the reduced loss, or the losses of the rows
	Tickets   uint64  // 4 bytes for each chunk sum from the second level on, 0 before and after a launch

	Pred       uint64
	Target     uint64
	Upstream   uint64
	Terms      uint64
	GradPred   uint64 // or 0
	GradTarget uint64 // or 0

	// The rest is for the rich kernels, whose arrays are views, which may all be 0 but for pred and target.
	Weight      uint64
	Mask        uint64
	Beta        uint64
	Direction   uint64
	Index       uint64 // the column of pred, for each row
	Abs         uint64
	Second      uint64
	Divisors    uint64 // one for the array, or for each row; the output of the divisor kernels
	DivisorSums uint64 // as Sums, for the divisor that a forward pass sums along
	Fault       uint64 // 8 bytes: 0, or the complement of the lowest row << 32 | index of those out of range
	Rows        uint64
	Cols        uint64 // of every array but pred and grad_pred, which have Actions with an index
	Actions     uint64
	Flags       Flags

	PredStrides       Strides
	TargetStrides     Strides
	WeightStrides     Strides
	MaskStrides       Strides
	BetaStrides       Strides
	UpstreamStrides   Strides
	DirectionStrides  Strides
	TermsStrides      Strides
	AbsStrides        Strides
	GradPredStrides   Strides
	GradTargetStrides Strides
	SecondStrides     Strides
}

// Strides are the strides of a view, in elements.
type Strides struct{ Row, Col int64 }

// Flags are properties of a launch of a rich kernel.
type Flags uint64

// The flags, as in kernels/rich.cuh.
const (
	FlagReduce           Flags = 1 << iota // write the loss
	FlagByRow                              // one for each row
	FlagWide                               // set by Arrange
	FlagHuber                              // the kind of a loss that has a beta by element
	FlagAccumulatePred                     // add the gradient to what is there
	FlagAccumulateTarget                   //
	FlagZeroIfEmpty                        // where the divisor is 0, so are the norm and the loss
	FlagDivisors                           // the divisors and norms are those of Divisors
	FlagAlong                              // a forward pass sums the divisor along
	FlagWeights                            // the divisor is the sum of the weights, else the number of elements that the mask keeps
)

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

// Words returns the words that a launch of a kernel of plain arrays takes. They share p's memory.
func (p *Params) Words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(p)), unsafe.Offsetof(p.Weight)/8)
}

// RichWords is Words for the rich kernels.
func (p *Params) RichWords() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(p)), unsafe.Sizeof(*p)/8)
}
