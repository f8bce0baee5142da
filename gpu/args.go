package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Args holds the arguments of an operation: its inputs and the outputs that are wanted. cpu.Args has the same fields and ChunkSums, which
// here is a method of the op. Run does not change an Args, which can be used for any number of calls.
//
// Unless Shape says otherwise, all arrays have the length of Pred, but for Index and Losses; with an Index, all but GradPred have one element
// for each row. A nil buffer is an absent array. Numbers of 16 bits are computed in float32, and rounded once when they are stored.
//
// To compute in place, an output of T may be the same buffer, with the same view, as an input of T, if there is no Index. Otherwise no
// output may overlap another array, unless both have the same strides and their elements lie side by side, as columns of one matrix do.
type Args[T smoothl1.Float] struct {
	Pred, Target *Buffer[T]
	// Weight multiplies the loss term, once that is rounded, and the gradients.
	Weight *Buffer[T]
	// Mask leaves out the elements where it is 0: their terms, differences and gradients are +0, whatever the other arrays have there.
	// smoothl1.Bytes makes one of bools.
	Mask *Buffer[uint8]
	// Beta is beta, or delta, by element, in place of that of the Loss, which must be valid all the same. An element whose beta is not
	// valid (negative, NaN, infinite, or 0 for Huber) gets NaN.
	Beta *Buffer[T]
	// Index names the column of Pred to compare with the one target of each row. Shape.Cols is the number of columns of Pred and
	// GradPred; the gradients of other columns are +0, or stay as they are if AccumulatePred is set. An index that is out of range is
	// an error, on a device of the next call that waits, such as Value.
	Index *Buffer[int32]
	// Upstream is the gradient of the objective with respect to the loss; the zero value is 1. It scales only the gradients.
	Upstream Upstream[T]
	// Terms and Abs, unless nil, receive the loss term and |pred − target| of each element.
	Terms, Abs *Buffer[T]
	// GradPred and GradTarget, unless nil, receive the gradients with respect to pred and target, or have them added if AccumulatePred
	// and AccumulateTarget are set.
	GradPred, GradTarget             *Buffer[T]
	AccumulatePred, AccumulateTarget bool
	// Second, unless nil, receives the second derivative with respect to pred, times Direction: the product of the Hessian and a vector.
	Direction, Second *Buffer[T]
	// ByRow reduces each row: Losses, one for each, receives the losses, and Upstream is that of a row if its view is smoothl1.PerRow.
	ByRow  bool
	Losses *Buffer[float64]
	// Divisor is what a mean divides by; the zero value stands for the number of elements, with ByRow that of a row.
	Divisor smoothl1.Divisor
	// NoLoss omits the reduced loss. It has no effect with the reduction None, for which there is no reduced loss.
	NoLoss bool
	// Shape is the matrix that the arrays hold, and how; nil stands for one row of dense arrays.
	Shape *smoothl1.Shape
}

// Upstream is an upstream gradient: either one number for all elements or an array, with one for each unless Args.Shape says otherwise:
// with the view smoothl1.Single it is one number in the device's memory, such as a loss scale. The zero value is the number 1.
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

// Elements returns the upstream gradient x of each element. A float16 holds at most 65504: a loss scale of 65536 is infinite in an array of
// F16, though not as a Number.
func Elements[T smoothl1.Float](x *Buffer[T]) Upstream[T] {
	return Upstream[T]{kind: upstreamElements, elements: x}
}

func (u *Upstream[T]) number() float64 {
	if u.kind == upstreamNumber {
		return u.value
	}
	return 1
}

// operands are the checked arguments of an operation.
type operands struct {
	name     string
	pass     op.Pass
	lean     bool             // made by a lean kernel
	arrays   [op.Roles]*array // nil if absent
	upstream float64          // unless an array
	divisor  float64          // of a mean, else 1; NaN if it depends on the mask or the weights
	call     op.Call
	views    op.Views
}

// check validates the arguments before anything is launched, and sets o.
func (s *SmoothL1[T]) check(o *operands, name string, p op.Pass, a *Args[T]) (err error) {
	c, t := &o.call, smoothl1.DTypeOf[T]()
	c.Reset(s.loss.Reduction, a.Divisor, a.Pred.Len(), t)
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfKernels, a.Upstream.kind == upstreamNumber, a.NoLoss
	c.ByRow, c.AccumulatePred, c.AccumulateTarget = a.ByRow, a.AccumulatePred, a.AccumulateTarget
	if a.Shape != nil || a.Index != nil || a.ByRow {
		if err := c.SetShape(name, a.Shape, c.N, a.Index != nil, &o.views); err != nil {
			return err
		}
	}
	o.name = name
	has := o.put(s.dev, op.RolePred, a.Pred.arrayOf(), t) | o.put(s.dev, op.RoleTarget, a.Target.arrayOf(), t) |
		o.put(s.dev, op.RoleTerms, a.Terms.arrayOf(), t) |
		o.put(s.dev, op.RoleGradPred, a.GradPred.arrayOf(), t) | o.put(s.dev, op.RoleGradTarget, a.GradTarget.arrayOf(), t)
	if a.Weight != nil || a.Mask != nil || a.Beta != nil || a.Index != nil || a.Abs != nil || a.Direction != nil || a.Second != nil || a.Losses != nil {
		has |= o.put(s.dev, op.RoleWeight, a.Weight.arrayOf(), t) | o.put(s.dev, op.RoleMask, a.Mask.arrayOf(), smoothl1.Uint8) |
			o.put(s.dev, op.RoleBeta, a.Beta.arrayOf(), t) | o.put(s.dev, op.RoleIndex, a.Index.arrayOf(), smoothl1.Int32) |
			o.put(s.dev, op.RoleAbs, a.Abs.arrayOf(), t) | o.put(s.dev, op.RoleDirection, a.Direction.arrayOf(), t) |
			o.put(s.dev, op.RoleSecond, a.Second.arrayOf(), t) | o.put(s.dev, op.RoleLosses, a.Losses.arrayOf(), smoothl1.Float64)
	}
	c.Has = has // before any error, since release goes by it
	if a.Upstream.kind == upstreamElements {
		if a.Upstream.elements == nil {
			return smoothl1.NewArgError(name, op.RoleUpstream.String(), "nil", smoothl1.ErrNil)
		}
		c.Has |= o.put(s.dev, op.RoleUpstream, a.Upstream.elements.arrayOf(), t)
	}
	if p == op.Chosen {
		if p, err = c.Choose(name); err != nil {
			return err
		}
	}
	if err := c.Check(name, p); err != nil {
		return err
	}
	o.pass, o.lean, o.upstream = p, c.Lean(p), a.Upstream.number()
	o.divisor = op.Divisor(s.loss.Reduction, a.Divisor, c.Count())
	return nil
}

// put adds an array of the given type to the operands and to the call to be checked, unless it is nil.
func (o *operands) put(dev *Device, r op.Role, b *array, t smoothl1.DType) op.Found {
	if b == nil {
		return 0
	}
	o.arrays[r] = b
	if b.dev != dev || b.dtype != t || b.closed() {
		return o.putUnusable(dev, r, b, t)
	}
	return o.call.Put(r, b.at(), b.n)
}

// putUnusable adds an array that cannot be used, with the reason.
func (o *operands) putUnusable(dev *Device, r op.Role, b *array, t smoothl1.DType) op.Found {
	c := &o.call
	switch {
	case b.dev == nil:
		return c.PutUnusable(r, op.Zero, "Buffer{}")
	case b.dev != dev:
		return c.PutUnusable(r, op.OtherDevice, "buffer of "+b.dev.String())
	case b.dtype != t:
		return c.PutUnusable(r, op.OtherDType, fmt.Sprintf("of %v", b.dtype))
	default:
		return c.PutUnusable(r, op.Closed, b.String())
	}
}

// release forgets the buffers and the shape, so that the op does not keep them reachable.
func (o *operands) release() {
	o.call.Forget()
	for given := o.call.Has.Given(); given != 0; given &= given - 1 {
		o.arrays[given.First()] = nil
	}
}

func (b *Buffer[T]) arrayOf() *array {
	if b == nil {
		return nil
	}
	return &b.array
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
