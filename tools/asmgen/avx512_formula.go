package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vector512 is the work on the v-th vector of a row, in a set of temporaries.
func (e *emitter) vector512(set, v int) []step {
	r := zTemporaries[set]
	c := zConstants
	steps := []step{
		func() {
			e.p("VMOVU", index(pred, 64*v), r.d)
			e.p("VSUB", index(target, 64*v), r.d, r.d)
			e.prefetch(64 * v)
		},
		func() { e.i("VPANDN", r.d, c.sign, r.a) },
	}
	if e.terms || e.sum {
		steps = append(steps, e.term512(r)...)
	}
	if e.terms {
		steps = append(steps, func() { e.store(r.x, c.sign, 64*v) })
	}
	if e.sum && e.double {
		steps = append(steps, func() { e.VADDPD(r.x, zLanes[v], zLanes[v]) })
	} else if e.sum {
		steps = append(steps, e.widen512(r, func(half int, z reg.Register) {
			e.VADDPD(z, zLanes[2*v+half], zLanes[2*v+half])
		})...)
	}
	if e.gradient {
		steps = append(steps, e.gradient512(r, index(upstream, 64*v))...)
		steps = append(steps, func() { e.store(r.x, c.sign, 64*v) })
	}
	return steps
}

// term512 computes the loss terms of a in x.
func (e *emitter) term512(r temporaries) []step {
	c := zConstants
	compare := func() { e.p("VCMP", notLessUnordered, c.threshold, r.a, r.kTerm) }
	steps := []step{
		func() { e.p("VMUL", r.a, c.half05, r.x); compare() },
		func() { e.p("VMUL", r.a, r.x, r.x) },
	}
	if e.quotient == one {
		return append(steps,
			func() { e.p("VSUB", c.half, r.a, r.t) },
			func() { e.p("VMUL", r.t, c.outer, r.kTerm, r.x) })
	}
	return append(steps,
		func() { e.over512(r.x) },
		func() { e.p("VSUB", c.half, r.a, r.kTerm, r.x) })
}

// over512 makes quotients of x.
func (e *emitter) over512(x reg.Register) {
	switch e.quotient {
	case mul:
		e.p("VMUL", zConstants.quotient, x, x)
	case div:
		e.p("VDIV", zConstants.quotient, x, x)
	}
}

// widen512 hands over the halves of x as float64.
func (e *emitter) widen512(r temporaries, f func(half int, z reg.Register)) []step {
	return []step{
		func() {
			e.VCVTPS2PD(r.x.AsY(), r.t)
			e.VEXTRACTF64X4(operand.U8(1), r.x, r.x.AsY())
		},
		func() {
			f(0, r.t)
			e.VCVTPS2PD(r.x.AsY(), r.x)
		},
		func() { f(1, r.x) },
	}
}

// gradient512 computes the gradients of d, |d| = a, in x. elements is where an elementwise upstream gradient lies.
func (e *emitter) gradient512(r temporaries, elements operand.Op) []step {
	c := zConstants
	g, side := operand.Op(c.g), operand.Op(c.side)
	if e.elementwise {
		g, side = elements, r.t
	}
	steps := []step{
		func() {
			e.p("VMUL", r.d, c.norm, r.x)
			if e.elementwise {
				e.p("VMUL", g, c.norm, r.t)
			}
		},
		func() {
			if e.quotient != unit {
				e.p("VMUL", g, r.x, r.x)
			}
			if e.elementwise && e.quotient == one {
				e.p("VMUL", c.outer, r.t, r.t)
			}
		},
		func() {
			e.p("VCMP", greaterOrdered, c.threshold, r.a, r.kGradient)
			e.over512(r.x)
		},
		func() { e.i("VPTERNLOG", andThenXor, side, c.sign, r.d) },
	}
	if e.quotient == mul {
		steps = append(steps, func() { e.i("VPXOR", e.flipVector, r.a, kL1, r.x) })
	}
	return append(steps, func() { e.p("VMOVA", r.d, r.kGradient, r.x) })
}
