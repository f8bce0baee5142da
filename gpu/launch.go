package gpu

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// launch queues the operation's kernels and keeps track of the scratch.
func (s *SmoothL1[T]) launch(o *operands, c *call) error {
	n := o.call.N
	if n == 0 && !o.pass.Reduces() {
		return nil
	}
	need := needsOf(1, cpu.Chunks(n))
	if !o.lean {
		if err := s.readyRich(); err != nil {
			return err
		}
		need = o.needs()
	}
	if !o.pass.Reduces() && need.divisor == 0 && !need.fault {
		launched, _ := s.start(o, c, 0)
		return launched
	}
	if err := s.prepare(o, need, c.stream); err != nil {
		return err
	}
	if need.fault {
		s.dev.expect(s.scratch.fault, o.name, o.call.Actions, o.pass.Reduces(), c.stream.handle())
	}
	err, recorded := s.start(o, c, s.scratch.done) // in one call: for small arrays, queuing takes longer than the work
	if need.fault {
		s.dev.queued(s.scratch.fault)
	}
	s.ticketDirty = err != nil
	if marked := s.marked(c.stream, recorded); err == nil {
		err = marked
	}
	if o.pass.Reduces() {
		s.hasValue, s.byRow, s.indexed, s.chunks = err == nil, o.call.ByRow, need.fault, o.call.ChunkCount()
	}
	return err
}

// start queues the kernels, and then records the event unless it is 0, even if a launch fails.
func (s *SmoothL1[T]) start(o *operands, c *call, done driver.Event) (launched, recorded error) {
	if !o.lean {
		return s.startRich(o, c, done)
	}
	n := o.call.N
	elementwise := o.arrays[op.RoleUpstream] != nil
	s.pack(o)
	g := geometry(cpu.Chunks(n), s.dev.info.Multiprocessors, c.maxBlocks)
	launched, recorded = s.dev.queue(s.functions.of(o.pass, elementwise), g, c.stream.handle(), s.params.Words(), done)
	if launched != nil {
		launched = opError("launch", s.variant(o.pass, elementwise).Name(), n, launched)
	}
	return launched, recorded
}

// queue launches a kernel, and then records the event unless it is 0.
func (d *Device) queue(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64, done driver.Event) (launched, recorded error) {
	if done == 0 {
		return d.drv.Launch(f, g, on, args), nil
	}
	return driver.LaunchRecord(d.drv, f, g, on, args, done)
}

// prepare prepares the scratch for an operation on the stream.
func (s *SmoothL1[T]) prepare(o *operands, need needs, on *Stream) error {
	if s.scratch == nil { // the reduction is None
		if err := s.firstScratch(o); err != nil {
			return err
		}
	}
	had := s.hasValue
	if o.pass.Reduces() {
		s.hasValue = false
	} else {
		need.sums = 0 // but a divisor may need the tickets
	}
	if err := s.follow(on); err != nil {
		return err
	}
	if m := s.scratch; !m.holds(need) || need.fault && m.fault == nil {
		if err := s.enlarge(o, need); err != nil {
			if _, refused := err.(*smoothl1.ArgError); refused {
				s.hasValue = had
			}
			return err
		}
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
	return kernels.Variant{DType: smoothl1.DTypeOf[T](), Pass: pass, Elementwise: elementwise, Divide: s.formula.Divides}
}

// ready looks up the op's kernels, and sets the parameters that are the same in all of its launches.
func (s *SmoothL1[T]) ready() error {
	m, err := s.dev.module(moduleKey{dtype: smoothl1.DTypeOf[T]()})
	if err != nil {
		return err
	}
	for pass := range op.Pass(op.Passes) {
		s.functions[pass] = m.functions[s.variant(pass, false)]
	}
	s.functions[op.Passes] = m.functions[s.variant(op.Backward, true)]
	s.params.Threshold, s.params.Inverse, s.params.Outer = s.formula.Threshold, s.formula.Inverse, s.formula.Outer
	return nil
}

// pack sets the parameters of a launch. Those that its kernel does not read are 0, so that none is left over from another launch.
func (s *SmoothL1[T]) pack(o *operands) {
	p := &s.params
	p.N = uint64(o.call.N)
	p.Pred, p.Target, p.Upstream = o.address(op.RolePred), o.address(op.RoleTarget), o.address(op.RoleUpstream)
	p.Terms, p.GradPred, p.GradTarget = o.address(op.RoleTerms), o.address(op.RoleGradPred), o.address(op.RoleGradTarget)
	p.Norm, p.G, p.Least = 0, 0, 0
	if o.pass.Differentiates() {
		p.Norm, p.G = op.Round(o.call.DType, 1/o.divisor), op.Round(o.call.DType, o.upstream)
	}
	if s.formula.Divides {
		p.Least = s.formula.Least(o.pass, 1/o.divisor, o.upstream)
	}
	p.Divisor, p.Sums, p.Value, p.Tickets = 0, 0, 0, 0
	if o.pass.Reduces() {
		p.Divisor = o.divisor
		p.Sums, p.Value, p.Tickets = uint64(s.scratch.sumsAt()), uint64(s.scratch.valueAt()), uint64(s.scratch.ticketsAt())
	}
}

// address returns the device address of the first element of an array, or 0 if it is absent.
func (o *operands) address(r op.Role) uint64 {
	b := o.arrays[r]
	if b == nil {
		return 0
	}
	at := uint64(b.ptr)
	if o.call.Views != nil {
		at += uint64(o.views[r].Offset * r.Size(o.call.Size))
	}
	return at
}

const (
	// warpsPerMultiprocessor is the number of warps that fit on a multiprocessor at 128 registers a thread, which is what the launch bounds
	// of the kernels of plain arrays allow.
	warpsPerMultiprocessor = 16
	// sharingWarps is the number of warps that share a chunk in a block of that size, if there are no more chunks than blocks.
	sharingWarps = 4
)

// geometry returns the grid for a kernel of plain arrays. As long as a full device has four warps for each chunk, they share it, for then
// all of it is loaded at once. Otherwise each warp has a chunk or takes several in turn.
func geometry(chunks, multiprocessors, maxBlocks int) driver.Geometry {
	if chunks <= max(1, multiprocessors)*warpsPerMultiprocessor/sharingWarps && (maxBlocks == 0 || chunks <= maxBlocks) {
		return driver.Linear(uint32(max(1, chunks)), sharingWarps*kernels.WarpThreads)
	}
	return geometryOf(warpsPerMultiprocessor, chunks, kernels.MaxWarps, multiprocessors, maxBlocks)
}

// geometryOf returns a grid with one warp per job, such as a chunk, up to a full device, where each warp takes several jobs in turn:
// `resident` warps fit on a multiprocessor. A few jobs are spread over all multiprocessors, in blocks of few warps, at most maxWarps.
func geometryOf(resident, jobs, maxWarps, multiprocessors, maxBlocks int) driver.Geometry {
	jobs = max(1, jobs)
	multiprocessors = max(1, multiprocessors)
	warps := min(max(1, (jobs+multiprocessors-1)/multiprocessors), maxWarps)
	blocks := min((jobs+warps-1)/warps, multiprocessors*resident/warps)
	if maxBlocks > 0 {
		blocks = min(blocks, maxBlocks)
	}
	return driver.Linear(uint32(blocks), uint32(warps*kernels.WarpThreads))
}
