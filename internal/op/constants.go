package op

import (
	"math"

	"github.com/smoothl1/smoothl1"
)

// Constants are the constants of a loss in its computing type T, as used by kernels/smoothl1.cu and the core kernels of package cpu.
// One formula serves smooth L1, Huber and L1; factors that a loss does not have are 1, which is exact. A loss term is
// a < Threshold ? ((0.5·a)·a)/Divisor : Outer·(a − 0.5·Threshold).
type Constants[T Computing] struct {
	Threshold T // beta or delta; 0 for L1
	Outer     T // delta for Huber, else 1
	Divisor   T // beta for smooth L1, else 1
	Inverse   T // 1/Divisor if that is a power of two and finite, so that multiplying by it gives the same bits as dividing, else 1
}

// Divides reports whether the formula must divide, because there is no exact inverse.
func (c Constants[T]) Divides() bool { return c.Inverse == 1 && c.Divisor != 1 }

// Of returns the constants of a valid loss.
func Of[T Computing](l smoothl1.Loss) Constants[T] {
	beta := T(l.Beta)
	switch {
	case l.Kind == smoothl1.Huber:
		return Constants[T]{Threshold: beta, Outer: beta, Divisor: 1, Inverse: 1}
	case beta == 0:
		return Constants[T]{Outer: 1, Divisor: 1, Inverse: 1}
	default:
		return Constants[T]{Threshold: beta, Outer: 1, Divisor: beta, Inverse: inverse(beta)}
	}
}

// inverse returns 1/x if x is a positive power of two and 1/x is finite, else 1. Multiplying by such an inverse and dividing by x
// yield the same real number, rounded once. (For a subnormal float64, inverse returns 1 too.)
func inverse[T Computing](x T) T {
	if x == 1 || math.Float64bits(float64(x))&(1<<52-1) != 0 { // spare the most common loss a division
		return 1
	}
	if y := 1 / x; y-y == 0 {
		return y
	}
	return 1
}

// A Formula has the constants of a loss as a kernel takes them.
type Formula struct {
	Threshold, Inverse, Outer Number
	Divides                   bool
	// Corrects reports whether a kernel that divides may take quotients by the reciprocal, which is then Inverse, and correct them.
	Corrects bool
}

// FormulaOf returns the constants of a valid loss for elements of type t.
func FormulaOf(t smoothl1.DType, l smoothl1.Loss) Formula {
	if t.Computing() == smoothl1.Float64 {
		return formula(Of[float64](l))
	}
	c := Of[float32](l)
	f := formula(c)
	if f.Divides && c.Divisor >= 0x1p-24 && c.Divisor < 0x1p24 {
		f.Corrects, f.Inverse = true, NumberOf(1/c.Divisor)
	}
	return f
}

func formula[T Computing](c Constants[T]) Formula {
	return Formula{Threshold: NumberOf(c.Threshold), Inverse: NumberOf(c.Inverse), Outer: NumberOf(c.Outer), Divides: c.Divides()}
}

// Least returns the least magnitude from which on a kernel may correct the quotients of differences d, as a float32: +Inf if it may correct
// none. The numbers that are divided by beta must be 0 or of a magnitude from 2^-101 to 2^103: see kernels/smoothl1.cu. They are
// (0.5*d)*d for a loss term, and (norm*d)*g for a gradient, where norm*d must not overflow either, for |d| <= beta < 2^24.
func (f Formula) Least(pass Pass, norm, g float64) Number {
	norm, g = float64(float32(norm)), float64(float32(g)) // as kernels take them: g may be infinite then
	least := 0.0
	if pass != Backward {
		least = 0x1p-50
	}
	if pass.Differentiates() {
		switch scale := math.Abs(norm) * math.Abs(g); {
		case !(math.Abs(norm) <= 0x1p79 && scale <= 0x1p79):
			least = math.Inf(1)
		case scale > 0: // half of norm*d may be lost when it is subnormal
			least = max(least, 0x1p-99/scale)
		}
	}
	if !f.Corrects {
		least = math.Inf(1)
	}
	return NumberOf(float32(least))
}

// Round returns x, rounded to the computing type of t.
func Round(t smoothl1.DType, x float64) Number {
	if t.Computing() == smoothl1.Float64 {
		return NumberOf(x)
	}
	return NumberOf(float32(x))
}

// Norm returns the factor by which a reduction scales the upstream gradient: 1/divisor, computed in float64 and rounded to T.
func Norm[T Computing](divisor float64) T { return T(1 / divisor) }

// normOf is Norm for the computing type of t. It is NaN for an unknown type.
func normOf(t smoothl1.DType, divisor float64) float64 {
	switch t.Computing() {
	case smoothl1.Float32:
		return float64(Norm[float32](divisor))
	case smoothl1.Float64:
		return Norm[float64](divisor)
	}
	return math.NaN()
}

// Divisor returns the number by which a reduction over count elements divides the sum of the terms: that of d for a mean, else 1. It
// is also 1 for a mean over nothing that is to be 0. It is NaN for a divisor that depends on the mask or the weights.
func Divisor(r smoothl1.Reduction, d smoothl1.Divisor, count int) float64 {
	if r != smoothl1.Mean {
		return 1
	}
	x := d.Of(count)
	if x == 0 && d.IsZeroIfEmpty() {
		return 1
	}
	return x
}
