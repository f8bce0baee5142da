package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/internal/op"
)

// A SmoothL1 computes one loss, and its gradients, for elements of the type T on a device.
//
// It owns the small amount of device memory that a reduction needs, and therefore runs one call at a time: a call while another is in
// progress fails with an error wrapping smoothl1.ErrBusy. Any number of SmoothL1s may run concurrently. On a GPU a call returns when
// its work is queued; a failure of that work is reported by the next call that waits, such as Value, Download or Wait. A call allocates
// memory, and then waits for the device, only if its arrays have more chunks of 2048 elements than those of any call before it: see
// Reserve. The first call on a device with more than plain arrays loads the kernels for that.
type SmoothL1[T smoothl1.Float] struct {
	dev      *Device
	loss     smoothl1.Loss
	formula  op.Formula
	turns    *turns   // a pointer, so that the device's set of turns does not keep the op reachable
	operands operands // of the call in progress

	functions functions // unset on the CPU
	rich      richFunctions
	params    op.Params // of a launch
	scratch   *scratch  // nil on the CPU, and for the reduction None until a call needs it
	cell      [8]byte   // the loss as copied from the device

	hasValue bool        // a reduced loss has been computed or queued
	byRow    bool        // it is one for each row, and not here
	indexed  bool        // its call has an index, on a device
	chunks   int         // the number of its chunk sums, on a device
	value    float64     // the loss, on the CPU
	sums     []float64   // the chunk sums, on the CPU
	host     cpu.Args[T] // of the call in progress, on the CPU

	graphs atomic.Int32 // the graphs that use the op

	last        *Stream // the stream on which the scratch may be used without waiting
	ticketDirty bool    // a launch failed, or may have, and left nonzero tickets
}

// NewSmoothL1 returns an op that computes l on d.
//
// For the first op of an element type on a CUDA device, the driver compiles the type's kernels, unless its cache has them. Those for more
// than plain arrays it compiles for the first call that needs them.
func NewSmoothL1[T smoothl1.Float](d *Device, l smoothl1.Loss) (*SmoothL1[T], error) {
	if err := d.enter("NewSmoothL1"); err != nil {
		return nil, err
	}
	defer d.leave()
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return nil, err
	}
	if !d.quiet() {
		return nil, whileCapturing("NewSmoothL1", "loss", l)
	}
	defer d.loud()
	s, err := newSmoothL1[T](d, l)
	if err != nil {
		return nil, err
	}
	if l.Reduction != smoothl1.None && d.drv != nil {
		if s.scratch, err = newScratch(d, needsOf(1, firstChunks)); err != nil {
			return nil, err
		}
		s.scratch.cell = d.values.get()
		hold(d, s, s.scratch)
	}
	d.addOp(s.turns)
	runtime.AddCleanup(s, d.removeOp, s.turns)
	return s, nil
}

// newSmoothL1 returns an op that computes a valid loss, without scratch, and unknown to the device. The caller has called quiet.
func newSmoothL1[T smoothl1.Float](d *Device, l smoothl1.Loss) (*SmoothL1[T], error) {
	s := &SmoothL1[T]{dev: d, loss: l, formula: op.FormulaOf(smoothl1.DTypeOf[T](), l), turns: new(turns)}
	if d.drv != nil {
		if err := s.ready(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// firstChunks is the number of chunk sums that a new op has room for, enough for a million elements.
const firstChunks = 512

// Loss returns the loss that the op computes.
func (s *SmoothL1[T]) Loss() smoothl1.Loss {
	if s == nil {
		return smoothl1.Loss{}
	}
	return s.loss
}

// Run computes, in one launch, the outputs that a has buffers for, in any combination, and the reduced loss, unless the reduction is None
// or a.NoLoss is set. Value returns the reduced loss. An argument that would not be used is an error. A call that is refused changes no
// buffer.
//
// The gradients of a mean over the elements that a mask keeps, or over the weights, take a second launch, which finds out the divisor.
//
// ForwardTerms, Forward, Backward and ForwardBackward are shorthands for Run.
func (s *SmoothL1[T]) Run(a *Args[T], options ...Option) error {
	if a == nil {
		return smoothl1.NewArgError("Run", "args", "nil", smoothl1.ErrNil)
	}
	return s.do("Run", op.Chosen, a, options)
}

// ForwardTerms writes the loss term of each element to terms: the loss without reduction, whatever the op's reduction is.
func (s *SmoothL1[T]) ForwardTerms(pred, target, terms *Buffer[T], options ...Option) error {
	return s.do("ForwardTerms", op.Terms, &Args[T]{Pred: pred, Target: target, Terms: terms}, options)
}

// Forward computes the reduced loss, which Value returns.
func (s *SmoothL1[T]) Forward(pred, target *Buffer[T], options ...Option) error {
	return s.do("Forward", op.Forward, &Args[T]{Pred: pred, Target: target}, options)
}

// Backward writes the gradient with respect to pred to gradPred.
func (s *SmoothL1[T]) Backward(pred, target, gradPred *Buffer[T], options ...Option) error {
	return s.do("Backward", op.Backward, &Args[T]{Pred: pred, Target: target, GradPred: gradPred}, options)
}

// ForwardBackward computes the reduced loss, which Value returns, and writes the gradient with respect to pred to gradPred, in one
// pass over the arrays.
func (s *SmoothL1[T]) ForwardBackward(pred, target, gradPred *Buffer[T], options ...Option) error {
	return s.do("ForwardBackward", op.ForwardBackward, &Args[T]{Pred: pred, Target: target, GradPred: gradPred}, options)
}

// do performs an operation, as one turn of the op.
func (s *SmoothL1[T]) do(name string, p op.Pass, a *Args[T], options []Option) error {
	if err := s.take(name); err != nil {
		return err
	}
	if p != op.Chosen && len(options) == 0 && s.plain(p, a) { // a has nothing else then
		return s.computePlain(name, p, a)
	}
	var c call
	defer func() { // a single defer, to keep it open-coded
		c.end()
		s.operands.release()
		s.turns.end()
		runtime.KeepAlive(a) // no cleanup may release the operands before the work is queued
	}()
	return s.doTaken(name, p, a, &c, options)
}

func (s *SmoothL1[T]) doTaken(name string, p op.Pass, a *Args[T], c *call, options []Option) error {
	if err := c.read(name, s.dev, options, optStream|optMaxBlocks); err != nil {
		return err
	}
	o := &s.operands
	if err := s.check(o, name, p, a); err != nil {
		return err
	}
	if k := c.capture(); k != nil {
		return s.capture(k, a, c)
	}
	if s.dev.drv == nil {
		return s.compute(o, a)
	}
	return s.launch(o, c)
}

// compute does the work on the CPU.
func (s *SmoothL1[T]) compute(o *operands, given *Args[T]) (err error) {
	// The arguments are kept between calls, and only what is set is cleared: a variable of so many fields would take a tenth of the time of
	// a small loss.
	a := &s.host
	a.Divisor, a.NoLoss = given.Divisor, !o.pass.Reduces()
	sums, hadValue := s.sums, s.hasValue
	if o.pass.Reduces() {
		chunks := o.call.ChunkCount()
		if err := s.reserveSums(chunks); err != nil {
			return smoothl1.NewArgError(o.name, "pred", o.arrays[op.RolePred], err)
		}
		s.hasValue = false
		a.ChunkSums = s.sums
	}
	a.Pred, a.Target = sliceOf[T](o.arrays[op.RolePred]), sliceOf[T](o.arrays[op.RoleTarget])
	a.Terms, a.GradPred, a.GradTarget = sliceOf[T](o.arrays[op.RoleTerms]), sliceOf[T](o.arrays[op.RoleGradPred]), sliceOf[T](o.arrays[op.RoleGradTarget])
	more := given.Upstream.kind != upstreamOne || given.Shape != nil || given.ByRow || given.AccumulatePred || given.AccumulateTarget ||
		o.call.Has.Given().Rich()
	if more {
		switch given.Upstream.kind {
		case upstreamNumber:
			a.Upstream = cpu.Number[T](given.Upstream.value)
		case upstreamElements:
			a.Upstream = cpu.Elements(sliceOf[T](o.arrays[op.RoleUpstream]))
		}
		a.Shape, a.ByRow, a.AccumulatePred, a.AccumulateTarget = given.Shape, given.ByRow, given.AccumulatePred, given.AccumulateTarget
		a.Weight, a.Beta, a.Direction = sliceOf[T](o.arrays[op.RoleWeight]), sliceOf[T](o.arrays[op.RoleBeta]), sliceOf[T](o.arrays[op.RoleDirection])
		a.Mask, a.Index = sliceOf[uint8](o.arrays[op.RoleMask]), sliceOf[int32](o.arrays[op.RoleIndex])
		a.Abs, a.Second, a.Losses = sliceOf[T](o.arrays[op.RoleAbs]), sliceOf[T](o.arrays[op.RoleSecond]), sliceOf[float64](o.arrays[op.RoleLosses])
	}
	value, err := cpu.Run(s.loss, a)
	if more {
		*a = cpu.Args[T]{}
	} else {
		a.Pred, a.Target, a.Terms, a.GradPred, a.GradTarget, a.ChunkSums = nil, nil, nil, nil, nil, nil
	}
	switch {
	case !o.pass.Reduces():
	case err != nil: // an index is out of range, and nothing has been written
		s.sums, s.hasValue = sums, hadValue
	default:
		s.value, s.hasValue, s.byRow = value, true, given.ByRow
	}
	return err
}

// reserveSums sets the length of s.sums to chunks. If there is not enough memory, the old sums and their loss stay valid.
func (s *SmoothL1[T]) reserveSums(chunks int) error {
	if cap(s.sums) < chunks {
		sums, err := memory.Make[float64](chunks)
		if err != nil {
			return fmt.Errorf("%d chunk sums: %w: %w", chunks, smoothl1.ErrMemory, err)
		}
		s.sums = sums
	}
	s.sums = s.sums[:chunks]
	return nil
}

// Close waits for the op's work and releases its memory. A second Close does nothing. While a call is in progress, Close fails with an
// error wrapping smoothl1.ErrBusy, and if a graph uses the op, with one wrapping smoothl1.ErrGraph.
func (s *SmoothL1[T]) Close() error {
	const op = "SmoothL1.Close"
	if s == nil || s.dev == nil || s.turns.closed() {
		return nil
	}
	if err := s.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer s.dev.leave()
	if !s.dev.quiet() {
		return whileCapturing(op, "op", s.loss)
	}
	defer s.dev.loud()
	if s.graphs.Load() > 0 {
		return smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrGraph)
	}
	first, err := s.turns.close()
	if err != nil {
		return smoothl1.NewArgError(op, "op", s.loss, err)
	}
	if !first {
		return nil
	}
	s.dev.removeOp(s.turns)
	s.sums = nil
	if s.scratch == nil {
		return nil
	}
	if s.scratch.fault != nil {
		if err = s.follow(nil); err == nil {
			err = s.dev.reportIndex(s.scratch.fault)
		}
	}
	return errors.Join(err, s.dev.giveBack(s.scratch))
}

// take begins a turn for a call on the op. The caller ends it.
func (s *SmoothL1[T]) take(op string) error {
	switch {
	case s == nil:
		return smoothl1.NewArgError(op, "op", "nil", smoothl1.ErrNil)
	case s.dev == nil:
		return smoothl1.NewArgError(op, "op", "SmoothL1{}", smoothl1.ErrZero)
	}
	err := s.turns.begin()
	if s.dev.closed.Load() {
		if err == nil {
			s.turns.end()
		}
		return smoothl1.NewArgError(op, "device", s.dev, smoothl1.ErrClosed)
	}
	if err != nil {
		return smoothl1.NewArgError(op, "op", s.loss, err)
	}
	return nil
}

// end ends the turn. Deferred, it keeps the op reachable until then: the cleanup of an unreachable op releases its scratch.
func (s *SmoothL1[T]) end() { s.turns.end() }
