package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// evaluation is what eval is asked for: files, "" where there is none, and the loss.
type evaluation struct {
	loss                      smoothl1.Loss
	pred, target, upstream    string
	scale                     float64 // the upstream gradient where there is no file of it
	out, gradPred, gradTarget string
}

// checkFiles refuses outputs that would take the place of an input or of each other.
func (e *evaluation) checkFiles() error {
	outputs := []struct{ flag, path string }{{"--out", e.out}, {"--grad-pred", e.gradPred}, {"--grad-target", e.gradTarget}}
	for i, o := range outputs {
		if o.path == "" {
			continue
		}
		for _, in := range []string{e.pred, e.target, e.upstream} {
			if sameFile(o.path, in) {
				return usagef("%s %s would replace an input: take another name", o.flag, o.path)
			}
		}
		for _, other := range outputs[:i] {
			if other.path == o.path || sameFile(o.path, other.path) {
				return usagef("%s and %s would write the same file: take two names", other.flag, o.flag)
			}
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// inputs are the opened arrays of an evaluation; upstream may be nil.
type inputs struct{ pred, target, upstream *npy.Array }

func (e *evaluation) open() (in inputs, err error) {
	for _, a := range []struct {
		path string
		to   **npy.Array
	}{{e.pred, &in.pred}, {e.target, &in.target}, {e.upstream, &in.upstream}} {
		if a.path == "" && a.to == &in.upstream {
			continue
		}
		if *a.to, err = npy.Open(a.path); err != nil {
			return in, err
		}
		if err = agree(*a.to, in.pred); err != nil {
			return in, err
		}
	}
	return in, nil
}

// agree refuses an array that is not of pred's type and shape, or of a type that is not computed.
func agree(a, pred *npy.Array) error {
	h, want := a.Header(), pred.Header()
	switch {
	case h.DType != npy.Float32 && h.DType != npy.Float64:
		return fmt.Errorf("%s holds %v, computed are float32 and float64: convert it with NumPy's astype", a.Name(), h.DType)
	case h.DType != want.DType:
		return fmt.Errorf("%s holds %v, %s %v: convert one with NumPy's astype", a.Name(), h.DType, pred.Name(), want.DType)
	case !slices.Equal(h.Shape, want.Shape):
		return fmt.Errorf("%s has the shape %v, %s %v: nothing is broadcast, give both the same", a.Name(), h.Shape, pred.Name(), want.Shape)
	}
	return nil
}

func (in *inputs) close() {
	for _, a := range []*npy.Array{in.pred, in.target, in.upstream} {
		if a != nil {
			a.Close() // what was to be read has been read
		}
	}
}

// run computes everything and writes the outputs.
func (e *evaluation) run(ctx context.Context, dev *gpu.Device, bar *progress) (*evaluated, error) {
	in, err := e.open()
	defer in.close()
	if err != nil {
		return nil, err
	}
	h := in.pred.Header()
	result := &evaluated{Kind: e.loss.Kind, Beta: e.loss.Beta, Reduction: e.loss.Reduction, Count: in.pred.Len(), Shape: h.Shape, Device: dev.String()}
	if result.Shape == nil {
		result.Shape = []int{}
	}
	var value float64
	if h.DType == npy.Float32 {
		result.DType = smoothl1.Float32
		value, err = evaluate[float32](ctx, e, dev, in, bar)
	} else {
		result.DType = smoothl1.Float64
		value, err = evaluate[float64](ctx, e, dev, in, bar)
	}
	if err != nil {
		return nil, err
	}
	if e.loss.Reduction != smoothl1.None {
		result.Loss = (*number)(&value)
	}
	return result, nil
}

// The elements of a piece: enough to keep a device busy, few enough to see a signal soon.
var (
	piece    = 1024 * cpu.Chunk
	simPiece = 64 * cpu.Chunk
)

func pieceOf(dev *gpu.Device) int {
	if dev.Backend() == "sim" {
		return simPiece
	}
	return piece
}

// evaluate goes through the arrays in pieces that are cut at multiples of cpu.Chunk, so that the chunk sums are those of the
// whole.
func evaluate[T smoothl1.Float](ctx context.Context, e *evaluation, dev *gpu.Device, in inputs, bar *progress) (value float64, err error) {
	crit, err := gpu.NewSmoothL1[T](dev, e.loss)
	if err != nil {
		return 0, err
	}
	defer crit.Close()
	out, err := e.create(ctx, in.pred.Header())
	defer out.close()
	if err != nil {
		return 0, err
	}
	n := in.pred.Len()
	s, err := newStages[T](dev, min(n, pieceOf(dev)), in, out)
	defer s.close()
	if err != nil {
		return 0, err
	}
	if n > pieceOf(dev) {
		bar.start(n)
	}
	var sums []float64
	for first := 0; first < n; first += pieceOf(dev) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		m := min(pieceOf(dev), n-first)
		if err := s.load(in, first, m); err != nil {
			return 0, err
		}
		if sums, err = s.compute(crit, e, n, sums); err != nil {
			return 0, err
		}
		if err := s.save(out); err != nil {
			return 0, err
		}
		bar.add(m)
	}
	if e.loss.Reduction != smoothl1.None {
		if value, err = cpu.Finish(e.loss, sums, n); err != nil {
			return 0, err
		}
		if out.loss != nil {
			if err := npy.Append(out.loss, []float64{value}); err != nil {
				return 0, err
			}
		}
	}
	return value, npy.Commit(out.all()...)
}

// outputs are the files that are being written, nil where there is none. The terms and the reduced loss exclude each other.
type outputs struct{ terms, loss, gradPred, gradTarget *npy.Writer }

func (e *evaluation) create(ctx context.Context, h npy.Header) (o outputs, err error) {
	loss, lossHeader := &o.terms, h
	if e.loss.Reduction != smoothl1.None {
		loss, lossHeader = &o.loss, npy.Header{DType: npy.Float64}
	}
	for _, f := range []struct {
		path   string
		header npy.Header
		to     **npy.Writer
	}{{e.out, lossHeader, loss}, {e.gradPred, h, &o.gradPred}, {e.gradTarget, h, &o.gradTarget}} {
		if f.path == "" {
			continue
		}
		if *f.to, err = npy.Create(ctx, f.path, f.header); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *outputs) all() (all []*npy.Writer) {
	for _, w := range []*npy.Writer{o.terms, o.loss, o.gradPred, o.gradTarget} {
		if w != nil {
			all = append(all, w)
		}
	}
	return all
}

// close removes what has not been committed.
func (o *outputs) close() error {
	var errs []error
	for _, w := range o.all() {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
