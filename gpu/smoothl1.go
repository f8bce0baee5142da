package gpu

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
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

	scratch *scratch        // on a device, of an op that reduces
	args    [maxArgs]uint64 // of a launch
	cell    [8]byte         // where the loss is read to

	hasValue bool      // a reduced loss has been asked for
	chunks   int       // and has so many chunk sums
	value    float64   // the CPU's
	sums     []float64 // the CPU's

	last      *Stream // the stream that the scratch may be used on without waiting
	unsettled bool    // a launch failed or may have: the ticket may be dirty
}

// NewSmoothL1 returns the op that computes l on d. Beta, kind and reduction are checked here, once.
func NewSmoothL1[T smoothl1.Float](d *Device, l smoothl1.Loss) (*SmoothL1[T], error) {
	if err := d.enter("NewSmoothL1"); err != nil {
		return nil, err
	}
	defer d.leave()
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return nil, err
	}
	s := &SmoothL1[T]{dev: d, loss: l, constants: op.Of[T](l), turns: new(turns)}
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

// ForwardTerms writes the loss term of each element to terms. It is the forward pass of the reduction None, and can be had of
// ops with another one too.
func (s *SmoothL1[T]) ForwardTerms(pred, target, terms *Buffer[T], options ...Option) error {
	o := operands{op: "ForwardTerms", kernel: kernels.ForwardTerms, pred: pred.arrayOf(), target: target.arrayOf(), terms: terms.arrayOf()}
	return s.do(&o, options, optStream|optMaxBlocks)
}

// Forward computes the reduced loss, which Value returns.
func (s *SmoothL1[T]) Forward(pred, target *Buffer[T], options ...Option) error {
	o := operands{op: "Forward", kernel: kernels.Forward, pred: pred.arrayOf(), target: target.arrayOf()}
	return s.do(&o, options, optCount|optStream|optMaxBlocks)
}

// Backward writes the gradient with respect to pred to gradPred, which may be nil where only GradTarget is wanted.
func (s *SmoothL1[T]) Backward(pred, target, gradPred *Buffer[T], options ...Option) error {
	o := operands{op: "Backward", kernel: kernels.Backward, pred: pred.arrayOf(), target: target.arrayOf(), gradPred: gradPred.arrayOf()}
	return s.do(&o, options, optUpstream|optUpstreamBuffer|optGradTarget|optCount|optStream|optMaxBlocks)
}

// ForwardBackward computes the reduced loss, which Value returns, and writes the gradients like Backward, in one pass over
// the arrays. The upstream gradient scales the gradients alone.
func (s *SmoothL1[T]) ForwardBackward(pred, target, gradPred *Buffer[T], options ...Option) error {
	o := operands{op: "ForwardBackward", kernel: kernels.ForwardBackward, pred: pred.arrayOf(), target: target.arrayOf(), gradPred: gradPred.arrayOf()}
	return s.do(&o, options, optUpstream|optGradTarget|optCount|optStream|optMaxBlocks)
}

// do is a whole operation: it checks, holds what is used, and computes.
func (s *SmoothL1[T]) do(o *operands, options []Option, allowed optKind) error {
	if err := s.take(o.op); err != nil {
		return err
	}
	var c call
	defer func() { // one that ends all, since the compiler does several in a function with many returns the slow way
		c.end()
		s.turns.end()
		runtime.KeepAlive(o) // what it computes with is not released before it is queued
	}()
	return s.doTaken(o, &c, options, allowed)
}

func (s *SmoothL1[T]) doTaken(o *operands, c *call, options []Option, allowed optKind) error {
	if o.reduces() && s.loss.Reduction == smoothl1.None {
		return smoothl1.NewArgError(o.op, "reduction", s.loss.Reduction, fmt.Errorf("%w: see ForwardTerms and Backward", smoothl1.ErrReduction))
	}
	if err := c.read(o.op, s.dev, options, allowed); err != nil {
		return err
	}
	o.gradTarget, o.elements = c.gradTarget, c.elements
	if err := o.check(s.dev, smoothl1.DTypeOf[T]()); err != nil {
		return err
	}
	if c.count == 0 {
		c.count = o.pred.n
	}
	if s.dev.drv == nil {
		return s.compute(o, c)
	}
	return s.launch(o, c)
}

// compute does the work on the CPU.
func (s *SmoothL1[T]) compute(o *operands, c *call) (err error) {
	var a cpu.Args[T]
	if o.reduces() {
		chunks := cpu.Chunks(o.pred.n)
		if cap(s.sums) < chunks {
			sums, err := memory.Make[float64](chunks)
			if err != nil {
				return smoothl1.NewArgError(o.op, "pred", o.pred, fmt.Errorf("its %d chunk sums: %w: %w", chunks, smoothl1.ErrMemory, err))
			}
			s.sums = sums
		}
		s.hasValue, s.chunks, s.sums = false, chunks, s.sums[:chunks]
		a.ChunkSums = s.sums
	}
	a.Pred, a.Target, a.Count = sliceOf[T](o.pred), sliceOf[T](o.target), c.count
	a.Upstream = cpu.Number[T](c.upstream)
	if o.terms != nil {
		a.Terms = sliceOf[T](o.terms)
	}
	if o.gradPred != nil {
		a.GradPred = outputOf[T](o.gradPred)
	}
	if o.gradTarget != nil {
		a.GradTarget = outputOf[T](o.gradTarget)
	}
	if o.elements != nil {
		a.Upstream = cpu.Elements(sliceOf[T](o.elements))
	}
	switch o.kernel {
	case kernels.ForwardTerms:
		return cpu.ForwardTerms(s.loss, a)
	case kernels.Forward:
		s.value, err = cpu.Forward(s.loss, a)
	case kernels.Backward:
		return cpu.Backward(s.loss, a)
	case kernels.ForwardBackward:
		s.value, err = cpu.ForwardBackward(s.loss, a)
	}
	s.hasValue = err == nil
	return err
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

// bitsOf returns a kernel argument.
func bitsOf[T smoothl1.Float](x T) uint64 {
	if unsafe.Sizeof(x) == 4 {
		return uint64(math.Float32bits(float32(x)))
	}
	return math.Float64bits(float64(x))
}
