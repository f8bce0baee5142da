package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/files"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// evaluation holds the arguments of eval: the loss, and the names of files, "" if there is none.
type evaluation struct {
	loss                      smoothl1.Loss
	pred, target, upstream    string
	scale                     float64 // the upstream gradient if there is no file
	out, gradPred, gradTarget string
	places                    struct{ pred, target, upstream, out, gradPred, gradTarget files.Place } // set by find
}

// find finds the places of all files, and rejects those that would spoil each other.
func (e *evaluation) find() error {
	p := &e.places
	var inputs, outputs []named
	for _, f := range []struct {
		what, name string
		to         *files.Place
	}{{"PRED", e.pred, &p.pred}, {"TARGET", e.target, &p.target}, {"--upstream", e.upstream, &p.upstream}} {
		if f.name == "" && f.what == "--upstream" {
			continue
		}
		var err error
		if *f.to, err = files.Input(f.name); err != nil {
			return err
		}
		inputs = append(inputs, named{f.what, *f.to})
	}
	for _, f := range []struct {
		what, name string
		to         *files.Place
	}{{"--out", e.out, &p.out}, {"--grad-pred", e.gradPred, &p.gradPred}, {"--grad-target", e.gradTarget, &p.gradTarget}} {
		if f.name == "" {
			continue
		}
		var err error
		if *f.to, err = files.Output(f.name); err != nil {
			return err
		}
		outputs = append(outputs, named{f.what, *f.to})
	}
	return checkPlaces(inputs, outputs)
}

// outputs returns the places that are written to; those of absent files are zero.
func (e *evaluation) outputs() []files.Place {
	return []files.Place{e.places.out, e.places.gradPred, e.places.gradTarget}
}

// inputs are the opened arrays of an evaluation; upstream may be nil.
type inputs struct {
	pred, target, upstream *npy.Array
	streams                []io.Closer
}

func (e *evaluation) open() (in inputs, err error) {
	for _, a := range []struct {
		place files.Place
		to    **npy.Array
	}{{e.places.pred, &in.pred}, {e.places.target, &in.target}, {e.places.upstream, &in.upstream}} {
		if e.upstream == "" && a.to == &in.upstream {
			continue
		}
		if *a.to, err = in.openArray(a.place); err != nil {
			return in, err
		}
		if err = agree(*a.to, in.pred); err != nil {
			return in, err
		}
	}
	return in, nil
}

func (in *inputs) openArray(p files.Place) (*npy.Array, error) {
	if !p.Streamed() {
		return npy.Open(p.String())
	}
	r, err := p.Open()
	if err != nil {
		return nil, err
	}
	in.streams = append(in.streams, r)
	return npy.Stream(p.String(), r)
}

// agree returns an error unless an array has pred's type and shape, and a supported type.
func agree(a, pred *npy.Array) error {
	h, want := a.Header(), pred.Header()
	switch {
	case h.DType != npy.Float32 && h.DType != npy.Float64:
		return fmt.Errorf("%s holds %v, want float32 or float64: convert it with NumPy's astype", a.Name(), h.DType)
	case h.DType != want.DType:
		return fmt.Errorf("%s holds %v, but %s holds %v: convert one with NumPy's astype", a.Name(), h.DType, pred.Name(), want.DType)
	case !slices.Equal(h.Shape, want.Shape):
		return fmt.Errorf("%s has the shape %v, but %s has %v: the shapes must be equal, nothing is broadcast", a.Name(), h.Shape, pred.Name(), want.Shape)
	}
	return nil
}

func (in *inputs) close() {
	for _, a := range []*npy.Array{in.pred, in.target, in.upstream} {
		if a != nil {
			a.Close() // only read from, so no error matters
		}
	}
	for _, r := range in.streams {
		r.Close()
	}
}

// run computes everything and writes the outputs.
func (e *evaluation) run(ctx context.Context, dev *gpu.Device, bar *progress, stdout io.Writer) (*evaluated, error) {
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
	switch h.DType {
	case npy.Float32:
		result.DType = smoothl1.Float32
		value, err = evaluate[float32](ctx, e, dev, in, bar, stdout)
	case npy.Float64:
		result.DType = smoothl1.Float64
		value, err = evaluate[float64](ctx, e, dev, in, bar, stdout)
	default:
		err = fmt.Errorf("%s holds %v, want float32 or float64", in.pred.Name(), h.DType) // agree has rejected it
	}
	if err != nil {
		return nil, err
	}
	if e.loss.Reduction != smoothl1.None {
		result.Loss = (*number)(&value)
	}
	return result, nil
}

// Elements of a piece: enough to keep a device busy, few enough to react to a signal soon.
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

// evaluate processes the arrays in pieces cut at multiples of cpu.Chunk, so that the chunk sums are those of the whole arrays.
func evaluate[T smoothl1.Float](ctx context.Context, e *evaluation, dev *gpu.Device, in inputs, bar *progress, stdout io.Writer) (value float64,
	err error) {
	if x := float64(T(e.scale)); x != e.scale && (x == 0 || math.IsInf(x, 0)) {
		return 0, usagef("--scale %v: is %v in %v, the arrays' type", e.scale, x, smoothl1.DTypeOf[T]())
	}
	crit, err := gpu.NewSmoothL1[T](dev, e.loss)
	if err != nil {
		return 0, err
	}
	defer crit.Close()
	out, err := e.create(ctx, in.pred.Header(), stdout)
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
		if value, err = cpu.Finish(e.loss, sums, n, smoothl1.Divisor{}); err != nil {
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

// outputs are the files being written, nil if not wanted. At most one of terms and loss is not nil.
type outputs struct{ terms, loss, gradPred, gradTarget *npy.Writer }

func (e *evaluation) create(ctx context.Context, h npy.Header, stdout io.Writer) (o outputs, err error) {
	loss, lossHeader := &o.terms, h
	if e.loss.Reduction != smoothl1.None {
		loss, lossHeader = &o.loss, npy.Header{DType: npy.Float64}
	}
	for _, f := range []struct {
		name   string
		place  files.Place
		header npy.Header
		to     **npy.Writer
	}{{e.out, e.places.out, lossHeader, loss}, {e.gradPred, e.places.gradPred, h, &o.gradPred}, {e.gradTarget, e.places.gradTarget, h, &o.gradTarget}} {
		if f.name == "" {
			continue
		}
		file, err := create(ctx, f.place, stdout)
		if err != nil {
			return o, err
		}
		if *f.to, err = npy.NewFileWriter(ctx, file, f.header); err != nil {
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

// close removes the files that have not been committed.
func (o *outputs) close() error {
	var errs []error
	for _, w := range o.all() {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
