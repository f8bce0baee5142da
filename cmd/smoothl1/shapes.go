package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// plan says what an evaluation computes, as its files and flags decide.
type plan struct {
	dtype   smoothl1.DType
	in      [inputs]view // how inputs are repeated
	out     [outputs]npy.Header
	shape   []int   // of what has a number for each element
	rows    int     // that are reduced each: 1 for the whole
	cols    int     // elements of a row
	actions int     // with an index, columns of PRED
	scale   float64 // the upstream gradient, if it is a number
	number  bool    // it is one in a file
}

func (p *plan) elements() int { return p.rows * p.cols }

// A view has the elements of an array as those of a larger shape, in C order. Where the array has a dimension of 1 and the shape another,
// the stride is 0.
type view struct{ dims, strides []int }

// repeats reports whether the view has an element more than once, or not at all.
func (v view) repeats() bool {
	for k, d := range v.dims {
		if v.strides[k] == 0 && d != 1 {
			return true
		}
	}
	return false
}

// viewOf returns the view of an array as the shape want, by NumPy's rules: dimensions of the array are those of the shape from the last
// on, and equal to it or 1. It reports false if there is none.
func viewOf(have, want []int) (view, bool) {
	v := view{want, make([]int, len(want))}
	if len(have) > len(want) {
		return v, false
	}
	stride, missing := 1, len(want)-len(have)
	for k := len(have) - 1; k >= 0; k-- {
		switch d := have[k]; {
		case d == want[missing+k]:
			v.strides[missing+k] = stride
		case d != 1:
			return v, false
		}
		stride *= max(1, have[k]) // so that 0 means repeated
	}
	return v, true
}

// broadcast returns the shape that two shapes are repeated to by NumPy's rules. It reports false if there is none.
func broadcast(a, b []int) ([]int, bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	shape := slices.Clone(a)
	for k, d := range b {
		to := &shape[len(a)-len(b)+k]
		switch {
		case *to == 1:
			*to = d
		case d != 1 && d != *to:
			return nil, false
		}
	}
	return shape, true
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// byRow returns the shape of an operand with one element for each row, given the number of dimensions of PRED: one that lacks
// dimensions has none for columns.
func byRow(shape []int, dims int) []int {
	if len(shape) < dims {
		return append(slices.Clip(shape), 1)
	}
	return shape
}

// arrange sets the shapes of the plan.
func (p *plan) arrange(e *evaluation, in *opened) error {
	pred, target := in.shape(inPred), in.shape(inTarget)
	indexed := e.reads(inIndex)
	elements, compared := pred, target // the shapes that are compared
	if indexed {
		if len(pred) == 0 {
			return fmt.Errorf("--index %s chooses a column of PRED, but %s has no dimensions", in.name(inIndex), in.name(inPred))
		}
		p.actions = pred[len(pred)-1]
		elements, compared = append(slices.Clone(pred[:len(pred)-1]), 1), byRow(target, len(pred))
		if len(compared) > 0 && compared[len(compared)-1] != 1 {
			return fmt.Errorf("--index %s: %s has the shape %v, but with an index a row of TARGET has one element", in.name(inIndex), in.name(inTarget), target)
		}
	}
	full, ok := broadcast(elements, compared)
	switch {
	case e.broadcast && !ok:
		return fmt.Errorf("--broadcast: %s has the shape %v, and %s %v: their dimensions must be equal or 1", in.name(inTarget), target, in.name(inPred), pred)
	case !e.broadcast && !slices.Equal(elements, compared):
		return fmt.Errorf("%s has the shape %v, but %s has %v: the shapes must be equal, nothing is broadcast without --broadcast", in.name(inTarget), target, in.name(inPred), pred)
	}
	p.shape = full
	repeated := full // PRED, with all of its columns
	if indexed {
		repeated = append(slices.Clone(full[:len(full)-1]), p.actions)
		if len(target) < len(pred) {
			p.shape = full[:len(full)-1]
		}
	}
	for _, shape := range [][]int{full, repeated} {
		if _, err := (npy.Header{DType: npy.Float64, Shape: shape}).Len(); err != nil {
			return fmt.Errorf("--broadcast: %s and %s: %w", in.name(inPred), in.name(inTarget), err)
		}
	}
	p.rows, p.cols = 1, product(full)
	losses := []int{}
	if e.rows {
		if len(full) == 0 {
			return fmt.Errorf("--rows: %s has no dimensions, and thus no rows", in.name(inPred))
		}
		losses, p.cols = full[:len(full)-1], full[len(full)-1]
		p.rows = product(losses)
	}
	if err := p.fit(e, in, full, repeated); err != nil {
		return err
	}
	number := npyType(p.dtype)
	for o := range p.out {
		p.out[o] = npy.Header{DType: number, Shape: p.shape}
	}
	p.out[outGradPred].Shape, p.out[outGradTarget].Shape = pred, target
	if e.loss.Reduction != smoothl1.None {
		p.out[outLoss] = npy.Header{DType: npy.Float64, Shape: losses}
	}
	return p.refuseSums(e, in)
}

// fit sets the views of all inputs, full being the shape of the elements, and columns that of all elements of PRED.
func (p *plan) fit(e *evaluation, in *opened, full, columns []int) error {
	for i, a := range in.arrays {
		if a == nil {
			continue
		}
		have, want := in.shape(input(i)), full
		rowwise := e.reads(inIndex)
		switch input(i) {
		case inPred:
			want, rowwise = columns, false
		case inOldPred:
			want, rowwise = in.shape(inPred), false
		case inOldTarget:
			want, rowwise = in.shape(inTarget), false
		case inUpstream:
			rowwise = rowwise || e.rows
		}
		if rowwise {
			have = byRow(have, len(full))
		}
		var ok bool
		if p.in[i], ok = viewOf(have, want); !ok {
			return fmt.Errorf("%v %s has the shape %v, which cannot be repeated to %v: its dimensions must be equal or 1%s", input(i), a.Name(), in.shape(input(i)), want, oneForEachRow(have, want))
		}
	}
	return nil
}

// oneForEachRow returns a remedy for an array that has all dimensions of a shape but the last.
func oneForEachRow(have, want []int) string {
	if rows := len(want) - 1; rows < 0 || !slices.Equal(have, want[:rows]) {
		return ""
	}
	return fmt.Sprintf("; for one per row, save it with shape %v", append(slices.Clip(have), 1))
}

// refuseSums returns an error if there would be a gradient with respect to a repeated array.
func (p *plan) refuseSums(e *evaluation, in *opened) error {
	for _, of := range []struct {
		input
		output
	}{{inPred, outGradPred}, {inTarget, outGradTarget}, {inPred, outSecond}} {
		if e.writes(of.output) && p.in[of.input].repeats() {
			return fmt.Errorf("%v %s: %v %s has the shape %v, which is repeated to %v: its derivative would be a sum",
				of.output, e.out[of.output].name, of.input, in.name(of.input), in.shape(of.input), p.in[of.input].dims)
		}
	}
	return nil
}

// npyType returns the type of a file of numbers.
func npyType(t smoothl1.DType) npy.DType {
	return map[smoothl1.DType]npy.DType{
		smoothl1.Float16: npy.Float16, smoothl1.BFloat16: npy.Uint16, smoothl1.Float32: npy.Float32, smoothl1.Float64: npy.Float64,
	}[t]
}

// settleType sets the type that is computed in.
func (p *plan) settleType(e *evaluation, in *opened) error {
	for i, a := range in.arrays {
		if a == nil {
			continue
		}
		switch t := a.Header().DType; {
		case input(i) == inIndex && (isFloat(t) || t == npy.Bool):
			return fmt.Errorf("--index %s holds %v, want integers: convert it with NumPy's astype", a.Name(), t)
		case input(i) == inMask && isFloat(t):
			return fmt.Errorf("--mask %s holds %v, want bool or integers: convert it with NumPy, such as by mask != 0", a.Name(), t)
		case input(i).number() && t == npy.Uint16 && !e.dtype.given:
			return fmt.Errorf("%s holds uint16: say with --dtype bfloat16 that these are bit patterns, or name the type to convert them to", a.Name())
		}
	}
	if e.dtype.given {
		p.dtype = e.dtype.dtype
		return nil
	}
	t, err := common(in.arrays[inPred].Header().DType, in.arrays[inTarget].Header().DType)
	p.dtype = t
	return err
}

func isFloat(t npy.DType) bool { return t == npy.Float16 || t == npy.Float32 || t == npy.Float64 }

// common returns the type that NumPy promotes two types to, or float64 if both are integers.
func common(a, b npy.DType) (smoothl1.DType, error) {
	bits := max(promotes(a), promotes(b))
	if !isFloat(a) && !isFloat(b) {
		bits = 64
	}
	switch bits {
	case 16:
		return smoothl1.Float16, nil
	case 32:
		return smoothl1.Float32, nil
	case 64:
		return smoothl1.Float64, nil
	}
	return 0, errors.New("unknown type")
}

// promotes returns the bits of the smallest floating-point type that NumPy promotes a type to.
func promotes(t npy.DType) int {
	switch t {
	case npy.Float16, npy.Bool, npy.Int8, npy.Uint8:
		return 16
	case npy.Float32, npy.Int16, npy.Uint16:
		return 32
	}
	return 64
}

// notes returns a line for each file whose numbers are converted.
func (p *plan) notes(in *opened) (lines []string) {
	for i, a := range in.arrays {
		if a != nil && input(i).number() && a.Header().DType != npyType(p.dtype) {
			lines = append(lines, fmt.Sprintf("%s holds %v: converted to %v", a.Name(), a.Header().DType, p.dtype))
		}
	}
	return lines
}
