package main

import (
	"errors"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// stages are the staging buffers of all arrays, nil for absent arrays.
type stages[T smoothl1.Float] struct {
	pred, target, upstream      *stage[T]
	terms, gradPred, gradTarget *stage[T]
}

func newStages[T smoothl1.Float](dev *gpu.Device, n int, in inputs, out outputs) (s stages[T], err error) {
	for _, x := range []struct {
		wanted bool
		to     **stage[T]
	}{
		{true, &s.pred}, {true, &s.target}, {in.upstream != nil, &s.upstream},
		{out.terms != nil, &s.terms}, {out.gradPred != nil, &s.gradPred}, {out.gradTarget != nil, &s.gradTarget},
	} {
		if x.wanted {
			if *x.to, err = newStage[T](dev, n); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (s *stages[T]) all() []*stage[T] {
	return []*stage[T]{s.pred, s.target, s.upstream, s.terms, s.gradPred, s.gradTarget}
}

func (s *stages[T]) close() {
	for _, x := range s.all() {
		if x != nil {
			x.room.Close()
		}
	}
}

// load copies m elements, beginning with first, to the device.
func (s *stages[T]) load(in inputs, first, m int) error {
	for _, x := range s.all() {
		if x != nil {
			if err := x.cut(m); err != nil {
				return err
			}
		}
	}
	err := errors.Join(s.pred.load(in.pred, first), s.target.load(in.target, first))
	if s.upstream != nil {
		err = errors.Join(err, s.upstream.load(in.upstream, first))
	}
	return err
}

// compute processes the loaded pieces of arrays of n elements, and appends their chunk sums to sums.
func (s *stages[T]) compute(crit *gpu.SmoothL1[T], e *evaluation, n int, sums []float64) ([]float64, error) {
	a := gpu.Args[T]{Pred: s.pred.piece, Target: s.target.piece}
	reduced := e.loss.Reduction != smoothl1.None
	if s.terms != nil {
		if err := crit.ForwardTerms(a.Pred, a.Target, s.terms.piece); err != nil {
			return sums, err
		}
	}
	if e.loss.Reduction == smoothl1.Mean {
		a.Divisor = smoothl1.DivideBy(float64(n))
	}
	if s.upstream != nil && reduced { // no kernel computes both the loss and gradients with it
		if err := crit.Run(&a); err != nil {
			return sums, err
		}
		a.NoLoss = true
	}
	if s.gradPred != nil {
		a.GradPred = s.gradPred.piece
	}
	if s.gradTarget != nil {
		a.GradTarget = s.gradTarget.piece
	}
	gradients := a.GradPred != nil || a.GradTarget != nil
	switch {
	case gradients && s.upstream != nil:
		a.Upstream = gpu.Elements(s.upstream.piece)
	case gradients:
		a.Upstream = gpu.Number[T](e.scale)
	}
	var err error
	if gradients || reduced && !a.NoLoss {
		err = crit.Run(&a)
	}
	if err != nil || !reduced {
		return sums, err
	}
	return crit.ChunkSums(sums)
}

// save appends the output pieces to the files.
func (s *stages[T]) save(out outputs) error {
	var errs []error
	for _, x := range []struct {
		from *stage[T]
		to   *npy.Writer
	}{{s.terms, out.terms}, {s.gradPred, out.gradPred}, {s.gradTarget, out.gradTarget}} {
		if x.from != nil {
			errs = append(errs, x.from.save(x.to))
		}
	}
	return errors.Join(errs...)
}

// stage is a staging buffer for the pieces of one array: memory on the host and on the device, which on the CPU is the same.
type stage[T smoothl1.Float] struct {
	host   []T
	room   *gpu.Buffer[T]
	piece  *gpu.Buffer[T] // the part of room that is in use
	shared bool
}

func newStage[T smoothl1.Float](dev *gpu.Device, n int) (*stage[T], error) {
	s := &stage[T]{host: make([]T, n), shared: dev.Backend() == "cpu"}
	var err error
	if s.shared {
		s.room, err = gpu.WrapHost(dev, s.host)
	} else {
		s.room, err = gpu.Alloc[T](dev, n)
	}
	return s, err
}

// cut makes the piece m elements long.
func (s *stage[T]) cut(m int) (err error) {
	s.piece, err = s.room.Slice(0, m)
	return err
}

func (s *stage[T]) load(a *npy.Array, first int) error {
	x := s.host[:s.piece.Len()]
	if err := npy.ReadAt(a, x, first); err != nil || s.shared {
		return err
	}
	return s.piece.Set(x)
}

func (s *stage[T]) save(w *npy.Writer) error {
	x := s.host[:s.piece.Len()]
	if !s.shared {
		if err := s.piece.Download(x); err != nil {
			return err
		}
	}
	return npy.Append(w, x)
}
