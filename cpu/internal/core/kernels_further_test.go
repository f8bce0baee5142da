package core

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/op"
)

// plainLoop is generic, and computes what kernels with weights or a mask do, of which there are none in Go.
func plainLoop[T Float](p *Params[T]) {
	if p.Kernel <= ForwardBackward {
		generic(p)
		return
	}
	slice := func(x *T) []T {
		if x == nil {
			return nil
		}
		return unsafe.Slice(x, p.N)
	}
	pred, target, weight, out, negated := slice(p.Pred), slice(p.Target), slice(p.Upstream), slice(p.Out), slice(p.Negated)
	for start := 0; start < p.N; start += op.Chunk {
		var lanes [op.Lanes]float64
		for i := start; i < min(start+op.Chunk, p.N); i++ {
			var term, gradient, negative T
			if p.Mask == nil || unsafe.Slice(p.Mask, p.N)[i] != 0 {
				norm, g, w := p.Norm, p.G, T(1)
				if weight != nil {
					norm, g, w = 1, p.G*weight[i], weight[i]
				}
				term, gradient = formula(p, pred[i]-target[i], norm, g)
				term, negative = term*w, -gradient
			}
			lanes[i%op.Lanes] += float64(term)
			if out[i] = gradient; negated != nil {
				negated[i] = negative
			}
		}
		*at(p.Sums, start/op.Chunk) = Fold(&lanes, op.Lanes)
	}
}

// formula returns the term and the gradient of a difference.
func formula[T Float](p *Params[T], d, norm, g T) (term, gradient T) {
	a := max(d, -d)
	if a < p.Threshold {
		term = T(T(T(0.5)*a)*a) / p.Divisor
	} else {
		term = p.Outer * (a - p.Half)
	}
	side := T(norm*g) * p.Outer
	switch {
	case d > p.Threshold:
		return term, side
	case d < -p.Threshold:
		return term, -side
	case p.L1 != 0: // all ones is a NaN
		return term, fromBits[T](bits(a) ^ bits(p.Flip))
	}
	return term, T(T(norm*d)*g) / p.Divisor
}
