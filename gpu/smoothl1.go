package gpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/formula"
	"github.com/smoothl1/smoothl1/kernels"
)

// A SmoothL1 computes one loss, and its gradients, for elements of the type T on a device.
//
// It owns the little device memory that a reduction needs, and so does one thing at a time: a call while another is in
// progress is an error wrapping smoothl1.ErrBusy. Any number of them work side by side. Calls on a GPU return when the work
// is queued; what fails there is reported by whoever waits: Value, Download, Wait. After the first call of a size nothing is
// allocated.
type SmoothL1[T smoothl1.Float] struct {
	dev       *Device
	loss      smoothl1.Loss
	constants formula.Constants[T]
	turns     turns

	scratch scratch
	args    [maxArgs]uint64 // of a launch

	hasValue bool    // a reduced loss has been asked for
	chunks   int     // and has so many chunk sums
	value    float64 // the CPU's

	last      *Stream // the stream of the last launch
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
	s := &SmoothL1[T]{dev: d, loss: l, constants: formula.Of[T](l)}
	if l.Reduction != smoothl1.None {
		if err := s.scratch.grow(d, firstChunks); err != nil {
			return nil, err
		}
	}
	d.ownOp(s, &s.turns)
	return s, nil
}

// firstChunks is the number of chunk sums that an op has room for from the start: those of a million elements.
const firstChunks = 512

// Loss returns what the op computes.
func (s *SmoothL1[T]) Loss() smoothl1.Loss { return s.loss }

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
	if o.reduces() {
		if err := s.scratch.grow(s.dev, cpu.Chunks(o.pred.n)); err != nil {
			return err
		}
		s.chunks = cpu.Chunks(o.pred.n)
		a.ChunkSums = s.scratch.host[:s.chunks]
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

// Value returns the loss that the last Forward or ForwardBackward computed; it waits for it. Without one it is an error
// wrapping smoothl1.ErrNoValue.
func (s *SmoothL1[T]) Value() (float64, error) {
	const op = "Value"
	if err := s.take(op); err != nil {
		return 0, err
	}
	defer s.turns.end()
	if !s.hasValue {
		return 0, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
	if s.dev.drv == nil {
		return s.value, nil
	}
	if err := s.read(s.scratch.cell[:], s.scratch.valueAt()); err != nil {
		return 0, err
	}
	return float64FromDevice(s.scratch.cell), nil
}

// ChunkSums returns the chunk sums of the last Forward or ForwardBackward, cpu.Chunks(n) of them, appended to dst. Those of
// shards, gathered in order, give the loss of the whole: see cpu.Finish. It waits for them.
func (s *SmoothL1[T]) ChunkSums(dst []float64) ([]float64, error) {
	const op = "ChunkSums"
	if err := s.take(op); err != nil {
		return dst, err
	}
	defer s.turns.end()
	if !s.hasValue {
		return dst, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
	if s.dev.drv == nil {
		return append(dst, s.scratch.host[:s.chunks]...), nil
	}
	sums := make([]float64, s.chunks)
	if s.chunks > 0 {
		if err := s.read(rawBytes(sums), s.scratch.sumsAt()); err != nil {
			return dst, err
		}
		if bigEndian {
			swap(sums)
		}
	}
	return append(dst, sums...), nil
}

// read copies from the scratch after the last launch.
func (s *SmoothL1[T]) read(dst []byte, src driver.Ptr) error {
	return s.onLast(func(on driver.Stream) error {
		if err := s.dev.drv.CopyOut(dst, src, on); err != nil {
			return opError("read the loss", "", len(dst), err)
		}
		return nil
	})
}

// onLast does f on the stream of the last reduction. One that has been closed since has finished its work, and any other does
// as well.
func (s *SmoothL1[T]) onLast(f func(driver.Stream) error) error {
	on := s.last
	if on != nil && on.guard.share() != nil {
		on = nil
	}
	err := f(on.handle())
	if on != nil {
		on.guard.unshare()
	}
	s.unsettled = s.unsettled || err != nil
	return err
}

// Close releases the op's memory, after its work. A second Close does nothing. While a call is in progress, Close is an error
// wrapping smoothl1.ErrBusy.
func (s *SmoothL1[T]) Close() error {
	const op = "SmoothL1.Close"
	if s == nil || s.turns.closed() {
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
	return s.dev.disownOp(s, &s.turns)
}

// release implements resource.
func (s *SmoothL1[T]) release() error {
	s.turns.n.Store(turnsClosed)
	return s.scratch.release(s.dev)
}

// take begins a call on the op, a turn, at whose end the caller ends it.
func (s *SmoothL1[T]) take(op string) error {
	if s == nil {
		return smoothl1.NewArgError(op, "op", "nil", smoothl1.ErrNil)
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
