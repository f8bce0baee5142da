package gpu

import (
	"fmt"
	"runtime"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/internal/op"
)

// A SmoothL1 computes one loss, and its gradients, for elements of the type T on a device.
//
// It owns the little device memory that a reduction needs, and so does one thing at a time: a call while another is in
// progress is an error wrapping smoothl1.ErrBusy. Any number of them work side by side. Calls on a GPU return when the work
// is queued; what fails there is reported by whoever waits: Value, Download, Wait. After the first call of a size nothing is
// allocated; that call waits for the device, if it has more chunks than any before it.
type SmoothL1[T smoothl1.Float] struct {
	dev       *Device
	loss      smoothl1.Loss
	constants op.Constants[T]
	turns     *turns // apart from the op, which the device's list of them does not keep

	functions functions // on a device
	params    op.Params // of a launch
	scratch   *scratch  // on a device, of an op that reduces
	cell      [8]byte   // where the loss is read to

	hasValue bool      // a reduced loss has been asked for
	chunks   int       // and has so many chunk sums
	value    float64   // the CPU's
	sums     []float64 // the CPU's

	last        *Stream // the stream that the scratch may be used on without waiting
	ticketDirty bool    // a launch failed or may have: the ticket may be dirty
}

// NewSmoothL1 returns the op that computes l on d. Beta, kind and reduction are checked here, once.
//
// The first op of an element type on a CUDA device has the driver compile the type's kernels, which takes about a second the first
// time and is cached by the driver.
func NewSmoothL1[T smoothl1.Float](d *Device, l smoothl1.Loss) (*SmoothL1[T], error) {
	if err := d.enter("NewSmoothL1"); err != nil {
		return nil, err
	}
	defer d.leave()
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return nil, err
	}
	s := &SmoothL1[T]{dev: d, loss: l, constants: op.Of[T](l), turns: new(turns)}
	if d.drv != nil {
		if err := s.ready(); err != nil {
			return nil, err
		}
	}
	if l.Reduction != smoothl1.None && d.drv != nil {
		var err error
		if s.scratch, err = newScratch(d, firstChunks); err != nil {
			return nil, err
		}
		hold(d, s, s.scratch)
	}
	d.addOp(s.turns)
	runtime.AddCleanup(s, d.removeOp, s.turns)
	return s, nil
}

// firstChunks is the number of chunk sums that an op has room for from the start: those of a million elements.
const firstChunks = 512

// Loss returns what the op computes.
func (s *SmoothL1[T]) Loss() smoothl1.Loss {
	if s == nil {
		return smoothl1.Loss{}
	}
	return s.loss
}

// Run computes what a has places for, the loss terms or the gradients, and the reduced loss, which Value returns, unless the
// reduction is None or a.NoLoss is set: one launch, and nothing is allocated. It is an error to give what would not be used, or to
// ask for what no kernel computes together: loss terms beside anything else, the reduced loss beside an upstream gradient for each
// element. Buffers are not changed by a call that is refused.
//
// The four methods below are short forms of it.
func (s *SmoothL1[T]) Run(a *Args[T], options ...Option) error {
	if a == nil {
		return smoothl1.NewArgError("Run", "args", "nil", smoothl1.ErrNil)
	}
	return s.do("Run", choose, a, options)
}

// ForwardTerms writes the loss term of each element to terms. It is the forward pass of the reduction None, and can be had of
// ops with another one too.
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

// do is a whole operation: it checks, holds what is used, and computes.
func (s *SmoothL1[T]) do(name string, p op.Pass, a *Args[T], options []Option) error {
	if err := s.take(name); err != nil {
		return err
	}
	var c call
	defer func() { // one defer, which keeps it open-coded
		c.end()
		s.turns.end()
		runtime.KeepAlive(a) // what it computes with is not released before it is queued
	}()
	return s.doTaken(name, p, a, &c, options)
}

func (s *SmoothL1[T]) doTaken(name string, p op.Pass, a *Args[T], c *call, options []Option) error {
	if err := c.read(name, s.dev, options, optStream|optMaxBlocks); err != nil {
		return err
	}
	var o operands
	if err := s.check(&o, name, p, a); err != nil {
		return err
	}
	if s.dev.drv == nil {
		return s.compute(&o, a)
	}
	return s.launch(&o, c)
}

// compute does the work on the CPU.
func (s *SmoothL1[T]) compute(o *operands, given *Args[T]) (err error) {
	var a cpu.Args[T]
	if o.reduces() {
		if err := s.reserveSums(cpu.Chunks(o.pred.n)); err != nil {
			return smoothl1.NewArgError(o.op, "pred", o.pred, err)
		}
		s.hasValue = false
		a.ChunkSums = s.sums
	}
	a.NoLoss = !o.reduces()
	a.Pred, a.Target, a.Divisor = sliceOf[T](o.pred), sliceOf[T](o.target), given.Divisor
	if o.terms != nil {
		a.Terms = outputOf[T](o.terms)
	}
	if o.gradPred != nil {
		a.GradPred = outputOf[T](o.gradPred)
	}
	if o.gradTarget != nil {
		a.GradTarget = outputOf[T](o.gradTarget)
	}
	switch given.Upstream.kind {
	case upstreamNumber:
		a.Upstream = cpu.Number[T](o.upstream)
	case upstreamElements:
		a.Upstream = cpu.Elements(sliceOf[T](o.elements))
	}
	value, err := cpu.Run(s.loss, &a)
	if o.reduces() {
		s.value, s.hasValue = value, err == nil
	}
	return err
}

// reserveSums makes s.sums as long as there are chunks. Where there is no memory for them it stays as it is, and the loss with it.
func (s *SmoothL1[T]) reserveSums(chunks int) error {
	if cap(s.sums) < chunks {
		sums, err := memory.Make[float64](chunks)
		if err != nil {
			return fmt.Errorf("its %d chunk sums: %w: %w", chunks, smoothl1.ErrMemory, err)
		}
		s.sums = sums
	}
	s.sums = s.sums[:chunks]
	return nil
}

// Reserve takes the scratch that reductions of up to so many elements need, so that none of them allocates, or waits for the
// device. rows is for reductions by rows: whole arrays are one, and another number is an error wrapping smoothl1.ErrCount. A loss that
// has not been read is lost.
func (s *SmoothL1[T]) Reserve(elements, rows int) error {
	const name = "Reserve"
	if err := s.take(name); err != nil {
		return err
	}
	defer s.turns.end()
	switch {
	case elements < 0:
		return smoothl1.NewArgError(name, "elements", elements, smoothl1.ErrCount)
	case rows != 1:
		return smoothl1.NewArgError(name, "rows", rows, fmt.Errorf("%w: want 1", smoothl1.ErrCount))
	case s.loss.Reduction == smoothl1.None:
		return nil
	}
	if s.dev.drv == nil {
		if err := s.reserveSums(cpu.Chunks(elements)); err != nil {
			return smoothl1.NewArgError(name, "elements", elements, err)
		}
		s.hasValue = false
		return nil
	}
	s.hasValue = false
	if err := s.follow(nil); err != nil {
		return err
	}
	return s.scratch.grow(s.dev, cpu.Chunks(elements))
}

// outputOf is sliceOf for an output, which cpu takes for absent when it is nil.
func outputOf[T smoothl1.Float](b *array) []T {
	if b.n == 0 {
		return []T{}
	}
	return sliceOf[T](b)
}

// Close releases the op's memory, after its work. A second Close does nothing. While a call is in progress, Close is an error
// wrapping smoothl1.ErrBusy.
func (s *SmoothL1[T]) Close() error {
	const op = "SmoothL1.Close"
	if s == nil || s.dev == nil || s.turns.closed() {
		return nil
	}
	if err := s.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer s.dev.leave()
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
	return s.dev.giveBack(s.scratch)
}

// take begins a call on the op, a turn, at whose end the caller ends it.
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
