package gpu

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// launch queues the operation's kernel and keeps track of the scratch.
func (s *SmoothL1[T]) launch(o *operands, c *call) error {
	n := o.pred.n
	if n == 0 && !o.pass.Reduces() {
		return nil
	}
	if !o.pass.Reduces() {
		return s.start(o, c)
	}
	if err := s.prepare(n, c.stream); err != nil {
		return err
	}
	err := s.start(o, c)
	s.ticketDirty = err != nil
	if marked := s.mark(c.stream); err == nil {
		err = marked
	}
	s.hasValue, s.chunks = err == nil, cpu.Chunks(n)
	return err
}

// start queues the kernel.
func (s *SmoothL1[T]) start(o *operands, c *call) error {
	n := o.pred.n
	elementwise := o.elements != nil
	s.pack(o)
	g := geometry(n, s.dev.info.Multiprocessors, c.maxBlocks)
	if err := s.dev.drv.Launch(s.functions.of(o.pass, elementwise), g, c.stream.handle(), s.params.Words()); err != nil {
		return opError("launch", s.variant(o.pass, elementwise).Name(), n, err)
	}
	return nil
}

// prepare prepares the scratch for a reduction of n elements on the stream.
func (s *SmoothL1[T]) prepare(n int, on *Stream) error {
	s.hasValue = false
	if err := s.follow(on); err != nil {
		return err
	}
	if err := s.scratch.grow(s.dev, cpu.Chunks(n)); err != nil {
		return err
	}
	if s.ticketDirty {
		return s.scratch.clear(s.dev, on.handle())
	}
	return nil
}

// functions are the kernels for an op's element type and quotient, by pass, followed by the one for an elementwise upstream gradient.
type functions [op.Passes + 1]driver.Function

func (f *functions) of(pass op.Pass, elementwise bool) driver.Function {
	if elementwise {
		return f[op.Passes]
	}
	return f[pass]
}

// variant returns the variant of the kernel for a pass of the op.
func (s *SmoothL1[T]) variant(pass op.Pass, elementwise bool) kernels.Variant {
	return kernels.Variant{DType: smoothl1.DTypeOf[T](), Pass: pass, Elementwise: elementwise, Divide: s.constants.Divides()}
}

// ready looks up the op's kernels, and sets the parameters that are the same in all of its launches.
func (s *SmoothL1[T]) ready() error {
	m, err := s.dev.module(smoothl1.DTypeOf[T]())
	if err != nil {
		return err
	}
	for pass := range op.Pass(op.Passes) {
		s.functions[pass] = m.functions[s.variant(pass, false)]
	}
	s.functions[op.Passes] = m.functions[s.variant(op.Backward, true)]
	s.params.Threshold = op.NumberOf(s.constants.Threshold)
	s.params.Inverse = op.NumberOf(s.constants.Inverse)
	s.params.Outer = op.NumberOf(s.constants.Outer)
	return nil
}

// pack sets the parameters of a launch. Those that its kernel does not read are 0, so that none is left over from another launch.
func (s *SmoothL1[T]) pack(o *operands) {
	p := &s.params
	p.N = uint64(o.pred.n)
	p.Pred, p.Target, p.Upstream = address(o.pred), address(o.target), address(o.elements)
	p.Terms, p.GradPred, p.GradTarget = address(o.terms), address(o.gradPred), address(o.gradTarget)
	p.Norm, p.G = 0, 0
	if o.pass.Differentiates() {
		p.Norm, p.G = op.NumberOf(op.Norm[T](o.divisor)), op.NumberOf(T(o.upstream))
	}
	p.Divisor, p.Sums, p.Value, p.Ticket = 0, 0, 0, 0
	if o.pass.Reduces() {
		p.Divisor = o.divisor
		p.Sums, p.Value, p.Ticket = uint64(s.scratch.sumsAt()), uint64(s.scratch.valueAt()), uint64(s.scratch.ticketAt())
	}
}

// address returns the device address of an array, or 0 if b is nil.
func address(b *array) uint64 {
	if b == nil {
		return 0
	}
	return uint64(b.ptr)
}

// blocksPerMultiprocessor gives a multiprocessor 16 warps, its maximum at 128 registers per thread. It has not been tuned.
const blocksPerMultiprocessor = 2

// geometry returns a grid with one warp per chunk, up to a full device, where each warp takes several chunks in turn. A few chunks
// are spread over all multiprocessors, in blocks of few warps.
func geometry(n, multiprocessors, maxBlocks int) driver.Geometry {
	chunks := max(1, cpu.Chunks(n))
	multiprocessors = max(1, multiprocessors)
	warps := min(max(1, (chunks+multiprocessors-1)/multiprocessors), kernels.MaxWarps)
	blocks := min((chunks+warps-1)/warps, multiprocessors*blocksPerMultiprocessor*kernels.MaxWarps/warps)
	if maxBlocks > 0 {
		blocks = min(blocks, maxBlocks)
	}
	return driver.Linear(uint32(blocks), uint32(warps*kernels.WarpThreads))
}
