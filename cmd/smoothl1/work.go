package main

import (
	"context"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// work is an evaluation in progress.
type work[T smoothl1.Float] struct {
	ctx      context.Context
	e        *evaluation
	p        *plan
	crit     *gpu.SmoothL1[T]
	out      *created
	stages   *stages[T]
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

// compute computes rows.
func (w *work[T]) compute(row, rows int) error {
	var losses []float64
	var err error
	if w.cut {
		losses, err = w.row(row * w.p.cols)
	} else {
		losses, err = w.together(row, rows)
	}
	if err != nil || w.e.loss.Reduction == smoothl1.None {
		return err
	}
	if w.e.keeps {
		w.losses = append(w.losses, losses...)
	}
	if to := w.out.writers[outLoss]; to != nil {
		return npy.Append(to, losses)
	}
	return nil
}

// together computes whole rows in one call.
func (w *work[T]) together(row, rows int) ([]float64, error) {
	s, n := w.stages, rows*w.p.cols
	if err := w.load(row*w.p.cols, n); err != nil {
		return nil, err
	}
	if err := s.losses.cut(rows); err != nil {
		return nil, err
	}
	a := s.arguments(w.e, w.p.scale)
	a.ByRow, a.Losses, a.Divisor, a.Shape = true, s.losses.buffer(), w.e.divides(), &smoothl1.Shape{Rows: rows, Cols: w.p.cols}
	if err := w.crit.Run(&a); err != nil {
		return nil, err
	}
	var losses []float64
	s.losses.to = func(x []float64) error {
		losses = x
		return nil
	}
	if err := s.losses.save(); err != nil {
		return nil, err
	}
	if err := w.divided(rows); err != nil {
		return nil, err
	}
	return losses, w.save(n)
}

// divided keeps what the losses of rows of the loaded piece were divided by.
func (w *work[T]) divided(rows int) error {
	switch e := w.e; {
	case !e.counted:
		return nil
	case e.counts():
		counts, err := w.stages.countRows(rows, w.p.cols, e.divisor.Weights())
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

// row computes a row, piece by piece, of which base is the first element. It returns its loss, if it is reduced.
func (w *work[T]) row(base int) ([]float64, error) {
	e, s, n := w.e, w.stages, w.p.cols
	divisor, sums, counts := smoothl1.Divisor{}, []float64(nil), []float64(nil)
	if e.loss.Reduction == smoothl1.Mean {
		divisor = smoothl1.DivideBy(float64(max(1, n)))
	}
	if _, ok := e.divisor.Number(); ok {
		divisor = e.divisor.Divisor
	}
	if e.countsAhead() {
		err := w.pieces(func(first, n int) (err error) {
			counts, err = s.countAhead(base+first, n, e.divisor.Weights(), counts)
			w.bar.add(n)
			return err
		})
		if err != nil {
			return nil, err
		}
		counted, err := total(counts, n)
		if err != nil {
			return nil, err
		}
		divisor, s.factor = handOver(w.p.dtype, counted, e.zeroIfEmpty)
	}
	err := w.pieces(func(first, n int) (err error) {
		if err := w.load(base+first, n); err != nil {
			return err
		}
		if e.counts() && !e.countsAhead() {
			if counts, err = s.count(n, e.divisor.Weights(), counts); err != nil {
				return err
			}
		}
		a := s.arguments(e, w.p.scale)
		a.Divisor = divisor
		if sums, err = w.call(&a, sums); err != nil {
			return err
		}
		return w.save(n)
	})
	if err != nil || e.loss.Reduction == smoothl1.None {
		return nil, err
	}
	loss, err := w.finish(sums, counts)
	return []float64{loss}, err
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

func (w *work[T]) load(first, n int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.stages.load(first, n)
}

func (w *work[T]) save(n int) error {
	if err := w.stages.save(); err != nil {
		return err
	}
	w.bar.add(n)
	return nil
}

// call computes a piece, and appends its chunk sums to sums.
//
// What lean kernels compute in two calls is computed in two: the loss of each element beside anything else, and the reduced loss beside
// gradients of an elementwise upstream gradient.
func (w *work[T]) call(a *gpu.Args[T], sums []float64) ([]float64, error) {
	reduced := w.e.loss.Reduction != smoothl1.None
	gradients := a.GradPred != nil || a.GradTarget != nil
	rich := a.Weight != nil || a.Mask != nil || a.Beta != nil || a.Abs != nil || a.Second != nil || a.AccumulatePred || a.AccumulateTarget
	if !rich && a.Terms != nil && (gradients || reduced) {
		if err := w.crit.ForwardTerms(a.Pred, a.Target, a.Terms); err != nil {
			return sums, err
		}
		a.Terms = nil
	}
	if !rich && reduced && gradients && w.stages.in[inUpstream] != nil {
		if err := w.crit.Forward(a.Pred, a.Target); err != nil {
			return sums, err
		}
		a.NoLoss = true
	}
	if err := w.crit.Run(a); err != nil || !reduced {
		return sums, err
	}
	return w.crit.ChunkSums(sums)
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
