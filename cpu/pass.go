package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// kernel says which loop a pass is made by.
type kernel uint8

const (
	forwardTerms kernel = iota
	forward
	backward
	backwardElementwise
	forwardBackward
	forwardBackwardElementwise
	kernels
)

// reduces says whether the kernel writes chunk sums.
func (k kernel) reduces() bool {
	return k == forward || k == forwardBackward || k == forwardBackwardElementwise
}

// differentiates says whether the kernel writes gradients.
func (k kernel) differentiates() bool { return k >= backward }

// arrays returns the number of arrays that the kernel reads and writes, but for a second gradient.
func (k kernel) arrays() int { return [kernels]int{3, 2, 3, 4, 3, 4}[k] }

// quotient says how a kernel gets the quotients of the formula. All ways give the same bits.
type quotient uint8

const (
	quotientOne  quotient = iota // the divisor is 1: Huber, and smooth L1 with beta 1
	quotientMul                  // by multiplying by the inverse, a power of two; outer is 1. L1 is here too
	quotientDiv                  // by dividing; outer is 1
	quotientUnit                 // the divisor is 1, and so are outer and g. There are two such kernels, which do the most
)

// pass is what a kernel is given: arrays whose first element begins a chunk, and the constants of the formula. The assembly
// knows its layout; a file beside it refuses to compile when the two disagree.
type pass[T smoothl1.Float] struct {
	pred, target *T
	upstream     *T       // of the elementwise kernels
	out          *T       // the loss terms or a gradient
	negated      *T       // nil, or the other gradient: the negative of out
	sums         *float64 // of the kernels that reduce: a chunk sum for each chunk; nil: there is one, which goes to sum
	sum          float64
	n            int    // elements
	stores       uint64 // how to store: a set of the flags below
	ahead        uint64 // bytes from what is read to what is prefetched
	threshold    T      // beta or delta; 0 for L1
	half         T      // 0.5·threshold
	outer        T      // delta for Huber, else 1
	divisor      T      // beta for smooth L1, else 1
	inverse      T      // 1/divisor, where the kernel does not divide
	norm         T      // of the reduction; its negative where out is the gradient with respect to target
	g            T      // upstream gradient, where it is a number
	side         T      // (norm·g)·outer, the gradient where d > threshold
	l1           T      // bits: all ones for L1, else 0
	flip         T      // bits: what turns |0| into the gradient of L1 at d = 0, the sign bit with respect to target
	kernel       kernel
	quotient     quotient
}

// Flags of pass.stores.
const (
	storeNegated   = 1 << iota // there is a second gradient
	storeStreaming             // past the caches
)

// set makes p, which is zero, the pass of a kernel over the arrays of a, but for the chunk sums.
func (p *pass[T]) set(k kernel, l smoothl1.Loss, a *Args[T]) {
	c := op.Of[T](l)
	p.pred, p.target, p.n = unsafe.SliceData(a.Pred), unsafe.SliceData(a.Target), len(a.Pred)
	p.threshold, p.half, p.outer = c.Threshold, T(T(0.5)*c.Threshold), c.Outer
	p.divisor, p.inverse = c.Divisor, c.Inverse
	p.kernel = k
	switch {
	case c.Divides():
		p.quotient = quotientDiv
	case c.Inverse != 1 || c.Threshold == 0:
		p.quotient = quotientMul
	}
	switch k {
	case forward:
		if p.quotient == quotientOne && p.outer == 1 {
			p.quotient = quotientUnit
		}
		return
	case forwardTerms:
		p.out = unsafe.SliceData(a.Terms)
		return
	}
	p.norm = op.Norm[T](l, a.count())
	if c.Threshold == 0 {
		p.l1 = fromBits[T](^uint64(0))
	}
	switch {
	case a.GradPred == nil:
		// Rounding is symmetric: the negative of a product is the product with one factor negated.
		p.out = unsafe.SliceData(a.GradTarget)
		p.norm = -p.norm
		p.flip = fromBits[T](signBit[T]())
	case a.GradTarget == nil:
		p.out = unsafe.SliceData(a.GradPred)
	default:
		p.out, p.negated = unsafe.SliceData(a.GradPred), unsafe.SliceData(a.GradTarget)
		p.stores = storeNegated
	}
	if a.Upstream.elements != nil {
		p.upstream = unsafe.SliceData(a.Upstream.elements)
		p.kernel++ // its elementwise sister
		return
	}
	p.g = a.Upstream.number()
	p.side = T(T(p.norm*p.g) * p.outer)
	if k == forwardBackward && p.quotient == quotientOne && p.outer == 1 && p.g == 1 {
		p.quotient = quotientUnit
	}
}

// at returns the i-th element from x.
func at[E any](x *E, i int) *E {
	return (*E)(unsafe.Add(unsafe.Pointer(x), uintptr(i)*unsafe.Sizeof(*x)))
}

// part returns the pass over n elements from element start, a multiple of Chunk below p.n.
func (p *pass[T]) part(start, n int) pass[T] {
	q := *p
	q.n = n
	for _, array := range []**T{&q.pred, &q.target, &q.upstream, &q.out, &q.negated} {
		if *array != nil {
			*array = at(*array, start)
		}
	}
	if q.sums != nil {
		q.sums = at(q.sums, start/Chunk)
	}
	return q
}
