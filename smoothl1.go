// Package smoothl1 defines the vocabulary of the smooth L1 loss: the kinds of loss, beta, the reductions, the divisors of a mean, the
// element types, among them those of 16 bits, the shapes and views of arrays, and the errors returned by the packages that compute it.
//
// With d = pred − target and a = |d|:
//
//	smooth L1 (beta > 0)   a < beta ? 0.5·a²/beta : a − 0.5·beta
//	Huber (delta > 0)      a < delta ? 0.5·a² : delta·(a − 0.5·delta)     = delta × smooth L1 with beta = delta
//	L1 (beta = 0)          a
//
// The losses are those of Girshick, "Fast R-CNN" (2015), and Huber, "Robust estimation of a location parameter" (1964), with
// the definitions of PyTorch's SmoothL1Loss and HuberLoss. The order of operations and of the sum, and so every bit of a
// result, is fixed: see package cpu, whose reference implementation spells it out, also for weights, masks and other arguments.
//
// Package gpu computes the loss, on a CUDA device or on the CPU.
package smoothl1

import (
	"fmt"
	"math"
	"unsafe"
)

// A Loss describes the function to compute. The zero value is the L1 loss with mean reduction.
type Loss struct {
	Kind Kind
	// Beta is the absolute difference at which the loss changes from quadratic to linear; for Huber it is delta. It is rounded
	// once to the computing type: with float32, 0.1 means the float32 nearest to 0.1. 0 selects the L1 loss, and is an error
	// for Huber.
	Beta      float64
	Reduction Reduction
}

// String returns a description of the loss, such as "smooth_l1(beta=1, mean)".
func (l Loss) String() string {
	name := "beta"
	if l.Kind == Huber {
		name = "delta"
	}
	return fmt.Sprintf("%v(%s=%v, %v)", l.Kind, name, l.Beta, l.Reduction)
}

// Validate returns an error if the loss cannot be computed for elements of type t. Its errors are *ArgError with the operation
// "Loss", wrapping ErrKind, ErrReduction, ErrDType or ErrBeta.
//
// Beta must be finite and not negative, and for Huber positive; a positive beta must not round to 0 or infinity in the computing
// type of t.
func (l Loss) Validate(t DType) error {
	if l.Kind <= Huber && l.Reduction <= None && t <= BFloat16 && l.Beta >= 0x1p-126 && l.Beta <= math.MaxFloat32 {
		return nil // the common case: beta rounds neither to 0 nor to infinity in any computing type
	}
	return l.validate(t)
}

func (l Loss) validate(t DType) error {
	const op = "Loss"
	if !l.Kind.valid() {
		return NewArgError(op, "kind", uint8(l.Kind), fmt.Errorf("%w: want SmoothL1 or Huber", ErrKind))
	}
	if !l.Reduction.valid() {
		return NewArgError(op, "reduction", uint8(l.Reduction), fmt.Errorf("%w: want Mean, Sum or None", ErrReduction))
	}
	if t.Computing() == unknown {
		return NewArgError(op, "dtype", t, ErrDType)
	}
	name := "beta"
	if l.Kind == Huber {
		name = "delta"
	}
	bad := func(why string) error {
		return NewArgError(op, name, l.Beta, fmt.Errorf("%w: %s", ErrBeta, why))
	}
	switch {
	case math.IsNaN(l.Beta) || math.IsInf(l.Beta, 0):
		return bad("must be finite")
	case l.Beta < 0:
		return bad("must not be negative")
	case l.Beta == 0 && l.Kind == Huber:
		return bad("must be positive for the Huber loss")
	case l.Beta > 0 && t.Computing() == Float32 && (float32(l.Beta) == 0 || math.IsInf(float64(float32(l.Beta)), 0)):
		return bad(fmt.Sprintf("is %v in float32", float32(l.Beta)))
	}
	return nil
}

// Kind is a kind of loss.
type Kind uint8

// The kinds of loss.
const (
	SmoothL1 Kind = iota // quadratic below beta, with slope ±1 above; "smooth_l1"
	Huber                // beta × smooth L1: quadratic below delta, with slope ±delta above; "huber"
)

// Reduction says how the loss terms of the elements are combined.
type Reduction uint8

// The reductions.
const (
	Mean Reduction = iota // their sum divided by their count; "mean"
	Sum                   // their sum; "sum"
	None                  // one loss term per element; "none"
)

// Float is the constraint satisfied by the types of numbers.
type Float interface {
	float32 | float64 | F16 | BF16
}

// Element is the constraint satisfied by the element types: of numbers, masks (uint8) and indices (int32).
type Element interface{ Float | uint8 | int32 }

// DType is an element type of the arrays.
type DType uint8

// The element types.
const (
	Float32  DType = iota // "float32"
	Float64               // "float64"
	Float16               // "float16", in Go F16
	BFloat16              // "bfloat16", in Go BF16
	Uint8                 // "uint8", of masks
	Int32                 // "int32", of indices
)

// DTypeOf returns the DType of T.
func DTypeOf[T Element]() DType {
	// The size is a constant of each instantiation; a type switch looks T up in the generic dictionary.
	switch unsafe.Sizeof(*new(T)) {
	case 1:
		return Uint8
	case 4:
		if half := T(1) / T(2); half != 0 {
			return Float32
		}
		return Int32
	case 8:
		return Float64
	}
	switch any(*new(T)).(type) {
	case F16:
		return Float16
	case BF16:
		return BFloat16
	}
	return unknown
}

// unknown is the DType of a type that is in Element but not in DTypeOf. Every operation refuses it, so that such a type is never
// computed as another.
const unknown DType = 1<<8 - 1

// Size returns the size of an element in bytes; it is 0 if t is not a valid type.
func (t DType) Size() int { return t.facts().size }

// Computing returns the computing type of t: the type of the arithmetic on its elements, to which beta, the norm 1/divisor of a mean
// and the upstream gradient are rounded. It is Float32 for the types of 16 bits, and not a valid type for those that hold no numbers.
func (t DType) Computing() DType { return t.facts().computing }

// facts are the properties of an element type.
type facts struct {
	name      string
	size      int // bytes
	computing DType
}

var dtypes = [...]facts{
	Float32:  {"float32", 4, Float32},
	Float64:  {"float64", 8, Float64},
	Float16:  {"float16", 2, Float32},
	BFloat16: {"bfloat16", 2, Float32},
	Uint8:    {"uint8", 1, unknown},
	Int32:    {"int32", 4, unknown},
}

func (t DType) facts() *facts {
	if !t.valid() {
		return &facts{computing: unknown}
	}
	return &dtypes[t]
}
