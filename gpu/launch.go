package gpu

import (
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// maxArgs is the largest number of parameters of a kernel.
const maxArgs = 14

// launch queues one kernel for the whole operation.
func (s *SmoothL1[T]) launch(o *operands, c *call) error {
	n := o.pred.n
	if n == 0 && !o.reduces() {
		return nil
	}
	if !o.reduces() {
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
	e := kernels.Entry{Op: o.kernel, DType: smoothl1.DTypeOf[T](), Divide: s.constants.Divides()}
	if o.elements != nil {
		e.Op = kernels.BackwardElementwise
	}
	args := s.pack(o)
	g := geometry(n, s.dev.info.Multiprocessors, c.maxBlocks)
	if err := s.dev.drv.Launch(s.dev.functions[e.Index()], g, c.stream.handle(), args); err != nil {
		return opError("launch", e.Name(), n, err)
	}
	return nil
}

// prepare makes the scratch fit for a reduction of n elements on the stream.
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

// pack writes the arguments in the order of kernels.Entry.Params.
func (s *SmoothL1[T]) pack(o *operands) []uint64 {
	k := 0
	put := func(x uint64) {
		s.args[k] = x
		k++
	}
	address := func(b *array) {
		if b == nil {
			put(0)
		} else {
			put(uint64(b.ptr))
		}
	}
	switch {
	case o.kernel == kernels.ForwardTerms:
		address(o.terms)
	case o.differentiates():
		address(o.gradPred)
		address(o.gradTarget)
	}
	address(o.pred)
	address(o.target)
	put(uint64(o.pred.n))
	put(bitsOf(s.constants.Threshold))
	put(bitsOf(s.constants.Inverse))
	put(bitsOf(s.constants.Outer))
	if o.differentiates() {
		put(bitsOf(op.Norm[T](o.divisor)))
		if o.elements != nil {
			address(o.elements)
		} else {
			put(bitsOf(T(o.upstream)))
		}
	}
	if o.reduces() {
		put(uint64(s.scratch.sumsAt()))
		put(math.Float64bits(o.divisor))
		put(uint64(s.scratch.valueAt()))
		put(uint64(s.scratch.ticketAt()))
	}
	return s.args[:k]
}

// blocksPerMultiprocessor fills a multiprocessor with 16 warps of at most 128 registers a thread. Not measured yet.
const blocksPerMultiprocessor = 2

// geometry deals a warp to each chunk. Few chunks are spread over all multiprocessors, in blocks of few warps; of many, each
// warp takes several in turn.
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
