package cpu

import (
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// On some processors Go may fuse x*y + z, rounding once. An explicit conversion of the product prevents that; every product here has
// one.

// refTerm returns the loss term of a difference d = pred − target.
func refTerm[T smoothl1.Float](l smoothl1.Loss, d T) T {
	beta := T(l.Beta)
	a := T(math.Abs(float64(d)))
	switch {
	case l.Kind == smoothl1.Huber && a < beta:
		return T(T(0.5*a) * a)
	case l.Kind == smoothl1.Huber:
		return T(beta * T(a-T(0.5*beta)))
	case beta == 0:
		return a
	case a < beta:
		return T(T(0.5*a)*a) / beta
	default:
		return a - T(0.5*beta)
	}
}

// refGradient returns the gradient with respect to pred for a difference d, norm n and upstream gradient g.
func refGradient[T smoothl1.Float](l smoothl1.Loss, d, n, g T) T {
	beta := T(l.Beta)
	switch {
	case l.Kind == smoothl1.Huber && d < -beta:
		return T(-T(n*g) * beta)
	case l.Kind == smoothl1.Huber && d > beta:
		return T(T(n*g) * beta)
	case l.Kind == smoothl1.Huber:
		return T(T(n*d) * g)
	case d < -beta:
		return -T(n * g)
	case d > beta:
		return T(n * g)
	case beta > 0:
		return T(T(n*d)*g) / beta
	case d == 0:
		return 0 // L1: +0 for every g
	default:
		return d // L1: NaN
	}
}

// refSum returns the canonical sum of terms.
func refSum[T smoothl1.Float](terms []T) float64 {
	if len(terms) == 0 {
		return 0
	}
	sums := refChunkSums(terms)
	for len(sums) > 1 {
		sums = refChunkSums(sums)
	}
	return sums[0]
}

// refChunkSums computes one level of the canonical sum: the sums of the chunks of terms.
func refChunkSums[T smoothl1.Float](terms []T) []float64 {
	sums := make([]float64, Chunks(len(terms)))
	for c := range sums {
		var lane [Lanes]float64
		for row := range Rows {
			for j := range Lanes {
				i := c*Chunk + row*Lanes + j
				if i < len(terms) {
					lane[j] += float64(terms[i])
				} else {
					lane[j] += 0
				}
			}
		}
		for half := Lanes / 2; half > 0; half /= 2 {
			for i := range half {
				lane[i] += lane[i+half]
			}
		}
		sums[c] = lane[0]
	}
	return sums
}

// refValue returns the reduced loss for the canonical sum of the terms.
func refValue(l smoothl1.Loss, sum, divisor float64) float64 {
	if l.Reduction == smoothl1.Mean {
		return sum / divisor
	}
	return sum
}

func refTerms[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) []T {
	terms := make([]T, len(a.Pred))
	for i := range terms {
		terms[i] = refTerm(l, a.Pred[i]-a.Target[i])
	}
	return terms
}

// RefForwardTerms is the reference for ForwardTerms.
func RefForwardTerms[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if _, err := a.check("RefForwardTerms", l, op.Terms); err != nil {
		return err
	}
	copy(a.Terms, refTerms(l, &a))
	return nil
}

// RefForward is the reference for Forward.
func RefForward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	if _, err := a.check("RefForward", l, op.Forward); err != nil {
		return 0, err
	}
	terms := refTerms(l, &a)
	if a.ChunkSums != nil {
		copy(a.ChunkSums, refChunkSums(terms))
	}
	return refValue(l, refSum(terms), a.Divisor.Of(len(a.Pred))), nil
}

// RefBackward is the reference for Backward.
func RefBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if _, err := a.check("RefBackward", l, op.Backward); err != nil {
		return err
	}
	n := T(1) // the norm
	if l.Reduction == smoothl1.Mean {
		n = T(1 / a.Divisor.Of(len(a.Pred)))
	}
	for i := range a.Pred {
		g := a.Upstream.number()
		if a.Upstream.elements != nil {
			g = a.Upstream.elements[i]
		}
		gradient := refGradient(l, a.Pred[i]-a.Target[i], n, g)
		if a.GradPred != nil {
			a.GradPred[i] = gradient
		}
		if a.GradTarget != nil {
			a.GradTarget[i] = -gradient
		}
	}
	return nil
}

// RefForwardBackward is the reference for ForwardBackward.
func RefForwardBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	if _, err := a.check("RefForwardBackward", l, op.ForwardBackward); err != nil {
		return 0, err
	}
	value, err := RefForward(l, a)
	if err != nil {
		return 0, err
	}
	return value, RefBackward(l, a)
}
