package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// fuse makes a piece by a fused kernel, on arrays as they are stored. What is not dense is gathered and scattered, and so is a piece that
// is not made of whole rows of lanes: the zeros behind it have the term +0.
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
	f.Norm, f.G, f.Flip = x.norm, x.g, 0
	if len(x.divisors) > 0 {
		_, f.Norm = x.dividing(x.divisors[q.row])
	}
	if x.weight.present() { // the weight is part of the upstream gradient
		f.Norm, f.G = 1, C(f.Norm*f.G)
	}
	f.Out, f.Negated, f.Stores = unsafe.Pointer(&b.gradPred), nil, 0
	pred, target := x.destination(&x.gradPred, x.addPred, q), x.destination(&x.gradTarget, x.addTarget, q)
	streaming := x.streaming && q.n == piece
	switch {
	case x.gradPred.present():
		if pred != nil {
			f.Out = pred
		}
		streaming = streaming && x.bypasses(&x.gradPred, pred)
		if x.gradTarget.present() {
			f.Negated, f.Stores = unsafe.Pointer(&b.gradTarget), core.StoreNegated
			if target != nil {
				f.Negated = target
			}
			streaming = streaming && x.bypasses(&x.gradTarget, target)
		}
	case x.gradTarget.present():
		// Rounding is symmetrical: the negative of a product is the product with one factor negated.
		f.Norm, f.Flip = -f.Norm, core.SignBit[C]()
		if target != nil {
			f.Out = target
		}
		streaming = streaming && x.bypasses(&x.gradTarget, target)
	default:
		streaming = false
	}
	if f.G != f.G { // NaN with the payload that kernels for bfloat16 round
		f.G = nan[C]()
	}
	if f.Norm != f.Norm {
		f.Norm = nan[C]()
	}
	f.Side = C(C(f.Norm*f.G) * f.Outer)
	if streaming {
		f.Stores |= core.StoreStreaming
	}
	f.Lanes = &b.lanes
	sum, _ := f.Run(x.storage, c.Quotient)
	if x.kind.Reduces() {
		x.sums[q.number] = sum
	}
	if x.gradPred.present() && pred == nil {
		x.addStored(&x.gradPred, x.addPred, f.Out, q, b)
	}
	switch {
	case !x.gradTarget.present() || target != nil:
	case x.gradPred.present():
		x.addStored(&x.gradTarget, x.addTarget, f.Negated, q, b)
	default:
		x.addStored(&x.gradTarget, x.addTarget, f.Out, q, b)
	}
}

// stored returns the address of the piece's elements, as stored: where they are or, if they are not dense or not whole rows of lanes, in a
// buffer. It returns nil for an absent array.
func (x *rich[C]) stored(a *array, q *place, buffer unsafe.Pointer) unsafe.Pointer {
	if !a.present() {
		return nil
	}
	if a.dense() && q.n%Lanes == 0 {
		return a.after(q.start)
	}
	a.gather(buffer, q.start, q.n)
	fill(buffer, q.n, a.size)
	return buffer
}

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
	if !a.present() || add || !a.dense() || q.n%Lanes != 0 || x.index != nil && a == &x.gradPred {
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
