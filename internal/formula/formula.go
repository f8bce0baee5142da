// Package formula holds the constants of a loss in the type it is computed in, as the kernels and the fast CPU code take
// them: one formula for smooth L1, Huber and L1, whose unused factors are an exact 1.
package formula

import (
	"math"

	"github.com/smoothl1/smoothl1"
)

// Constants are those of kernels/smoothl1.cu: a loss term is a < Threshold ? ((0.5·a)·a)/Divisor : Outer·(a − 0.5·Threshold).
type Constants[T smoothl1.Float] struct {
	Threshold T    // beta or delta; 0 for L1
	Outer     T    // delta for Huber, else 1
	Divisor   T    // beta for smooth L1, else 1: what the quotient of the formula divides by
	Inverse   T    // 1/Divisor where that is a power of two and finite, so that multiplying gives the same bits, else 1
	Divide    bool // there is no such inverse
}

// Of returns the constants of a valid loss.
func Of[T smoothl1.Float](l smoothl1.Loss) Constants[T] {
	c := Constants[T]{Threshold: T(l.Beta), Outer: 1, Divisor: 1, Inverse: 1}
	switch {
	case l.Kind == smoothl1.Huber:
		c.Outer = c.Threshold
	case c.Threshold > 0:
		c.Divisor = c.Threshold
		// Times a power of two and divided by its inverse are the same real number, rounded once either way; an inverse
		// that is infinite (of a subnormal beta) is none.
		inverse := 1 / c.Threshold
		fraction, _ := math.Frexp(float64(c.Threshold))
		if fraction == 0.5 && !math.IsInf(float64(inverse), 0) {
			c.Inverse = inverse
		} else {
			c.Divide = true
		}
	}
	return c
}

// Norm returns what a reduction multiplies the upstream gradient by: for a mean 1/count, divided in float64 and then rounded
// to T, else 1.
func Norm[T smoothl1.Float](l smoothl1.Loss, count int) T {
	return T(1 / Divisor(l, count))
}

// Divisor returns what a reduction divides the sum of the terms by: for a mean the count, else 1.
func Divisor(l smoothl1.Loss, count int) float64 {
	if l.Reduction == smoothl1.Mean {
		return float64(count)
	}
	return 1
}
