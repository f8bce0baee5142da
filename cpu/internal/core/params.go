// Package core implements the core kernels of package cpu: loops over contiguous arrays of the computing type, in assembly for AVX-512,
// AVX2 and NEON, and in Go, which documents the assembly and runs everywhere else. All produce the same bits.
//
// Kernels with weights, with a mask and for 16-bit storage exist for AVX-512 and NEON: see HasKernels.
//
// Kernels do not deal with arguments or goroutines: package cpu checks the arguments, divides the work and fills
// in Params.
package core

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/op"
)

// Float is the constraint satisfied by the computing types. The selections in rows.go depend on their sizes: another type needs code
// there.
type Float interface{ float32 | float64 }

// Kernel identifies a kernel.
type Kernel uint8

// The kernels.
const (
	Terms Kernel = iota
	Forward
	Backward
	BackwardElementwise // for an elementwise upstream gradient
	ForwardBackward
	Weighed // ForwardBackward with weights, a mask, or both, if HasKernels
	Masked
	WeighedMasked
	Kernels = iota
)

// Reduces reports whether the kernel writes chunk sums.
func (k Kernel) Reduces() bool { return k == Forward || k >= ForwardBackward }

// Differentiates reports whether the kernel writes gradients.
func (k Kernel) Differentiates() bool { return k >= Backward }

// Quotient says how a kernel computes the quotients of the formula. It does not affect the bits of a result.
type Quotient uint8

// The ways to compute quotients.
const (
	One       Quotient = iota // the divisor is 1: Huber, and smooth L1 with beta 1
	Mul                       // multiply by the inverse, a power of two; outer is 1. L1 uses it too
	Div                       // divide; outer is 1
	Unit                      // the divisor, outer and g are 1; for Forward and ForwardBackward only
	Quotients = iota
)

// Storage is the type of stored elements.
type Storage uint8

// The storage types. Numbers of 16 bits are widened exactly, and results rounded once more when they are stored. HasKernels reports whether
// there are kernels for them.
const (
	Own Storage = iota // the computing type
	F16
	BF16
)

// Params are the parameters of a kernel: arrays whose first element begins a chunk, and the constants of the formula. The assembly
// relies on the layout; a generated file does not compile if the two disagree.
type Params[T Float] struct {
	Pred, Target *T
	Upstream     *T       // for BackwardElementwise; for kernels with weights, these
	Mask         *uint8   // for kernels with a mask
	Out          *T       // the loss terms or a gradient
	Negated      *T       // nil, or the other gradient: the negative of Out
	Sums         *float64 // chunk sums, for kernels that reduce; if nil, there is one chunk, whose sum goes to Sum
	Sum          float64
	N            int    // number of elements
	Stores       uint64 // a set of the Store flags
	Ahead        uint64 // prefetch distance in bytes
	Threshold    T      // beta or delta; 0 for L1
	Half         T      // 0.5·threshold
	Outer        T      // delta for Huber, else 1
	Divisor      T      // beta for smooth L1, else 1
	Inverse      T      // 1/divisor, unless the kernel divides
	Norm         T      // of the reduction; its negative where Out is the gradient with respect to target
	G            T      // upstream gradient, unless elementwise; with weights, times the norm
	Side         T      // (norm·g)·outer, the gradient where d > threshold
	L1           T      // bit mask: all ones for L1, else 0
	Flip         T      // bit mask: the sign of the gradient of L1 at d = 0, set if Out is the gradient with respect to target
	Kernel       Kernel
	Quotient     Quotient
	Storage      Storage // of all arrays of T
}

// Flags of Params.Stores.
const (
	StoreNegated   = 1 << iota // also store to Negated
	StoreStreaming             // bypass the caches; requires Out and Negated at multiples of Line bytes, and Fence when all is written. NEON ignores it
)

// Line is the size in bytes of a cache line, and of the longest vector.
const Line = 64

// Part returns the parameters for n elements from element start, a multiple of op.Chunk below p.N.
func (p *Params[T]) Part(start, n int) Params[T] {
	q := *p
	q.N = n
	q.Sums, q.Mask = at(p.Sums, start/op.Chunk), at(p.Mask, start)
	if p.Storage != Own {
		start /= int(unsafe.Sizeof(*p.Pred)) / 2 // elements of T in the place of that many of 16 bits
	}
	q.Pred, q.Target, q.Upstream = at(p.Pred, start), at(p.Target, start), at(p.Upstream, start)
	q.Out, q.Negated = at(p.Out, start), at(p.Negated, start)
	return q
}

// Size returns the size of a stored element in bytes.
func (p *Params[T]) Size() int {
	if p.Storage != Own {
		return 2
	}
	return int(unsafe.Sizeof(T(0)))
}

// at returns a pointer to the i-th element from x, or nil if x is nil.
func at[E any](x *E, i int) *E {
	if x == nil {
		return nil
	}
	return (*E)(unsafe.Add(unsafe.Pointer(x), uintptr(i)*unsafe.Sizeof(*x)))
}

// AllOnes returns the value whose bits are all ones, for Params.L1.
func AllOnes[T Float]() T { return fromBits[T](math.MaxUint64) }

// SignBit returns the value with only the sign bit set, for Params.Flip.
func SignBit[T Float]() T { return fromBits[T](signBit[T]()) }
