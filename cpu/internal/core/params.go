// Package core has the core kernels of package cpu: loops over contiguous arrays of the type that they are computed in, in
// assembly for AVX-512 and AVX2, and in Go, which says what the assembly does and runs everywhere else. All give the same bits.
//
// A kernel knows no arguments of an operation, no goroutines and no other storage: package cpu checks, shares out the work and
// fills in Params.
package core

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/op"
)

// Float is the constraint of the types that kernels compute in. The selections in rows.go go by their sizes, so that a type more
// needs code there as well.
type Float interface{ float32 | float64 }

// Kernel says which loop it is.
type Kernel uint8

// The kernels.
const (
	Terms Kernel = iota
	Forward
	Backward
	BackwardElementwise // of an upstream gradient per element
	ForwardBackward
	Kernels = iota
)

// Reduces says whether the kernel writes chunk sums.
func (k Kernel) Reduces() bool { return k == Forward || k == ForwardBackward }

// Differentiates says whether the kernel writes gradients.
func (k Kernel) Differentiates() bool { return k >= Backward }

// Quotient says how a kernel gets the quotients of the formula. All ways give the same bits.
type Quotient uint8

// The ways to get quotients.
const (
	One  Quotient = iota // the divisor is 1: Huber, and smooth L1 with beta 1
	Mul                  // by multiplying by the inverse, a power of two; outer is 1. L1 is here too
	Div                  // by dividing; outer is 1
	Unit                 // the divisor is 1, and so are outer and g. Forward and ForwardBackward have it
)

// Params is what a kernel is given: arrays whose first element begins a chunk, and the constants of the formula. The assembly
// knows its layout; a file beside it refuses to compile when the two disagree.
type Params[T Float] struct {
	Pred, Target *T
	Upstream     *T       // of BackwardElementwise
	Out          *T       // the loss terms or a gradient
	Negated      *T       // nil, or the other gradient: the negative of Out
	Sums         *float64 // of the kernels that reduce: a chunk sum for each chunk; nil: there is one, which goes to Sum
	Sum          float64
	N            int    // elements
	Stores       uint64 // how to store: a set of the flags below
	Ahead        uint64 // bytes from what is read to what is prefetched
	Threshold    T      // beta or delta; 0 for L1
	Half         T      // 0.5·threshold
	Outer        T      // delta for Huber, else 1
	Divisor      T      // beta for smooth L1, else 1
	Inverse      T      // 1/divisor, where the kernel does not divide
	Norm         T      // of the reduction; its negative where Out is the gradient with respect to target
	G            T      // upstream gradient, where it is a number
	Side         T      // (norm·g)·outer, the gradient where d > threshold
	L1           T      // bits: all ones for L1, else 0
	Flip         T      // bits: what turns |0| into the gradient of L1 at d = 0, the sign bit with respect to target
	Kernel       Kernel
	Quotient     Quotient
}

// Flags of Params.Stores.
const (
	StoreNegated   = 1 << iota // there is a second gradient
	StoreStreaming             // past the caches; Out and Negated must then lie at multiples of Line bytes
)

// Line is the number of bytes of the longest vector, and of a line of the caches.
const Line = 64

// Part returns the parameters for n elements from element start, a multiple of op.Chunk below p.N.
func (p *Params[T]) Part(start, n int) Params[T] {
	q := *p
	q.N = n
	q.Pred, q.Target, q.Upstream = at(p.Pred, start), at(p.Target, start), at(p.Upstream, start)
	q.Out, q.Negated = at(p.Out, start), at(p.Negated, start)
	q.Sums = at(p.Sums, start/op.Chunk)
	return q
}

// at returns the i-th element from x; nil has none.
func at[E any](x *E, i int) *E {
	if x == nil {
		return nil
	}
	return (*E)(unsafe.Add(unsafe.Pointer(x), uintptr(i)*unsafe.Sizeof(*x)))
}

// AllOnes returns the value whose bits are all ones, for L1.
func AllOnes[T Float]() T { return fromBits[T](math.MaxUint64) }

// SignBit returns the value whose only bit is the sign, for Flip.
func SignBit[T Float]() T { return fromBits[T](signBit[T]()) }
