package op

import (
	"math"

	"github.com/smoothl1/smoothl1"
)

// Constants are the constants of a loss in its computing type T, as used by kernels/smoothl1.cu and the core kernels of package cpu.
// One formula serves smooth L1, Huber and L1; factors that a loss does not have are 1, which is exact. A loss term is
// a < Threshold ? ((0.5·a)·a)/Divisor : Outer·(a − 0.5·Threshold).
type Constants[T smoothl1.Float] struct {
	Threshold T // beta or delta; 0 for L1
	Outer     T // delta for Huber, else 1
	Divisor   T // beta for smooth L1, else 1
	Inverse   T // 1/Divisor if that is a power of two and finite, so that multiplying by it gives the same bits as dividing, else 1
}

// Divides reports whether the formula must divide, because there is no exact inverse.
func (c Constants[T]) Divides() bool { return c.Inverse == 1 && c.Divisor != 1 }

// Of returns the constants of a valid loss.
func Of[T smoothl1.Float](l smoothl1.Loss) Constants[T] {
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
func inverse[T smoothl1.Float](x T) T {
	bits, fraction := math.Float64bits(float64(x)), uint64(1)<<52-1
	if y := 1 / x; bits&fraction == 0 && y <= largest[T]() {
		return y
	}
	return 1
}

// largest returns the largest finite number of a computing type, or 0 for an unknown type, which thus has no inverses.
func largest[T smoothl1.Float]() T {
	x := 0.0
	switch smoothl1.DTypeOf[T]() {
	case smoothl1.Float32:
		x = math.MaxFloat32
	case smoothl1.Float64:
		x = math.MaxFloat64
	}
	return T(x)
}

// Norm returns the factor by which a reduction scales the upstream gradient: 1/divisor, computed in float64 and rounded to T.
func Norm[T smoothl1.Float](divisor float64) T { return T(1 / divisor) }

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

// Divisor returns the number by which a reduction over count elements divides the sum of the terms: that of d for a mean, else 1.
func Divisor(r smoothl1.Reduction, d smoothl1.Divisor, count int) float64 {
	if r == smoothl1.Mean {
		return d.Of(count)
	}
	return 1
}
