package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/op"
)

// pass is a pass over the arrays of an operation: the parameters of the core kernel that makes it, or makes its last stage.
type pass[T core.Float] struct {
	core.Params[T]
	kind op.Pass
}

// setPass sets p, which must be zero, to the pass of the given kind over the arrays of a. It does not set the chunk sums.
func setPass[T core.Float, S smoothl1.Float](p *pass[T], kind op.Pass, l smoothl1.Loss, a *Args[S]) {
	c := op.Of[T](l)
	p.Pred, p.Target, p.N = first[T](a.Pred), first[T](a.Target), len(a.Pred)
	p.Threshold, p.Half, p.Outer = c.Threshold, T(T(0.5)*c.Threshold), c.Outer
	p.Divisor, p.Inverse = c.Divisor, c.Inverse
	switch {
	case c.Divides():
		p.Quotient = core.Div
	case c.Inverse != 1 || c.Threshold == 0:
		p.Quotient = core.Mul
	}
	p.kind = kind
	switch kind {
	case op.Forward:
		p.Kernel = core.Forward
		if p.Quotient == core.One && p.Outer == 1 {
			p.Quotient = core.Unit
		}
		return
	case op.Terms:
		p.Kernel = core.Terms
		p.Out = first[T](a.Terms)
		return
	case op.Backward:
		p.Kernel = core.Backward
	case op.ForwardBackward:
		p.Kernel = core.ForwardBackward
	}
	p.Norm = op.Norm[T](op.Divisor(l.Reduction, a.Divisor, len(a.Pred)))
	if c.Threshold == 0 {
		p.L1 = core.AllOnes[T]()
	}
	switch {
	case a.GradPred == nil:
		// Rounding is symmetric: the negative of a product is the product with one factor negated.
		p.Out = first[T](a.GradTarget)
		p.Norm = -p.Norm
		p.Flip = core.SignBit[T]()
	case a.GradTarget == nil:
		p.Out = first[T](a.GradPred)
	default:
		p.Out, p.Negated = first[T](a.GradPred), first[T](a.GradTarget)
		p.Stores = core.StoreNegated
	}
	if a.Upstream.elements != nil {
		p.Upstream = first[T](a.Upstream.elements)
		p.Kernel = core.BackwardElementwise
		return
	}
	if p.G = T(a.Upstream.number()); p.G != p.G {
		p.G = nan[T]() // with the payload that kernels for bfloat16 round
	}
	p.Side = T(T(p.Norm*p.G) * p.Outer)
	if kind == op.ForwardBackward && p.Quotient == core.One && p.Outer == 1 && p.G == 1 {
		p.Quotient = core.Unit
	}
}

// first returns the address of the first element of x, as stored.
func first[T core.Float, S smoothl1.Float](x []S) *T {
	return stored[T](unsafe.Pointer(unsafe.SliceData(x)))
}

// stored returns the address of stored elements as that of elements of the computing type: see core.Params.Storage. It is reinterpreted and
// not converted, since the race detector refuses a conversion to a type that is larger than the array.
func stored[T core.Float](p unsafe.Pointer) *T { return *(**T)(unsafe.Pointer(&p)) }

// part returns the pass over n elements from element start, a multiple of Chunk below p.N.
func (p *pass[T]) part(start, n int) pass[T] { return pass[T]{p.Part(start, n), p.kind} }

// arrays returns the number of arrays that the pass reads and writes.
func (p *pass[T]) arrays() int {
	arrays := 2
	for _, x := range []*T{p.Upstream, p.Out, p.Negated} {
		if x != nil {
			arrays++
		}
	}
	return arrays
}

// compute makes the pass, by one core kernel or in stages.
func (p *pass[T]) compute() {
	if p.staged() {
		p.inStages()
		return
	}
	core.Call(&p.Params)
}

// staged reports whether the pass takes several stages, because no core kernel makes it alone.
func (p *pass[T]) staged() bool { return p.kind == op.ForwardBackward && p.Upstream != nil }
