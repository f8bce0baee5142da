package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// generic makes a pass in Go. It is what every kernel in assembly does:
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
func generic[T smoothl1.Float](p *pass[T]) {
	slice := func(x *T) []T {
		if x == nil {
			return nil
		}
		return unsafe.Slice(x, p.n)
	}
	pred, target, upstream, out, negated := slice(p.pred), slice(p.target), slice(p.upstream), slice(p.out), slice(p.negated)
	for start := 0; start < p.n; start += Chunk {
		var lanes [Lanes]float64
		end := min(start+Chunk, p.n)
		for i := start; i < end; i += Lanes {
			j := min(i+Lanes, end)
			if p.kernel == forwardTerms {
				termsRow(p, out[i:j], pred[i:j], target[i:j])
				continue
			}
			if p.kernel.reduces() {
				sumRow(p, &lanes, pred[i:j], target[i:j])
			}
			switch {
			case p.kernel == forward:
				continue
			case p.threshold == 0 && upstream == nil:
				l1Row(p, out[i:j], pred[i:j], target[i:j], nil)
			case p.threshold == 0:
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
		case !p.kernel.reduces():
		case p.sums == nil:
			p.sum = fold(&lanes, end-start)
		default:
			*at(p.sums, start/Chunk) = fold(&lanes, end-start)
		}
	}
}
