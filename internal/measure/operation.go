package measure

import (
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// The operations: those of the loss on pred and target alone; those with further operands, each of them a forward and backward pass; and
// those that only move memory. A copy reads as many bytes as it writes.
const (
	ForwardNone     = "forward none"
	ForwardReduced  = "forward"
	Backward        = "backward"
	ForwardBackward = "forward+backward"

	Weighted       = "weighted"         // by element; the mean over the elements
	Masked         = "masked"           // by element; the mean over the elements that are kept
	WeightedMasked = "weighted, masked" // by element; the weighted mean over the elements that are kept
	Boxes          = "boxes"            // a weight and a mask for each row; the mean over the elements that are kept
	DQNStep        = "DQN step"         // an index chooses the column of each row

	Copy    = "copy"
	Read    = "read"    // of two arrays
	Combine = "combine" // two arrays to a third

	Atomic = "atomic sum" // the forward pass with a sum in no particular order
)

// A form is what an operation has beside pred and target.
type form struct {
	weight, mask bool
	byRow        bool // the weight and the mask have one element for each row
	index        bool
	divisor      smoothl1.Divisor // of a mean
}

// An operation is a forward pass, a backward pass or both.
type operation struct {
	name                  string
	terms, loss, gradient bool // what it computes
	form
}

// operations is the table of the operations of the loss, in the order of the tables. A new one needs a row here, and one in composition in
// peers/pytorch.py.
var operations = []operation{
	{ForwardNone, true, false, false, form{}},
	{ForwardReduced, false, true, false, form{}},
	{Backward, false, false, true, form{}},
	{ForwardBackward, false, true, true, form{}},
	{Weighted, false, true, true, form{weight: true}},
	{Masked, false, true, true, form{mask: true, divisor: smoothl1.DivideByKept()}},
	{WeightedMasked, false, true, true, form{weight: true, mask: true, divisor: smoothl1.DivideByWeights()}},
	{Boxes, false, true, true, form{weight: true, mask: true, byRow: true, divisor: smoothl1.DivideByKept()}},
	{DQNStep, false, true, true, form{index: true}},
}

// Ops are the operations on pred and target alone, and FurtherOps the others.
var (
	Ops        = []string{ForwardNone, ForwardReduced, Backward, ForwardBackward}
	FurtherOps = []string{Weighted, Masked, WeightedMasked, Boxes, DQNStep}
)

// operations returns the operations that are measured on a workload.
func (w Workload) operations() (all []operation) {
	for _, o := range operations {
		if slices.Contains(w.Operations(), o.name) {
			all = append(all, o)
		}
	}
	return all
}

// forms returns the forms of a workload's operations, each once, with all that its operations compute.
func (w Workload) forms() (all []operation) {
	for _, o := range w.operations() {
		i := slices.IndexFunc(all, func(other operation) bool { return other.form == o.form })
		if i < 0 {
			all = append(all, o)
			continue
		}
		all[i].terms, all[i].loss, all[i].gradient = all[i].terms || o.terms, all[i].loss || o.loss, all[i].gradient || o.gradient
	}
	return all
}

// shape returns the Shape of a call on a matrix, nil for dense arrays.
func (f *form) shape(rows, cols int) *smoothl1.Shape {
	switch {
	case f.byRow:
		return &smoothl1.Shape{Rows: rows, Cols: cols, Weight: smoothl1.PerRow(), Mask: smoothl1.PerRow()}
	case f.index:
		return &smoothl1.Shape{Rows: rows, Cols: cols}
	}
	return nil
}

// divides returns the divisor of a reduction.
func (f *form) divides(r smoothl1.Reduction) smoothl1.Divisor {
	if r != smoothl1.Mean {
		return smoothl1.Divisor{}
	}
	return f.divisor
}

// lengths returns the lengths of target and of the weight and the mask, for pred of the given number of rows and elements.
func (f *form) lengths(rows, n int) (target, factors int) {
	target, factors = n, n
	if f.index {
		target = rows
	}
	if f.byRow {
		factors = rows
	}
	return target, factors
}

// bytes returns the bytes that an operation must move: each operand once, of pred what the index chooses, and what a gradient's divisor is
// counted from once before.
func (o *operation) bytes(w Workload) int {
	rows, n, size := w.rows(), w.N(), w.DType.Size()
	target, factors := o.lengths(rows, n)
	bytes := 2 * target * size // of pred as many as of target
	if o.terms || o.gradient {
		bytes += n * size
	}
	each := 0 // bytes of one weight and one byte of the mask
	if o.weight {
		each += size
	}
	if o.mask {
		each += smoothl1.Uint8.Size()
	}
	bytes += factors * each
	switch {
	case o.gradient && o.divisor.Weights():
		bytes += factors * each
	case o.gradient && o.divisor.Kept():
		bytes += factors * smoothl1.Uint8.Size()
	}
	if o.index {
		bytes += rows * smoothl1.Int32.Size()
	}
	return bytes
}

// moves is the number of arrays that an operation that only moves memory reads and writes.
var moves = map[string]int{Copy: 2, Read: 2, Combine: 3}

// BytesOf returns the bytes that an operation of a workload must move.
func BytesOf(op string, w Workload) int {
	if arrays := moves[op]; arrays > 0 {
		return arrays * w.N() * w.DType.Size()
	}
	i := slices.IndexFunc(operations, func(o operation) bool { return o.name == op })
	if i < 0 {
		return 0
	}
	return operations[i].bytes(w)
}

// bind returns a function that performs the operation on a set. The four shorthands are called as users call them.
func bind[T smoothl1.Float](o *operation, crit *gpu.SmoothL1[T], w Workload, s set[T]) (func() error, error) {
	switch o.name {
	case ForwardNone:
		return func() error { return crit.ForwardTerms(s.pred, s.target, s.out) }, nil
	case ForwardReduced:
		return func() error { return crit.Forward(s.pred, s.target) }, nil
	case Backward:
		return func() error { return crit.Backward(s.pred, s.target, s.out) }, nil
	case ForwardBackward:
		return func() error { return crit.ForwardBackward(s.pred, s.target, s.out) }, nil
	}
	rows := w.rows()
	target, factors := o.lengths(rows, w.N())
	a := &gpu.Args[T]{Pred: s.pred, GradPred: s.out, Divisor: o.divides(w.Loss.Reduction), Shape: o.shape(rows, w.N()/rows)}
	var err error
	if a.Target, err = first(s.target, target); err != nil {
		return nil, err
	}
	if o.weight {
		if a.Weight, err = first(s.weight, factors); err != nil {
			return nil, err
		}
	}
	if o.mask {
		if a.Mask, err = first(s.mask, factors); err != nil {
			return nil, err
		}
	}
	if o.index {
		if a.Index, err = first(s.index, rows); err != nil {
			return nil, err
		}
	}
	return func() error { return crit.Run(a) }, nil
}

// first returns the buffer of the first n elements.
func first[E smoothl1.Element](b *gpu.Buffer[E], n int) (*gpu.Buffer[E], error) {
	if b.Len() == n {
		return b, nil
	}
	return b.Slice(0, n)
}
