package cpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/formula"
)

// ForwardTerms writes the loss term of every element to a.Terms: the loss without reduction, whatever l.Reduction says.
func ForwardTerms[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if err := a.check("ForwardTerms", l, outputs{terms: true}); err != nil {
		return err
	}
	run(newWalk(l, a, outputs{terms: true}))
	return nil
}

// Forward returns the reduced loss, a mean or a sum. The mean of nothing is NaN, the sum of nothing +0.
func Forward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	if err := a.check("Forward", l, outputs{value: true}); err != nil {
		return 0, err
	}
	sum := run(newWalk(l, a, outputs{value: true}))
	return sum / formula.Divisor(l, a.count()), nil
}

// Backward writes the gradients with respect to pred and target, of which either may be left out, for the upstream gradient.
func Backward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if err := a.check("Backward", l, outputs{gradients: true}); err != nil {
		return err
	}
	run(newWalk(l, a, outputs{gradients: true}))
	return nil
}

// ForwardBackward returns the reduced loss and writes the gradients, in one pass over the arrays. The upstream gradient
// scales the gradients alone.
func ForwardBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	has := outputs{gradients: true, value: true}
	if err := a.check("ForwardBackward", l, has); err != nil {
		return 0, err
	}
	sum := run(newWalk(l, a, has))
	return sum / formula.Divisor(l, a.count()), nil
}

// Finish returns the reduced loss of an array of count elements from its chunk sums, gathered from shards in their order.
// The shards but the last must have been cut at multiples of Chunk elements.
func Finish(l smoothl1.Loss, chunkSums []float64, count int) (float64, error) {
	const op = "Finish"
	if err := l.Validate(smoothl1.Float64); err != nil {
		return 0, err
	}
	if l.Reduction == smoothl1.None {
		return 0, smoothl1.NewArgError(op, "reduction", l.Reduction, smoothl1.ErrReduction)
	}
	if count < 0 {
		return 0, smoothl1.NewArgError(op, "count", count, smoothl1.ErrCount)
	}
	if len(chunkSums) != Chunks(count) {
		return 0, smoothl1.NewArgError(op, "len(chunkSums)", len(chunkSums),
			fmt.Errorf("%w: %d elements have %d", smoothl1.ErrLength, count, Chunks(count)))
	}
	var s summer
	for _, sum := range chunkSums {
		s.add(sum)
	}
	return s.sum() / formula.Divisor(l, count), nil
}

// newWalk returns the pass of op l over the arrays of a.
func newWalk[T smoothl1.Float](l smoothl1.Loss, a Args[T], what outputs) walk[T] {
	c := formula.Of[T](l)
	return walk[T]{
		scalars: scalars[T]{
			threshold: c.Threshold,
			half:      T(T(0.5) * c.Threshold),
			outer:     c.Outer,
			divisor:   c.Divisor,
			norm:      formula.Norm[T](l, a.count()),
			g:         a.Upstream.number(),
		},
		args: a,
		what: what,
	}
}

// walk is one pass over the arrays.
type walk[T smoothl1.Float] struct {
	scalars[T]
	args Args[T]
	what outputs
}

// chunk computes the chunk from element start, at most Chunk elements, and returns its chunk sum if that is asked for.
func (w *walk[T]) chunk(start int) (sum float64) {
	a := &w.args
	end := min(start+Chunk, len(a.Pred))
	var lanes [Lanes]float64
	var discard [Lanes]T
	for i := start; i < end; i += Lanes {
		j := min(i+Lanes, end)
		pred, target := a.Pred[i:j], a.Target[i:j]
		switch {
		case w.what.terms:
			termsRow(w.scalars, a.Terms[i:j], pred, target)
		case w.what.value:
			sumRow(w.scalars, &lanes, pred, target)
		}
		if !w.what.gradients {
			continue
		}
		gradPred := discard[:j-i]
		if a.GradPred != nil {
			gradPred = a.GradPred[i:j]
		}
		var upstream []T
		if a.Upstream.elements != nil {
			upstream = a.Upstream.elements[i:j]
		}
		switch {
		case w.threshold == 0:
			l1Row(w.scalars, gradPred, pred, target, upstream)
		case upstream != nil:
			elementwiseRow(w.scalars, gradPred, pred, target, upstream)
		default:
			gradientRow(w.scalars, gradPred, pred, target)
		}
		if a.GradTarget != nil {
			gradTarget := a.GradTarget[i:j]
			for k, g := range gradPred {
				gradTarget[k] = -g
			}
		}
	}
	if w.what.value {
		sum = fold(&lanes)
	}
	return sum
}
