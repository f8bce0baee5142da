package stage

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Fused are the parameters of a fused kernel, for AVX2, which computes the weighed and masked loss and gradients of whole rows of a chunk:
//
//	for each element i of Rows·128:
//	    d = pred[i] − target[i]; a = |d|; u = G·weight[i]
//	    term = a < Threshold ? ((0.5·a)·a)/Divisor : Outer·(a − Half)
//	    gradient = a > Threshold ? Outer·(Norm·u), negated where d < 0 : L1 ? |d| xor Flip : ((Norm·d)·u)/Divisor
//	    lane[i mod 128] += mask[i] != 0 ? float64(term·weight[i]) : +0
//	    out[i], negated[i] = mask[i] != 0 ? gradient, −gradient : +0
//
// An array of ones is no weight, and one of other bytes than 0 no mask. For halves, Weight and Mask may both be nil, which is faster. The first
// fields are words, and those after them numbers of the computing type, which the assembly relies on.
type Fused[T core.Float] struct {
	Pred, Target, Weight unsafe.Pointer // of the storage type
	Mask                 unsafe.Pointer
	Out, Negated         unsafe.Pointer // of the storage type
	Lanes                *[op.Lanes]float64
	Rows                 int
	Stores               uint64 // flags of core.Params.Stores
	Threshold            T
	Half                 T
	Outer                T
	Divisor              T
	Inverse              T
	Norm                 T
	G                    T
	L1                   T
	Flip                 T
	Side                 T // Outer·(Norm·G)
}

// A Storage is the type of stored elements.
type Storage uint8

// The storage types.
const (
	F32 Storage = iota
	F64
	F16
	BF16
)

// Size returns the size of an element in bytes.
func (s Storage) Size() int { return [...]int{4, 8, 2, 2}[s] }

// DType returns the element type of arrays.
func (s Storage) DType() smoothl1.DType {
	return [...]smoothl1.DType{smoothl1.Float32, smoothl1.Float64, smoothl1.Float16, smoothl1.BFloat16}[s]
}

// Run runs the kernel and returns the chunk sum, or false if the instruction set in use has none. The quotient must not be core.Unit.
func (p *Fused[T]) Run(s Storage, q core.Quotient) (sum float64, ok bool) {
	if !fusedVectors(unsafe.Pointer(p), s, q, p.Weight == nil) {
		return 0, false
	}
	if sum, ok = foldVectors(unsafe.Pointer(p.Lanes)); !ok {
		sum = core.Fold(p.Lanes, op.Lanes)
	}
	return sum, true
}
