package core

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/op"
)

// generic implements the kernels in Go, but for those that only HasKernels tells of. In assembly, too, a kernel computes:
//
//	for each chunk of 2048 elements:
//	    lanes = 128 × +0
//	    for each row of 128 elements, for each element i of it:
//	        d = pred[i] − target[i]; a = |d|
//	        term = a < threshold ? ((0.5·a)·a)/divisor : outer·(a − half)
//	        side = (norm·g)·outer                                    g: the number, or upstream[i]
//	        middle = l1 ? |d| with the sign of flip : ((norm·d)·g)/divisor
//	        gradient = d < −threshold ? −side : d > threshold ? side : middle
//	        out[i] = term or gradient; negated[i] = −gradient; lane[i mod 128] += float64(term)
//	    sums[chunk] = the lanes folded by halves
func generic[T Float](p *Params[T]) {
	slice := func(x *T) []T {
		if x == nil {
			return nil
		}
		return unsafe.Slice(x, p.N)
	}
	pred, target, upstream, out, negated := slice(p.Pred), slice(p.Target), slice(p.Upstream), slice(p.Out), slice(p.Negated)
	for start := 0; start < p.N; start += op.Chunk {
		var lanes [op.Lanes]float64
		end := min(start+op.Chunk, p.N)
		for i := start; i < end; i += op.Lanes {
			j := min(i+op.Lanes, end)
			if p.Kernel == Terms {
				termsRow(p, out[i:j], pred[i:j], target[i:j])
				continue
			}
			if p.Kernel.Reduces() {
				sumRow(p, &lanes, pred[i:j], target[i:j])
			}
			switch {
			case p.Kernel == Forward:
				continue
			case p.Threshold == 0 && upstream == nil:
				l1Row(p, out[i:j], pred[i:j], target[i:j], nil)
			case p.Threshold == 0:
				l1Row(p, out[i:j], pred[i:j], target[i:j], upstream[i:j])
			case upstream != nil:
				elementwiseRow(p, out[i:j], pred[i:j], target[i:j], upstream[i:j])
			default:
				gradientRow(p, out[i:j], pred[i:j], target[i:j])
			}
			if negated != nil {
				for k := i; k < j; k++ {
					negated[k] = -out[k]
				}
			}
		}
		switch {
		case !p.Kernel.Reduces():
		case p.Sums == nil:
			p.Sum = Fold(&lanes, end-start)
		default:
			*at(p.Sums, start/op.Chunk) = Fold(&lanes, end-start)
		}
	}
}
