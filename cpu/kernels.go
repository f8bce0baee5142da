package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// call makes a piece by a core kernel. What is not dense is gathered and scattered.
func (x *rich[C]) call(q *place, b *room[C]) {
	p := &b.params
	*p = x.constants
	p.N, p.Storage, p.Ahead = q.n, storageOf[x.storage], x.ahead
	p.Pred, p.Target = stored[C](x.storedPred(q, b)), stored[C](x.stored(&x.target, q, unsafe.Pointer(&b.target)))
	p.Upstream, p.Mask = stored[C](x.stored(&x.weight, q, unsafe.Pointer(&b.weight))), (*uint8)(x.stored(&x.mask, q, unsafe.Pointer(&b.mask)))
	switch {
	case p.Upstream != nil && p.Mask != nil:
		p.Kernel = core.WeighedMasked
	case p.Upstream != nil:
		p.Kernel = core.Weighed
	case p.Mask != nil:
		p.Kernel = core.Masked
	case !x.kind.Differentiates():
		p.Kernel = core.Forward
	case !x.kind.Reduces():
		p.Kernel = core.Backward
	default:
		p.Kernel = core.ForwardBackward
	}
	var flip bool
	p.Norm, p.G, flip = x.factors(q)
	if flip {
		p.Flip = core.SignBit[C]()
	}
	p.Side = C(C(p.Norm*p.G) * p.Outer)
	out, negated, stores := x.outputs(q, b)
	p.Out, p.Negated, p.Stores = stored[C](out), stored[C](negated), stores
	if p.Sums = &b.sums[0]; x.kind.Reduces() {
		p.Sums = &x.sums[q.number]
	}
	core.Call(p)
	x.finishOutputs(q, out, negated, b)
}

var storageOf = [...]core.Storage{stage.F16: core.F16, stage.BF16: core.BF16}

// fuse makes a piece by a fused kernel, for instruction sets of which package core does not have all kernels. A piece that is not made of
// whole rows of lanes is gathered and scattered, too: the zeros behind it have the term +0.
func (x *rich[C]) fuse(q *place, b *room[C]) {
	f := &b.fused
	f.Rows = (q.n + Lanes - 1) / Lanes
	f.Pred, f.Target = x.storedPred(q, b), x.stored(&x.target, q, unsafe.Pointer(&b.target))
	f.Weight, f.Mask = x.stored(&x.weight, q, unsafe.Pointer(&b.weight)), x.stored(&x.mask, q, unsafe.Pointer(&b.mask))
	if f.Weight != nil || f.Mask != nil || x.storage == stage.F32 || x.storage == stage.F64 {
		if f.Weight == nil {
			f.Weight = b.onesOf(x.storage)
		}
		if f.Mask == nil {
			f.Mask = unsafe.Pointer(&b.all)
		}
	}
	c := &x.constants
	f.Threshold, f.Half, f.Outer, f.Divisor, f.Inverse, f.L1 = c.Threshold, c.Half, c.Outer, c.Divisor, c.Inverse, c.L1
	var flip bool
	f.Norm, f.G, flip = x.factors(q)
	if f.Flip = 0; flip {
		f.Flip = core.SignBit[C]()
	}
	f.Side = C(C(f.Norm*f.G) * f.Outer)
	f.Out, f.Negated, f.Stores = x.outputs(q, b)
	f.Lanes = &b.lanes
	sum, _ := f.Run(x.storage, c.Quotient)
	if x.kind.Reduces() {
		x.sums[q.number] = sum
	}
	x.finishOutputs(q, f.Out, f.Negated, b)
}

// factors returns the norm and the upstream gradient of a piece for its kernel, and whether the gradient is that with respect to target.
func (x *rich[C]) factors(q *place) (norm, g C, flip bool) {
	norm, g = x.norm, x.g
	if len(x.divisors) > 0 {
		_, norm = x.dividing(x.divisors[q.row])
	}
	if x.weight.present() { // the norm is part of the upstream gradient
		norm, g = 1, C(norm*g)
	}
	if flip = !x.gradPred.present() && x.gradTarget.present(); flip {
		// Rounding is symmetrical: the negative of a product is the product with one factor negated.
		g = -g
	}
	if g != g { // NaN with the payload that kernels for bfloat16 round
		g = nan[C]()
	}
	if norm != norm {
		norm = nan[C]()
	}
	return norm, g, flip
}

// outputs returns where a kernel writes the gradient and its negative: to their arrays or, if more is to be done with them, to buffers.
func (x *rich[C]) outputs(q *place, b *room[C]) (out, negated unsafe.Pointer, stores uint64) {
	streaming := x.streaming && q.n >= piece
	to := func(a *array, add bool, buffer unsafe.Pointer) unsafe.Pointer {
		at := x.destination(a, add, q)
		streaming = streaming && x.bypasses(a, at)
		if at == nil {
			return buffer
		}
		return at
	}
	switch {
	case x.gradPred.present():
		out = to(&x.gradPred, x.addPred, unsafe.Pointer(&b.gradPred))
		if x.gradTarget.present() {
			negated, stores = to(&x.gradTarget, x.addTarget, unsafe.Pointer(&b.gradTarget)), core.StoreNegated
		}
	case x.gradTarget.present():
		out = to(&x.gradTarget, x.addTarget, unsafe.Pointer(&b.gradTarget))
	default:
		out, streaming = unsafe.Pointer(&b.gradPred), false
	}
	if streaming {
		stores |= core.StoreStreaming
	}
	return out, negated, stores
}

// finishOutputs adds what a kernel wrote to buffers to the arrays, or writes it there.
func (x *rich[C]) finishOutputs(q *place, out, negated unsafe.Pointer, b *room[C]) {
	if out == unsafe.Pointer(&b.gradPred) && x.gradPred.present() {
		x.addStored(&x.gradPred, x.addPred, out, q, b)
	}
	for _, p := range [...]unsafe.Pointer{out, negated} {
		if p == unsafe.Pointer(&b.gradTarget) {
			x.addStored(&x.gradTarget, x.addTarget, p, q, b)
		}
	}
}

// stored returns the address of the piece's elements, as stored: where they are or, if they are not dense or the piece does not fit the kernel,
// in a buffer. It returns nil for an absent array.
func (x *rich[C]) stored(a *array, q *place, buffer unsafe.Pointer) unsafe.Pointer {
	if !a.present() {
		return nil
	}
	if a.dense() && x.fits(q) {
		return a.after(q.start)
	}
	a.gather(buffer, q.start, q.n)
	fill(buffer, q.n, a.size)
	return buffer
}

// fits reports whether a kernel can compute the piece in place: fused ones compute whole rows of lanes.
func (x *rich[C]) fits(q *place) bool { return x.core || q.n%Lanes == 0 }

// fill sets the elements from n up to a whole row of lanes to 0.
func fill(buffer unsafe.Pointer, n, size int) {
	if rest := (Lanes - n%Lanes) % Lanes; rest > 0 {
		clear(unsafe.Slice((*byte)(unsafe.Add(buffer, n*size)), rest*size))
	}
}

// storedPred is stored for pred, whose columns may be chosen by the index.
func (x *rich[C]) storedPred(q *place, b *room[C]) unsafe.Pointer {
	buffer := unsafe.Pointer(&b.pred)
	if x.index == nil {
		return x.stored(&x.pred, q, buffer)
	}
	x.pred.choose(buffer, x.index[q.start:q.start+q.n], q.start)
	fill(buffer, q.n, x.pred.size)
	return buffer
}

// destination returns the address to which a kernel writes gradients, or nil if that is a buffer.
func (x *rich[C]) destination(a *array, add bool, q *place) unsafe.Pointer {
	if !a.present() || add || !a.dense() || !x.fits(q) || x.index != nil && a == &x.gradPred {
		return nil
	}
	return a.after(q.start)
}

// bypasses reports whether gradients may be written with streaming stores: to aligned vectors, and not in place of an input.
func (x *rich[C]) bypasses(a *array, to unsafe.Pointer) bool {
	if to == nil || uintptr(to)%core.Line != 0 {
		return false
	}
	for _, in := range [...]*array{&x.pred, &x.target, &x.weight} {
		if in.base == a.base {
			return false
		}
	}
	return true
}

// addStored writes gradients from a buffer to their array or, if add is set, adds them to it.
func (x *rich[C]) addStored(a *array, add bool, from unsafe.Pointer, q *place, b *room[C]) {
	if add {
		grad := unsafe.Slice((*C)(from), q.n)
		stage.Add(grad, x.gradientBefore(a, q, b), grad)
	}
	if a == &x.gradPred && x.index != nil {
		a.put(from, x.index[q.start:q.start+q.n], q.start, x.actions, add)
	} else {
		a.scatter(from, q.start, q.n)
	}
}

// gradientBefore returns what the piece of an array of gradients holds.
func (x *rich[C]) gradientBefore(a *array, q *place, b *room[C]) []C {
	if a == &x.gradPred && x.index != nil {
		return x.chosen(a, q, b.old[:q.n], b)
	}
	return x.values(a, q.start, b.old[:q.n], b)
}
