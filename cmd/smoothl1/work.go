package main

import (
	"context"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// work is an evaluation in progress.
type work[T smoothl1.Float] struct {
	ctx      context.Context
	e        *evaluation
	p        *plan
	out      *created
	lanes    *lanes[T]
	bar      *progress
	elements int       // most elements of a piece
	cut      bool      // rows are cut into pieces
	losses   []float64 // those that are kept
	divisors []float64 // of them, if they are kept
}

// start begins the progress bar.
func (w *work[T]) start() {
	n := w.p.elements()
	if n <= w.elements {
		return
	}
	if w.cut && w.e.countsAhead() {
		n *= 2
	}
	w.bar.start(n)
}

// compute computes rows, or queues them. If that fails, the pieces queued before are finished, so that whoever reads a pipe gets them.
func (w *work[T]) compute(row, rows int) (err error) {
	if w.cut {
		err = w.row(row * w.p.cols)
	} else {
		err = w.together(row, rows)
	}
	if err != nil {
		_ = w.lanes.settle() // report the first error
	}
	return err
}

// together queues whole rows, in one call.
func (w *work[T]) together(row, rows int) error {
	l, err := w.load(row*w.p.cols, rows*w.p.cols)
	if err != nil {
		return err
	}
	s := l.stages
	if err := s.losses.cut(rows); err != nil {
		return err
	}
	a := s.arguments(w.e, w.p.scale)
	a.ByRow, a.Losses, a.Divisor, a.Shape = true, s.losses.buffer(), w.e.divides(), &smoothl1.Shape{Rows: rows, Cols: w.p.cols}
	if err := l.crit.Run(&a, s.how...); err != nil {
		return err
	}
	s.losses.to = w.keep
	if err := s.losses.download(); err != nil {
		return err
	}
	return w.queued(l, rows*w.p.cols, func() error {
		if err := w.divided(s, rows); err != nil {
			return err
		}
		return s.losses.save()
	})
}

// divided keeps what the losses of rows of a piece were divided by.
func (w *work[T]) divided(s *stages[T], rows int) error {
	switch e := w.e; {
	case !e.counted:
		return nil
	case e.counts():
		counts, err := s.countRows(rows, w.p.cols, e.divisor.Weights())
		w.divisors = append(w.divisors, counts...)
		return err
	}
	for range rows {
		w.divisors = append(w.divisors, w.given())
	}
	return nil
}

// given returns what a mean is divided by, if the mask and the weights do not decide it.
func (w *work[T]) given() float64 {
	if x, ok := w.e.divisor.Number(); ok {
		return x
	}
	return float64(w.p.cols)
}

// row computes a row, piece by piece, of which base is the first element.
func (w *work[T]) row(base int) error {
	e, n := w.e, w.p.cols
	divisor, sums, counts := smoothl1.Divisor{}, []float64(nil), []float64(nil)
	if e.loss.Reduction == smoothl1.Mean {
		divisor = smoothl1.DivideBy(float64(max(1, n)))
	}
	if _, ok := e.divisor.Number(); ok {
		divisor = e.divisor.Divisor
	}
	if e.countsAhead() {
		err := w.pieces(func(first, n int) (err error) {
			counts, err = w.lanes.all[0].stages.countAhead(base+first, n, e.divisor.Weights(), counts)
			w.bar.add(n)
			return err
		})
		if err != nil {
			return err
		}
		counted, err := total(counts, n)
		if err != nil {
			return err
		}
		var factor float64
		divisor, factor = handOver(w.p.dtype, counted, e.zeroIfEmpty)
		for _, l := range w.lanes.all {
			l.stages.factor = factor
		}
	}
	err := w.pieces(func(first, n int) error {
		l, err := w.load(base+first, n)
		if err != nil {
			return err
		}
		s := l.stages
		if e.counts() && !e.countsAhead() {
			if counts, err = s.count(n, e.divisor.Weights(), counts); err != nil {
				return err
			}
		}
		a := s.arguments(e, w.p.scale)
		a.Divisor = divisor
		if err := w.call(l, &a); err != nil {
			return err
		}
		return w.queued(l, n, func() (err error) {
			if e.loss.Reduction != smoothl1.None {
				sums, err = l.crit.ChunkSums(sums)
			}
			return err
		})
	})
	if err == nil {
		err = w.lanes.settle()
	}
	if err != nil || e.loss.Reduction == smoothl1.None {
		return err
	}
	loss, err := w.finish(sums, counts)
	if err != nil {
		return err
	}
	return w.keep([]float64{loss})
}

// pieces calls do for each piece of a row.
func (w *work[T]) pieces(do func(first, n int) error) error {
	for first := 0; first < w.p.cols; first += w.elements {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := do(first, min(w.elements, w.p.cols-first)); err != nil {
			return err
		}
	}
	return nil
}

// load returns the lane for the next piece, with the piece of n elements that begins with first.
func (w *work[T]) load(first, n int) (*lane[T], error) {
	l, err := w.lanes.turn()
	if err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return l, l.stages.load(first, n)
}

// queued queues the copies of the results of a piece of n elements. Once it is done, take takes those that are not written to files.
func (w *work[T]) queued(l *lane[T], n int, take func() error) error {
	if err := l.stages.download(); err != nil {
		return err
	}
	l.finish = func() error {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := l.wait(); err != nil {
			return err
		}
		if err := take(); err != nil {
			return err
		}
		if err := l.stages.save(); err != nil {
			return err
		}
		w.bar.add(n)
		return nil
	}
	return nil
}

// call queues a piece.
//
// What lean kernels compute in two calls is computed in two: the loss of each element beside anything else, and the reduced loss beside
// gradients of an elementwise upstream gradient.
func (w *work[T]) call(l *lane[T], a *gpu.Args[T]) error {
	reduced := w.e.loss.Reduction != smoothl1.None
	gradients := a.GradPred != nil || a.GradTarget != nil
	rich := a.Weight != nil || a.Mask != nil || a.Beta != nil || a.Abs != nil || a.Second != nil || a.AccumulatePred || a.AccumulateTarget
	if !rich && a.Terms != nil && (gradients || reduced) {
		if err := l.crit.ForwardTerms(a.Pred, a.Target, a.Terms, l.stages.how...); err != nil {
			return err
		}
		a.Terms = nil
	}
	if !rich && reduced && gradients && l.stages.in[inUpstream] != nil {
		if err := l.crit.Forward(a.Pred, a.Target, l.stages.how...); err != nil {
			return err
		}
		a.NoLoss = true
	}
	return l.crit.Run(a, l.stages.how...)
}

// total returns the canonical sum of n numbers from its chunk sums.
func total(sums []float64, n int) (float64, error) {
	return cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, sums, n, smoothl1.Divisor{})
}

// finish returns the loss of a row from its chunk sums, and from those of what a divisor counts.
func (w *work[T]) finish(sums, counts []float64) (float64, error) {
	e, n := w.e, w.p.cols
	if !e.counts() {
		if e.counted {
			w.divisors = append(w.divisors, w.given())
		}
		return cpu.Finish(e.loss, sums, n, e.divides())
	}
	sum, err := total(sums, n)
	if err != nil {
		return 0, err
	}
	counted, err := total(counts, n)
	if err != nil {
		return 0, err
	}
	if e.counted {
		w.divisors = append(w.divisors, counted)
	}
	if counted == 0 && e.zeroIfEmpty {
		return 0, nil
	}
	return sum / counted, nil
}

// handOver returns a divisor that an op accepts, and a factor of the upstream gradient, which together scale gradients as the norm 1/x
// does. Only where there are weights can x be anything but a positive number of elements, and only there is the norm a factor of the
// upstream gradient. The factor is 1 or −1 or, if the norm is 0, infinite or NaN in the computing type, the norm.
func handOver(t smoothl1.DType, x float64, zeroIfEmpty bool) (smoothl1.Divisor, float64) {
	norm := 1 / x
	if x == 0 && zeroIfEmpty {
		norm = 0
	}
	if t.Computing() == smoothl1.Float32 {
		norm = float64(float32(norm))
	}
	switch {
	case norm == 0 || math.IsInf(norm, 0) || math.IsNaN(norm):
		return smoothl1.DivideBy(1), norm
	case norm < 0:
		return smoothl1.DivideBy(-x), -1
	default:
		return smoothl1.DivideBy(x), 1
	}
}
