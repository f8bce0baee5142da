package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Args holds the arguments of an operation: its inputs and the outputs that are wanted. All arrays have the length of Pred. To
// compute in place, an output may be the same buffer as Pred, Target or an elementwise upstream gradient; otherwise no output may
// share memory with another array. cpu.Args has the same fields and ChunkSums, which here is a method of the op.
type Args[T smoothl1.Float] struct {
	Pred, Target *Buffer[T]
	// Upstream is the gradient of the objective with respect to the loss; the zero value is 1. It scales only the gradients. If it is
	// elementwise, it cannot be combined with the reduced loss: set NoLoss.
	Upstream Upstream[T]
	// Terms, unless nil, receives the loss term of each element. It cannot be combined with another output or the reduced loss: set NoLoss.
	Terms *Buffer[T]
	// GradPred and GradTarget, unless nil, receive the gradients with respect to pred and target.
	GradPred, GradTarget *Buffer[T]
	// Divisor is the number that a mean divides by; the zero value stands for the length of Pred.
	Divisor smoothl1.Divisor
	// NoLoss omits the reduced loss. It has no effect with the reduction None, for which there is no reduced loss.
	NoLoss bool
}

// Upstream is an upstream gradient: either one number for all elements or an array with one for each. The zero value is the number 1.
type Upstream[T smoothl1.Float] struct {
	kind     upstreamKind
	value    float64
	elements *Buffer[T]
}

type upstreamKind uint8

const (
	upstreamOne upstreamKind = iota
	upstreamNumber
	upstreamElements
)

// Number returns the upstream gradient g for all elements. It is rounded once to the computing type of T.
func Number[T smoothl1.Float](g float64) Upstream[T] {
	return Upstream[T]{kind: upstreamNumber, value: g}
}

// Elements returns the elementwise upstream gradient x, which must have the length of pred.
func Elements[T smoothl1.Float](x *Buffer[T]) Upstream[T] {
	return Upstream[T]{kind: upstreamElements, elements: x}
}

func (u *Upstream[T]) number() float64 {
	if u.kind == upstreamNumber {
		return u.value
	}
	return 1
}

// operands are the checked arguments of an operation. Absent arrays are nil.
type operands struct {
	op                          string
	pass                        op.Pass
	pred, target, elements      *array
	terms, gradPred, gradTarget *array
	upstream                    float64
	divisor                     float64
}

// check validates the arguments before anything is launched, and sets o.
func (s *SmoothL1[T]) check(o *operands, name string, p op.Pass, a *Args[T]) (err error) {
	var c op.Call
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfKernels, a.Upstream.kind == upstreamNumber, a.NoLoss
	c.Reduction, c.Divisor = s.loss.Reduction, a.Divisor
	c.N, c.DType, c.Size = a.Pred.Len(), smoothl1.DTypeOf[T](), smoothl1.DTypeOf[T]().Size()
	o.op = name
	o.pred, o.target, o.terms = a.Pred.arrayOf(), a.Target.arrayOf(), a.Terms.arrayOf()
	o.gradPred, o.gradTarget = a.GradPred.arrayOf(), a.GradTarget.arrayOf()
	has := s.put(&c, op.RolePred, o.pred) | s.put(&c, op.RoleTarget, o.target) | s.put(&c, op.RoleTerms, o.terms) |
		s.put(&c, op.RoleGradPred, o.gradPred) | s.put(&c, op.RoleGradTarget, o.gradTarget)
	if a.Upstream.kind == upstreamElements {
		if o.elements = a.Upstream.elements.arrayOf(); o.elements == nil {
			return smoothl1.NewArgError(name, op.RoleUpstream.String(), "nil", smoothl1.ErrNil)
		}
		has |= s.put(&c, op.RoleUpstream, o.elements)
	}
	c.Has = has
	if p == op.Chosen {
		if p, err = c.Choose(name); err != nil {
			return err
		}
	}
	if err := c.Check(name, p); err != nil {
		return err
	}
	o.pass, o.upstream, o.divisor = p, a.Upstream.number(), op.Divisor(s.loss.Reduction, a.Divisor, c.N)
	return nil
}

// put adds an array to the call to be checked, unless it is nil.
func (s *SmoothL1[T]) put(c *op.Call, r op.Role, b *array) op.Found {
	if b == nil {
		return 0
	}
	if b.dev != s.dev || b.dtype != smoothl1.DTypeOf[T]() || b.closed() {
		return s.putUnusable(c, r, b)
	}
	return c.Put(r, b.at(), b.n)
}

// putUnusable adds an array that cannot be used, with the reason.
func (s *SmoothL1[T]) putUnusable(c *op.Call, r op.Role, b *array) op.Found {
	switch {
	case b.dev == nil:
		return c.PutUnusable(r, op.Zero, "Buffer{}")
	case b.dev != s.dev:
		return c.PutUnusable(r, op.OtherDevice, "buffer of "+b.dev.String())
	case b.dtype != smoothl1.DTypeOf[T]():
		return c.PutUnusable(r, op.OtherDType, fmt.Sprintf("of %v", b.dtype))
	default:
		return c.PutUnusable(r, op.Closed, b.String())
	}
}

// at returns the address of a buffer's first element, in device or host memory.
func (b *array) at() uint64 {
	if b.host != nil {
		return uint64(uintptr(b.host))
	}
	return uint64(b.ptr)
}

func (b *array) overlaps(o *array) bool {
	return b.n > 0 && o.n > 0 && b.at() < o.at()+uint64(o.bytes()) && o.at() < b.at()+uint64(b.bytes())
}
