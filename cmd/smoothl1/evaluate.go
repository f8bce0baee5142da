package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// evaluation holds the arguments of eval.
type evaluation struct {
	loss        smoothl1.Loss
	kind        lossFlag
	delta       float64
	scale       float64 // the upstream gradient if there is no file
	divisor     divisorFlag
	zeroIfEmpty bool
	rows        bool // reduce the last dimension
	broadcast   bool
	dtype       dtypeFlag
	in          [inputs]file
	out         [outputs]file
	keeps       bool // the losses are printed
	counted     bool // what they were divided by is
}

// differentiates reports whether an output depends on the upstream gradient.
func (e *evaluation) differentiates() bool {
	return e.writes(outGradPred) || e.writes(outGradTarget) || e.writes(outSecond)
}

// opened are the opened arrays of an evaluation, nil if absent.
type opened struct {
	arrays  [inputs]*npy.Array
	lost    [inputs]lost
	streams []io.Closer
}

func (e *evaluation) open() (in *opened, err error) {
	in = &opened{}
	for i, f := range e.in {
		if f.name == "" {
			continue
		}
		if !f.place.Streamed() {
			in.arrays[i], err = npy.Open(f.place.String())
		} else {
			var r io.ReadCloser
			if r, err = f.place.Open(); err != nil {
				return in, err
			}
			in.streams = append(in.streams, r)
			in.arrays[i], err = npy.Stream(f.place.String(), r)
		}
		if err != nil {
			return in, err
		}
	}
	return in, nil
}

func (in *opened) shape(i input) []int { return in.arrays[i].Header().Shape }
func (in *opened) name(i input) string { return in.arrays[i].Name() }

func (in *opened) close() {
	for _, a := range in.arrays {
		if a != nil {
			a.Close() // only read from, so no error matters
		}
	}
	for _, r := range in.streams {
		r.Close()
	}
}

// load reads what a pipe delivers into memory, if it is needed more than once.
func (in *opened) load(e *evaluation, p *plan) error {
	counted := e.countsAhead()
	for i, a := range in.arrays {
		again := a != nil && (p.in[i].repeats() || counted && (input(i) == inMask || input(i) == inWeight) || e.reads(inIndex) && input(i) == inOldPred)
		if again && e.in[i].place.Streamed() {
			if err := a.Load(); err != nil {
				return err
			}
		}
	}
	return nil
}

// counts reports whether the divisor depends on the mask or the weights.
func (e *evaluation) counts() bool { return e.divisor.Kept() || e.divisor.Weights() }

// countsAhead reports whether gradients depend on such a divisor, so that it must be known before them.
func (e *evaluation) countsAhead() bool { return e.counts() && e.differentiates() }

// run computes everything and writes the outputs.
func (e *evaluation) run(ctx context.Context, dev *gpu.Device, bar *progress, stdout, stderr io.Writer) (*evaluated, error) {
	in, err := e.open()
	defer in.close()
	if err != nil {
		return nil, err
	}
	p := &plan{scale: e.scale}
	if err := p.settleType(e, in); err != nil {
		return nil, err
	}
	if err := p.arrange(e, in); err != nil {
		return nil, err
	}
	if err := in.load(e, p); err != nil {
		return nil, err
	}
	result := &evaluated{
		Kind: e.loss.Kind, Beta: (*number)(&e.loss.Beta), Reduction: e.loss.Reduction, Count: p.elements(), DType: p.dtype,
		Shape: append([]int{}, p.shape...), Device: dev.String(), Rows: e.rows, Files: e.flagged(),
	}
	if e.reads(inBeta) {
		result.Beta = nil
	}
	if d := e.divides(); !d.IsZero() {
		result.Divisor = d.String()
	}
	var values, divisors []float64
	switch p.dtype {
	case smoothl1.Float16:
		values, divisors, err = evaluate[smoothl1.F16](ctx, e, p, dev, in, bar, stdout, stderr)
	case smoothl1.BFloat16:
		values, divisors, err = evaluate[smoothl1.BF16](ctx, e, p, dev, in, bar, stdout, stderr)
	case smoothl1.Float32:
		values, divisors, err = evaluate[float32](ctx, e, p, dev, in, bar, stdout, stderr)
	default:
		values, divisors, err = evaluate[float64](ctx, e, p, dev, in, bar, stdout, stderr)
	}
	result.Loss = losses{values, e.rows}
	if e.counted {
		result.DividedBy = &losses{divisors, e.rows}
	}
	return result, err
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

// evaluate processes the arrays in pieces, and returns the losses and what they were divided by, if they are kept.
//
// A row that is longer than a piece, and the whole, is cut at multiples of cpu.Chunk, so that its chunk sums are those of one call.
// Otherwise, a piece is a number of rows.
func evaluate[T smoothl1.Float](ctx context.Context, e *evaluation, p *plan, dev *gpu.Device, in *opened, bar *progress,
	stdout, stderr io.Writer) (values, divisors []float64, err error) {
	if err := readNumber[T](p, in); err != nil {
		return nil, nil, err
	}
	if err := e.checkNumbers(p); err != nil {
		return nil, nil, err
	}
	w := &work[T]{ctx: ctx, e: e, p: p, bar: bar, elements: pieceOf(dev)}
	w.lanes, err = newLanes[T](dev, e, p, w.elements)
	defer w.lanes.close()
	if err != nil {
		return nil, nil, err
	}
	w.out, err = e.create(ctx, p, stdout)
	defer w.out.close()
	if err != nil {
		return nil, nil, err
	}
	w.cut = !e.rows || p.cols > w.elements
	step := 1
	if !w.cut {
		step = min(p.rows, w.elements/max(1, p.cols))
	}
	if err := w.lanes.stage(dev, e, p, in, w.out, step, min(step*p.cols, w.elements)); err != nil {
		return nil, nil, err
	}
	notes := p.notes(in)
	if why := dev.Pageable(); why != "" {
		notes = append(notes, "arrays are copied through pageable memory, which takes longer: "+why)
	}
	if err := say(stderr, notes); err != nil {
		return nil, nil, err
	}
	w.start()
	for row := 0; row < p.rows; row += step {
		if err := w.compute(row, min(step, p.rows-row)); err != nil {
			return nil, nil, err
		}
	}
	if err := w.lanes.settle(); err != nil {
		return nil, nil, err
	}
	bar.end()
	if err := say(stderr, p.losses(in)); err != nil {
		return nil, nil, err
	}
	return w.losses, w.divisors, npy.Commit(w.out.all()...)
}

// say prints lines.
func say(to io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(to, "smoothl1:", line); err != nil {
			return err
		}
	}
	return nil
}

// readNumber reads an upstream gradient of one element, which every kernel takes as a number.
func readNumber[T smoothl1.Float](p *plan, in *opened) error {
	a := in.arrays[inUpstream]
	if a == nil || a.Len() != 1 {
		return nil
	}
	var x [1]T
	p.number = true
	err := numbers[T](a, &in.lost[inUpstream])(x[:], 0)
	p.scale = value(x[0])
	return err
}

// checkNumbers rejects numbers of flags that the computing type does not have.
func (e *evaluation) checkNumbers(p *plan) error {
	round := func(x float64) float64 {
		if p.dtype.Computing() == smoothl1.Float32 {
			return float64(float32(x))
		}
		return x
	}
	odd := func(x float64) bool { return x == 0 || math.IsInf(x, 0) }
	arrays := "the arrays' type"
	if p.dtype.Computing() != p.dtype {
		arrays = "the type that " + p.dtype.String() + " is computed in"
	}
	if x := round(e.scale); x != e.scale && odd(x) {
		return usagef("--scale %v: is %v in %v, %s", e.scale, x, p.dtype.Computing(), arrays)
	}
	if d, ok := e.divisor.Number(); ok && e.differentiates() && odd(round(1/d)) {
		return usagef("--divisor %v: 1/%v is %v in %v, %s", d, d, round(1/d), p.dtype.Computing(), arrays)
	}
	return nil
}

// created are the files being written, nil if not wanted.
type created struct{ writers [outputs]*npy.Writer }

func (e *evaluation) create(ctx context.Context, p *plan, stdout io.Writer) (*created, error) {
	c := &created{}
	for o, f := range e.out {
		if f.name == "" {
			continue
		}
		file, err := create(ctx, f.place, stdout)
		if err != nil {
			return c, err
		}
		if c.writers[o], err = npy.NewFileWriter(ctx, file, p.out[o]); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *created) all() []*npy.Writer {
	return slices.DeleteFunc(slices.Clone(c.writers[:]), func(w *npy.Writer) bool { return w == nil })
}

// close removes the files that have not been committed.
func (c *created) close() {
	for _, w := range c.all() {
		w.Close()
	}
}
