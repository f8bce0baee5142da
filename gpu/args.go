package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Args is what an operation has: its arrays, all of pred's length, and what it is to give. An output may be the very buffer of an
// input, to compute in place: of pred, of target, or of the upstream gradient. Apart from that no output may share memory with
// another array. cpu.Args has the same fields.
type Args[T smoothl1.Float] struct {
	Pred, Target *Buffer[T]
	// Upstream is the gradient of whatever is minimised with respect to the loss; the zero value is the number 1. It scales
	// the gradients alone. One for each element cannot be had where the reduced loss is wanted as well: see NoLoss.
	Upstream Upstream[T]
	// Terms gets the loss term of each element; nil: not wanted. Nothing else can be had in the same call.
	Terms *Buffer[T]
	// GradPred and GradTarget get the gradients with respect to pred and target; nil: not wanted.
	GradPred, GradTarget *Buffer[T]
	// Divisor is what a mean divides by; the zero value is the length of Pred.
	Divisor smoothl1.Divisor
	// NoLoss says that the reduced loss is not wanted. It is not had either where the reduction is None.
	NoLoss bool
}

// Upstream is an upstream gradient: a number, or one for each element. The zero value is the number 1.
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

// Number returns the upstream gradient g for all elements; it is rounded once to the type that T is computed in.
func Number[T smoothl1.Float](g float64) Upstream[T] {
	return Upstream[T]{kind: upstreamNumber, value: g}
}

// Elements returns the upstream gradient that has an element of x for each of pred.
func Elements[T smoothl1.Float](x *Buffer[T]) Upstream[T] {
	return Upstream[T]{kind: upstreamElements, elements: x}
}

func (u *Upstream[T]) number() float64 {
	if u.kind == upstreamNumber {
		return u.value
	}
	return 1
}

// operands are the arrays of an operation that has been checked; nil where it has none.
type operands struct {
	op                          string
	pass                        op.Pass
	pred, target, elements      *array
	terms, gradPred, gradTarget *array
	upstream                    float64
	divisor                     float64
}

// reduces says whether the operation gives a reduced loss.
func (o *operands) reduces() bool {
	return o.pass.Reduces()
}

// differentiates says whether it gives gradients.
func (o *operands) differentiates() bool {
	return o.pass.Differentiates()
}

// choose stands for the pass that computes what the arguments have places for.
const choose op.Pass = op.Passes

// check makes o of the arguments, or refuses what cannot be computed, before anything is launched.
func (s *SmoothL1[T]) check(o *operands, name string, p op.Pass, a *Args[T]) (err error) {
	var c op.Call
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfKernels, a.Upstream.kind == upstreamNumber, a.NoLoss
	c.Reduction, c.Divisor = s.loss.Reduction, a.Divisor
	c.N, c.Size = a.Pred.Len(), smoothl1.DTypeOf[T]().Size()
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
	if p == choose {
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

// put has the check know of an array, if there is one.
func (s *SmoothL1[T]) put(c *op.Call, r op.Role, b *array) op.Found {
	if b == nil {
		return 0
	}
	if b.dev != s.dev || b.dtype != smoothl1.DTypeOf[T]() || b.closed() {
		return s.putUnusable(c, r, b)
	}
	return c.Put(r, b.at(), b.n)
}

// putUnusable has the check know of an array that cannot be used, and why.
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

// at is the address of a buffer's first element, on the device or here.
func (b *array) at() uint64 {
	if b.host != nil {
		return uint64(uintptr(b.host))
	}
	return uint64(b.ptr)
}

func (b *array) overlaps(o *array) bool {
	return b.n > 0 && o.n > 0 && b.at() < o.at()+uint64(o.bytes()) && o.at() < b.at()+uint64(b.bytes())
}
