package vm

import "math/bits"

// The shapes of lane functions, and the operations that apply them to the lanes of a warp. A lane function computes all 32
// lanes; the results of inactive ones are discarded.
type (
	fn32    = func(d, a, b, c *lane32)
	fn64    = func(d, a, b, c *lane64)
	fnCmp32 = func(a, b *lane32) uint32
	fnCmp64 = func(a, b *lane64) uint32
	fnWide  = func(d *lane64, a, b *lane32, c *lane64)
	fnShift = func(d, a *lane64, b *lane32)
	fnTo64  = func(d *lane64, a *lane32)
	fnTo32  = func(d *lane32, a *lane64)
	fnEach  = func(w *warp, o *op, i int) // one active lane
)

func blend32(d, t *lane32, mask uint32) {
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros32(mask) & (lanes - 1)
		d[i] = t[i]
	}
}

func blend64(d, t *lane64, mask uint32) {
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros32(mask) & (lanes - 1)
		d[i] = t[i]
	}
}

func exec32(w *warp, o *op) {
	f := o.fn.(fn32)
	if w.mask == w.live {
		f(&w.r32[o.d], &w.r32[o.a], &w.r32[o.b], &w.r32[o.c])
		return
	}
	f(&w.t32, &w.r32[o.a], &w.r32[o.b], &w.r32[o.c])
	blend32(&w.r32[o.d], &w.t32, w.mask)
}

func exec64(w *warp, o *op) {
	f := o.fn.(fn64)
	if w.mask == w.live {
		f(&w.r64[o.d], &w.r64[o.a], &w.r64[o.b], &w.r64[o.c])
		return
	}
	f(&w.t64, &w.r64[o.a], &w.r64[o.b], &w.r64[o.c])
	blend64(&w.r64[o.d], &w.t64, w.mask)
}

func execWide(w *warp, o *op) {
	f := o.fn.(fnWide)
	if w.mask == w.live {
		f(&w.r64[o.d], &w.r32[o.a], &w.r32[o.b], &w.r64[o.c])
		return
	}
	f(&w.t64, &w.r32[o.a], &w.r32[o.b], &w.r64[o.c])
	blend64(&w.r64[o.d], &w.t64, w.mask)
}

func execShift(w *warp, o *op) {
	f := o.fn.(fnShift)
	if w.mask == w.live {
		f(&w.r64[o.d], &w.r64[o.a], &w.r32[o.b])
		return
	}
	f(&w.t64, &w.r64[o.a], &w.r32[o.b])
	blend64(&w.r64[o.d], &w.t64, w.mask)
}

func execTo64(w *warp, o *op) {
	f := o.fn.(fnTo64)
	if w.mask == w.live {
		f(&w.r64[o.d], &w.r32[o.a])
		return
	}
	f(&w.t64, &w.r32[o.a])
	blend64(&w.r64[o.d], &w.t64, w.mask)
}

func execTo32(w *warp, o *op) {
	f := o.fn.(fnTo32)
	if w.mask == w.live {
		f(&w.r32[o.d], &w.r64[o.a])
		return
	}
	f(&w.t32, &w.r64[o.a])
	blend32(&w.r32[o.d], &w.t32, w.mask)
}

func execCmp32(w *warp, o *op) {
	w.setPred(o.d, o.fn.(fnCmp32)(&w.r32[o.a], &w.r32[o.b]))
}

func execCmp64(w *warp, o *op) {
	w.setPred(o.d, o.fn.(fnCmp64)(&w.r64[o.a], &w.r64[o.b]))
}

func execEach(w *warp, o *op) {
	f := o.fn.(fnEach)
	for m := w.mask; m != 0; m &= m - 1 {
		f(w, o, bits.TrailingZeros32(m)&(lanes-1))
	}
}

// setPred writes the active lanes of a predicate.
func (w *warp) setPred(slot int32, v uint32) {
	w.preds[slot] = w.preds[slot]&^w.mask | v&w.mask
}

// setPredLane writes one lane of a predicate.
func (w *warp) setPredLane(slot int32, i int, v bool) {
	bit := uint32(1) << i
	if v {
		w.preds[slot] |= bit
	} else {
		w.preds[slot] &^= bit
	}
}

// The emitters of the shapes.

func (d *decoder) emit32(f fn32, dst vreg, srcs ...vreg) {
	d.emitShape(exec32, f, dst, srcs)
}

func (d *decoder) emit64(f fn64, dst vreg, srcs ...vreg) {
	d.emitShape(exec64, f, dst, srcs)
}

func (d *decoder) emitShape(exec func(*warp, *op), f any, dst vreg, srcs []vreg) *node {
	n := d.emit(op{exec: exec, fn: f}, def(fieldD, dst))
	fields := [...]*int32{&n.a, &n.b, &n.c, &n.e}
	for i, s := range srcs {
		n.refs = append(n.refs, ref{fields[i], s, false})
	}
	return n
}

// emitEach emits an operation that is computed lane by lane.
func (d *decoder) emitEach(f fnEach, dst vreg, srcs ...vreg) *node {
	return d.emitShape(execEach, f, dst, srcs)
}
