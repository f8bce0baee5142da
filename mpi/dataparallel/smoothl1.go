package dataparallel

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
)

// A SmoothL1 computes one loss, and its gradients, of arrays whose shards the ranks of a communicator have, each on its own device. It takes
// one call at a time; another one fails with an error wrapping smoothl1.ErrBusy, and without communication.
type SmoothL1[T smoothl1.Float] struct {
	mu     sync.Mutex
	group  group
	dev    *gpu.Device // nil once closed
	loss   smoothl1.Loss
	op     *gpu.SmoothL1[T]  // the loss
	sum    *gpu.SmoothL1[T]  // its sum, for divisors that DivideBy does not take; nil until needed
	count  *gpu.SmoothL1[T]  // counts what is kept, or sums the weights; nil until needed
	pair   [2]*gpu.Buffer[T] // the pred and target of count, 1 and 0
	args   gpu.Args[T]
	shape  smoothl1.Shape
	counts []int     // of numbers that the ranks send
	send   []float64 // 1 if this rank failed, and its chunk sums
	sums   []float64 // those of all ranks
}

// NewSmoothL1 returns an op that computes l, a mean or a sum, for the ranks of c, on this rank's device. It is collective. The op uses c
// for its calls, between which the program may use it.
func NewSmoothL1[T smoothl1.Float](c *mpi.Comm, dev *gpu.Device, l smoothl1.Loss) (*SmoothL1[T], error) {
	if c.Size() == 0 {
		return nil, c.Barrier() // refuses a nil or zero communicator
	}
	s := &SmoothL1[T]{group: newGroup(c), dev: dev, loss: l, counts: make([]int, c.Size())}
	var err error
	if l.Reduction == smoothl1.None {
		err = smoothl1.NewArgError("NewSmoothL1", "reduction", l.Reduction, fmt.Errorf("%w: without one there is nothing to combine", smoothl1.ErrReduction))
	} else {
		s.op, err = gpu.NewSmoothL1[T](dev, l)
	}
	if err == nil {
		s.describe(smoothl1.Divisor{})
	}
	if err := s.group.agree(callNew, err); err != nil {
		return nil, errors.Join(err, s.op.Close())
	}
	return s, nil
}

// describe sets the fields of the header that say what is computed.
func (s *SmoothL1[T]) describe(d smoothl1.Divisor) {
	h := &s.group.own
	h[fieldDType], h[fieldKind], h[fieldReduction] = int64(smoothl1.DTypeOf[T]()), int64(s.loss.Kind), int64(s.loss.Reduction)
	h[fieldBeta] = int64(math.Float64bits(s.loss.Beta))
	x, given := d.Number()
	switch {
	case given:
		h[fieldDivisor], h[fieldNumber] = 1, int64(math.Float64bits(x))
	case d.Kept():
		h[fieldDivisor] = 2
	case d.Weights():
		h[fieldDivisor] = 3
	}
	if d.IsZeroIfEmpty() {
		h[fieldDivisor] += 4
	}
}

func divisorText(x int64) string {
	text := [...]string{"elements", "a number", "kept", "weights"}[x&3]
	if x >= 4 {
		text += ", 0 if empty"
	}
	return text
}

// Run computes, for this rank's shard, the outputs that a has buffers for, and returns the loss of all shards, concatenated in the order of
// the ranks: the bits of the loss, and of each rank's outputs, are those of one machine with the whole arrays. It is collective.
//
// The arguments are those of gpu.SmoothL1.Run, with these differences:
//   - Arrays are this rank's shards. Each rank but the last that has any elements must have a multiple of 2048 of them; with a Shape, these
//     are rows times columns, and with an Index, rows. A rank without elements passes empty arrays. Arrays whose view repeats elements of all
//     rows, such as smoothl1.PerColumn, are the same on all ranks, which is not checked.
//   - The ranks need the same loss, element type, divisor, number of columns and input arrays. Lengths, outputs, devices and the value of the
//     upstream gradient, if all have one, may differ.
//   - The divisor of a mean is that of all shards. If it is a sum of weights that is not positive, or whose inverse is not a positive finite number in the
//     computing type, results are those of one machine too, but for gradients only if the upstream gradient is 1, the zero value; with another
//     one, the ranks fail with smoothl1.ErrDivisor.
//   - ByRow and NoLoss are refused, since the losses of rows need no other ranks; use a gpu.SmoothL1.
//
// If it fails on one rank, it fails on all, possibly after other ranks have written their outputs.
func (s *SmoothL1[T]) Run(a *gpu.Args[T], options ...gpu.Option) (float64, error) {
	const name = "Run"
	if err := s.take(name); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	defer func() { s.args, s.shape = gpu.Args[T]{}, smoothl1.Shape{} }() // do not keep the caller's buffers reachable
	n, err := s.check(name, a)
	if err == nil {
		s.describe(a.Divisor)
		h := &s.group.own
		h[fieldArrays], h[fieldOwn] = arraysOf(a), int64(n)
		if a.Shape != nil {
			h[fieldCols] = int64(a.Shape.Cols)
		}
	}
	if err := s.group.agree(callRun, err); err != nil {
		return 0, err
	}
	total, err := s.group.lengths(name)
	if err != nil {
		return 0, err
	}
	divisor, err := s.divisor(name, a, n, total, options)
	if err != nil {
		return 0, err
	}
	op, err := s.prepare(name, a, total, divisor)
	if err == nil {
		err = op.Run(&s.args, options...)
	}
	sums, err := s.gather(name, op, n, err)
	if err != nil {
		return 0, err
	}
	sum, err := cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, sums, total, smoothl1.Divisor{})
	if s.loss.Reduction == smoothl1.Mean && !(divisor == 0 && a.Divisor.IsZeroIfEmpty()) {
		sum /= divisor
	}
	return sum, err
}

// take begins a call, which ends with mu.Unlock.
func (s *SmoothL1[T]) take(name string) error {
	switch {
	case s == nil:
		return smoothl1.NewArgError(name, "op", "nil", smoothl1.ErrNil)
	case !s.mu.TryLock():
		return smoothl1.NewArgError(name, "op", s.loss, smoothl1.ErrBusy)
	}
	if s.group.comm == nil {
		s.mu.Unlock()
		return smoothl1.NewArgError(name, "op", "SmoothL1{}", smoothl1.ErrZero)
	}
	return nil
}

// check returns the number of elements of this rank's shard, or an error for arguments that could not be compared with those of others. The rest
// is checked by gpu.
func (s *SmoothL1[T]) check(name string, a *gpu.Args[T]) (n int, err error) {
	switch {
	case s.dev == nil:
		return 0, smoothl1.NewArgError(name, "op", s.loss, smoothl1.ErrClosed)
	case a == nil:
		return 0, smoothl1.NewArgError(name, "args", "nil", smoothl1.ErrNil)
	case a.ByRow:
		return 0, smoothl1.NewArgError(name, "byRow", true, fmt.Errorf("%w: the losses of rows need no other ranks", smoothl1.ErrUnused))
	case a.NoLoss:
		return 0, smoothl1.NewArgError(name, "noLoss", true, fmt.Errorf("%w: the ranks combine the loss", smoothl1.ErrUnused))
	}
	if err := a.Divisor.Validate(s.loss.Reduction); err != nil {
		return 0, err
	}
	if a.Shape == nil {
		return a.Pred.Len(), nil
	}
	rows, cols := a.Shape.Rows, a.Shape.Cols
	if rows < 0 || cols < 0 || cols > 0 && rows > math.MaxInt/cols {
		return 0, smoothl1.NewArgError(name, "shape", fmt.Sprintf("%d × %d", rows, cols), smoothl1.ErrCount)
	}
	n, termCols := rows*cols, cols
	if a.Index != nil {
		n, termCols = rows, 1
	}
	// The ranks make room for the chunk sums of all n before gpu has checked anything else: so it must not be larger than the arrays make it.
	for _, x := range []struct {
		name  string
		array *gpu.Buffer[T]
		view  smoothl1.View
		cols  int
	}{{"pred", a.Pred, a.Shape.Pred, cols}, {"target", a.Target, a.Shape.Target, termCols}} {
		if x.array == nil {
			return 0, smoothl1.NewArgError(name, x.name, "nil", smoothl1.ErrNil)
		}
		if beyond(x.view, rows, x.cols, x.array.Len()) {
			return 0, smoothl1.NewArgError(name, "shape", fmt.Sprintf("%d × %d", rows, cols),
				fmt.Errorf("%w: %s, %v, has %d elements", smoothl1.ErrView, x.name, x.view, x.array.Len()))
		}
	}
	if n > max(a.Pred.Len(), a.Target.Len()) { // both repeat elements
		return n, s.op.Reserve(n, 1)
	}
	return n, nil
}

// beyond reports whether a view of a matrix needs more than the given number of elements in a row's or a column's direction.
func beyond(v smoothl1.View, rows, cols, length int) bool {
	if rows == 0 || cols == 0 {
		return false
	}
	_, rowStride, colStride := v.Strides(cols)
	needs := func(n, stride int) bool { return n > 1 && stride != 0 && n-1 > (length-1)/max(stride, -stride) }
	return length == 0 || needs(rows, rowStride) || needs(cols, colStride)
}

// arraysOf returns the input arrays as bits.
func arraysOf[T smoothl1.Float](a *gpu.Args[T]) (set int64) {
	for i, given := range inputs(a) {
		if given {
			set |= 1 << i
		}
	}
	return set
}

func inputs[T smoothl1.Float](a *gpu.Args[T]) [8]bool {
	return [8]bool{a.Pred != nil, a.Target != nil, a.Weight != nil, a.Mask != nil, a.Beta != nil, a.Index != nil, a.Direction != nil, a.Upstream != gpu.Upstream[T]{}}
}

func arraysText(set int64) (text string) {
	for i, name := range [...]string{"pred", "target", "weight", "mask", "beta", "index", "direction", "upstream"} {
		if set>>i&1 != 0 {
			text += " " + name
		}
	}
	if text == "" {
		return "none"
	}
	return text[1:]
}

// Close releases the device memory of the op. It is not collective. A second Close does nothing.
func (s *SmoothL1[T]) Close() error {
	const name = "Close"
	if s == nil {
		return nil
	}
	if !s.mu.TryLock() {
		return smoothl1.NewArgError(name, "op", s.loss, smoothl1.ErrBusy)
	}
	defer s.mu.Unlock()
	s.dev = nil
	return errors.Join(s.op.Close(), s.sum.Close(), s.count.Close(), s.pair[0].Close(), s.pair[1].Close())
}
