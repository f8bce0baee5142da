package op

import (
	"math"

	"github.com/smoothl1/smoothl1"
)

// Constants are those of a loss in the type T that it is computed in, as kernels/smoothl1.cu and the vector code take them: one
// formula for smooth L1, Huber and L1, whose unused factors are an exact 1. A loss term is
// a < Threshold ? ((0.5·a)·a)/Divisor : Outer·(a − 0.5·Threshold).
type Constants[T smoothl1.Float] struct {
	Threshold T // beta or delta; 0 for L1
	Outer     T // delta for Huber, else 1
	Divisor   T // beta for smooth L1, else 1: what the quotient of the formula divides by
	Inverse   T // 1/Divisor where that is a power of two and finite, so that multiplying gives the same bits, else 1
}

// Divides says that there is no such inverse: the quotients are to be divided.
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

// inverse returns 1/x for a positive x that is a power of two and has a finite one, else 1: times the one and divided by the
// other are the same real number, rounded once either way. (A subnormal float64 is left to division too.)
func inverse[T smoothl1.Float](x T) T {
	bits, fraction := math.Float64bits(float64(x)), uint64(1)<<52-1
	if y := 1 / x; bits&fraction == 0 && y <= largest[T]() {
		return y
	}
	return 1
}

// largest returns the largest finite number of a type that is computed in; 0 of one that is unknown, which has no inverses.
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

// Norm returns what a reduction multiplies the upstream gradient by: 1/divisor, divided in float64 and then rounded to T.
func Norm[T smoothl1.Float](divisor float64) T { return T(1 / divisor) }

// Divisor returns what a reduction of count elements divides the sum of the terms by: for a mean d, else 1.
func Divisor(r smoothl1.Reduction, d smoothl1.Divisor, count int) float64 {
	if r == smoothl1.Mean {
		return d.Of(count)
	}
	return 1
}
