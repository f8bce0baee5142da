// Package smoothl1 is the vocabulary of the smooth L1 loss: which loss, which beta, which reduction, for which element type,
// and the errors that the packages computing it return.
//
// With d = pred − target and a = |d|:
//
//	smooth L1 (beta > 0)   a < beta ? 0.5·a²/beta : a − 0.5·beta
//	Huber (delta > 0)      a < delta ? 0.5·a² : delta·(a − 0.5·delta)     = delta × smooth L1 with beta = delta
//	L1 (beta = 0)          a
//
// The losses are those of Girshick, "Fast R-CNN" (2015), and Huber, "Robust estimation of a location parameter" (1964), with
// the definitions of PyTorch's SmoothL1Loss and HuberLoss. The order of operations and of the sum, and so every bit of a
// result, is fixed: see the package cpu, whose reference spells it out.
//
// Package gpu computes the loss, on a CUDA device or on the CPU.
package smoothl1

import (
	"fmt"
	"math"
	"unsafe"
)

// A Loss says what is computed. The zero value is the L1 loss with mean reduction.
type Loss struct {
	Kind Kind
	// Beta is where the loss turns from quadratic to linear, in the unit of pred − target; for Huber it is delta. It is
	// converted once to the computing type: 0.1 means the float32 nearest to 0.1 where float32 is computed. 0 gives the L1
	// loss, and is an error for Huber.
	Beta      float64
	Reduction Reduction
}

// String returns the loss in words, as "smooth_l1(beta=1, mean)".
func (l Loss) String() string {
	name := "beta"
	if l.Kind == Huber {
		name = "delta"
	}
	return fmt.Sprintf("%v(%s=%v, %v)", l.Kind, name, l.Beta, l.Reduction)
}

// Validate says whether the loss can be computed for elements of the type t. Its errors are *ArgError with the operation
// "Loss", wrapping ErrKind, ErrReduction, ErrDType or ErrBeta.
//
// Beta must be finite, not negative, and for Huber positive; a positive one must not become 0 or infinite in the type that t
// is computed in.
func (l Loss) Validate(t DType) error {
	if l.Kind <= Huber && l.Reduction <= None && t <= Float64 && l.Beta >= 0x1p-126 && l.Beta <= math.MaxFloat32 {
		return nil // first, since every call asks: beta is neither 0 nor infinite in any type that is computed in
	}
	return l.validate(t)
}

func (l Loss) validate(t DType) error {
	const op = "Loss"
	if !l.Kind.valid() {
		return NewArgError(op, "kind", uint8(l.Kind), ErrKind)
	}
	if !l.Reduction.valid() {
		return NewArgError(op, "reduction", uint8(l.Reduction), ErrReduction)
	}
	if !t.valid() {
		return NewArgError(op, "dtype", uint8(t), ErrDType)
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

// Kind tells the losses apart.
type Kind uint8

// The kinds of loss.
const (
	SmoothL1 Kind = iota // quadratic below beta, with slope ±1 above; "smooth_l1"
	Huber                // beta × smooth L1: quadratic below delta, with slope ±delta above; "huber"
)

// Reduction says what becomes of the loss terms of the elements.
type Reduction uint8

// The reductions.
const (
	Mean Reduction = iota // their sum divided by their count; "mean"
	Sum                   // their sum; "sum"
	None                  // one loss term per element; "none"
)

// Float is the constraint of the element types that are computed.
type Float interface{ float32 | float64 }

// DType is an element type of the arrays.
type DType uint8

// The element types.
const (
	Float32 DType = iota // "float32"
	Float64              // "float64"
)

// DTypeOf returns the element type T. It goes by the size, which the compiler knows where it does not know the type.
func DTypeOf[T Float]() DType {
	switch unsafe.Sizeof(*new(T)) {
	case 4:
		return Float32
	case 8:
		return Float64
	}
	return unknown
}

// unknown is refused wherever a type is asked for: a type added to Float and forgotten here is computed as no other.
const unknown DType = 1<<8 - 1

// Size returns the bytes of an element; 0 for a type that does not exist.
func (t DType) Size() int { return t.facts().size }

// Computing returns the type that elements of type t are computed in: beta, the norm and the upstream gradient are rounded to it.
func (t DType) Computing() DType { return t.facts().computing }

// facts are what is known of an element type.
type facts struct {
	name      string
	size      int // bytes
	computing DType
}

var dtypes = [...]facts{
	Float32: {"float32", 4, Float32},
	Float64: {"float64", 8, Float64},
}

func (t DType) facts() *facts {
	if !t.valid() {
		return &facts{computing: unknown}
	}
	return &dtypes[t]
}
