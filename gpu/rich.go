package gpu

import (
	"math/bits"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// richFunctions are the rich kernels for an op's element type: those of op.Forward and op.ForwardBackward, each that multiplies and the
// one that divides, and that of divisors. The zero value has none.
type richFunctions struct {
	passes  [op.Passes][2]driver.Function
	divisor driver.Function
	ready   bool
}

// readyRich looks up the rich kernels.
func (s *SmoothL1[T]) readyRich() error {
	if s.rich.ready {
		return nil
	}
	key := moduleKey{smoothl1.DTypeOf[T](), true}
	if !s.dev.modules.has(key) { // and has to be loaded
		if !s.dev.quiet() {
			return whileCapturing("load", "kernels", "of "+smoothl1.DTypeOf[T]().String())
		}
		defer s.dev.loud()
	}
	m, err := s.dev.module(key)
	if err != nil {
		return err
	}
	for _, pass := range []op.Pass{op.Forward, op.ForwardBackward} {
		for i, divide := range []bool{false, true} {
			s.rich.passes[pass][i] = m.functions[richVariant[T](pass, divide)]
		}
	}
	s.rich.divisor = m.functions[divisorVariant[T]()]
	s.rich.ready = true
	return nil
}

func richVariant[T smoothl1.Float](pass op.Pass, divide bool) kernels.Variant {
	return kernels.Variant{DType: smoothl1.DTypeOf[T](), Pass: pass, Divide: divide, Rich: true}
}

func divisorVariant[T smoothl1.Float]() kernels.Variant {
	return kernels.Variant{DType: smoothl1.DTypeOf[T](), Divisor: true}
}

// deviceDivisor reports whether the operation's divisor is known on the device only.
func (o *operands) deviceDivisor() bool {
	d := o.call.Divisor
	return o.pass != op.Terms && (d.Kept() || d.Weights())
}

// losses returns the number of losses of the operation.
func (o *operands) losses() int {
	if o.call.ByRow {
		return o.call.Rows
	}
	return 1
}

// needs returns the scratch that the operation needs of a rich kernel.
func (o *operands) needs() needs {
	losses := o.losses()
	n := needsOf(losses, cpu.Chunks(o.call.N))
	if o.call.ByRow {
		n = needsOf(losses, cpu.Chunks(o.call.Cols))
	}
	n.fault = o.arrays[op.RoleIndex] != nil
	if o.deviceDivisor() {
		n.divisor = max(1, losses+n.sums)
	}
	return n
}

// startRich is start for a rich kernel, after that of the divisor if the gradients depend on one that is known on the device only.
func (s *SmoothL1[T]) startRich(o *operands, c *call, done driver.Event) (launched, recorded error) {
	pass := op.Forward
	if o.pass.Differentiates() {
		pass = op.ForwardBackward
	}
	divide := s.formula.Divides || o.arrays[op.RoleBeta] != nil
	s.packRich(o)
	p := &s.params
	g := geometryOf(residentWarps(o.call.DType, pass, divide), jobsOf(p), richWarps, s.dev.info.Multiprocessors, c.maxBlocks)
	if p.Flags&op.FlagDivisors != 0 {
		sums := p.Sums
		p.Sums = p.DivisorSums // the sums of an earlier loss stay as they are
		err := s.dev.drv.Launch(s.rich.divisor, g, c.stream.handle(), p.RichWords())
		p.Sums = sums
		if err != nil {
			if done != 0 {
				recorded = s.dev.drv.Record(done, c.stream.handle())
			}
			return opError("launch", divisorVariant[T]().Name(), o.call.N, err), recorded
		}
	}
	i := 0
	if divide {
		i = 1
	}
	launched, recorded = s.dev.queue(s.rich.passes[pass][i], g, c.stream.handle(), p.RichWords(), done)
	if launched != nil {
		launched = opError("launch", richVariant[T](pass, divide).Name(), o.call.N, launched)
	}
	return launched, recorded
}

// packRich sets the parameters of a launch of rich kernels.
func (s *SmoothL1[T]) packRich(o *operands) {
	s.pack(o)
	p := &s.params
	p.Rows, p.Cols, p.Actions = 1, uint64(o.call.N), uint64(o.call.N)
	if o.call.Views != nil {
		p.Rows, p.Cols, p.Actions = uint64(o.call.Rows), uint64(o.call.Cols), uint64(o.call.Actions)
	}
	p.Weight, p.Mask, p.Beta, p.Direction = o.address(op.RoleWeight), o.address(op.RoleMask), o.address(op.RoleBeta), o.address(op.RoleDirection)
	p.Index, p.Abs, p.Second = o.address(op.RoleIndex), o.address(op.RoleAbs), o.address(op.RoleSecond)
	for _, v := range []struct {
		role    op.Role
		strides *op.Strides
	}{
		{op.RolePred, &p.PredStrides}, {op.RoleTarget, &p.TargetStrides}, {op.RoleWeight, &p.WeightStrides}, {op.RoleMask, &p.MaskStrides},
		{op.RoleBeta, &p.BetaStrides}, {op.RoleUpstream, &p.UpstreamStrides}, {op.RoleDirection, &p.DirectionStrides},
		{op.RoleTerms, &p.TermsStrides}, {op.RoleAbs, &p.AbsStrides}, {op.RoleGradPred, &p.GradPredStrides},
		{op.RoleGradTarget, &p.GradTargetStrides}, {op.RoleSecond, &p.SecondStrides},
	} {
		switch {
		case o.arrays[v.role] == nil:
			*v.strides = op.Strides{}
		case o.call.Views == nil:
			*v.strides = op.Strides{Row: int64(o.call.N), Col: 1}
		default:
			*v.strides = op.Strides{Row: int64(o.views[v.role].RowStride), Col: int64(o.views[v.role].ColStride)}
		}
	}
	p.Flags = 0
	set := func(f op.Flags, on bool) {
		if on {
			p.Flags |= f
		}
	}
	set(op.FlagReduce, o.pass.Reduces())
	set(op.FlagByRow, o.call.ByRow)
	set(op.FlagHuber, s.loss.Kind == smoothl1.Huber)
	set(op.FlagAccumulatePred, o.call.AccumulatePred)
	set(op.FlagAccumulateTarget, o.call.AccumulateTarget)
	p.Divisors, p.DivisorSums, p.Fault = 0, 0, 0
	if o.deviceDivisor() {
		d := o.call.Divisor
		set(op.FlagZeroIfEmpty, d.IsZeroIfEmpty())
		set(op.FlagWeights, d.Weights())
		set(op.FlagAlong, !o.pass.Differentiates())
		set(op.FlagDivisors, o.pass.Differentiates())
		p.Divisors = uint64(s.scratch.side.at)
		p.DivisorSums = p.Divisors + 8*uint64(o.losses())
		p.Tickets = uint64(s.scratch.ticketsAt())
	}
	if o.call.ByRow && o.pass.Reduces() {
		p.Value = o.address(op.RoleLosses)
	}
	if p.Index != 0 {
		p.Fault = uint64(s.scratch.fault.at(o.pass.Reduces()))
	}
	p.Arrange(o.call.Size)
}

// richWarps is the largest number of warps in a block of rich kernels, which have more registers than others, so that more blocks fit on
// a multiprocessor.
const richWarps = 4

// residentWarps returns the number of warps of a rich kernel that fit on a multiprocessor at once, by its registers. More would begin
// when the others have ended.
func residentWarps(t smoothl1.DType, pass op.Pass, divide bool) int {
	if t == smoothl1.Float32 && (pass == op.Forward || !divide) {
		return 16
	}
	return 12
}

// jobsOf returns the number of jobs into which a rich kernel divides its work: see kernels/rich.cu.
func jobsOf(p *op.Params) int {
	rows, cols := int(p.Rows), int(p.Cols)
	switch {
	case p.Flags&op.FlagByRow == 0:
		return cpu.Chunks(rows * cols)
	case cols <= op.Lanes:
		lanes := 1 << bits.Len(uint(max(cols, 1)-1)) // of a row
		return (rows + op.Lanes/lanes - 1) / (op.Lanes / lanes)
	}
	return rows * cpu.Chunks(cols)
}
