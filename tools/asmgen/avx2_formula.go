package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vector256 is the work on the v-th vector of elements from at, in a set of temporaries.
func (e *emitter) vector256(set, v int) []step {
	r := ySets[set]
	c := yConstants
	steps := []step{
		func() {
			e.p("VMOVU", index(pred, 32*v), r.d)
			e.p("VSUB", index(target, 32*v), r.d, r.d)
			e.prefetch(32 * v)
		},
		func() { e.p("VANDN", r.d, c.sign, r.a) },
	}
	if e.terms || e.sum {
		steps = append(steps, e.term256(r)...)
	}
	if e.terms {
		steps = append(steps, func() { e.store(r.x, c.sign, 32*v) })
	}
	if e.sum {
		steps = append(steps, e.addLanes256(r, v)...)
	}
	if e.gradient {
		steps = append(steps, e.gradient256(r, index(upstream, 32*v))...)
		steps = append(steps, func() { e.store(r.x, c.sign, 32*v) })
	}
	return steps
}

// term256 computes the loss terms of a in x.
func (e *emitter) term256(r yTemporaries) []step {
	c := yConstants
	return []step{
		func() {
			e.p("VMUL", r.a, c.half05, r.x)
			e.p("VSUB", e.halfVector, r.a, r.t)
		},
		func() {
			e.p("VMUL", r.a, r.x, r.x)
			e.p("VCMP", lessOrdered, c.threshold, r.a, r.y)
		},
		func() {
			if e.quotient == one {
				e.p("VMUL", r.t, c.outer, r.t)
			} else {
				e.over256(r.x)
			}
		},
		func() { e.p("VBLENDV", r.y, r.x, r.t, r.x) },
	}
}

// over256 makes quotients of x.
func (e *emitter) over256(x reg.Register) {
	switch e.quotient {
	case mul:
		e.p("VMUL", yConstants.quotient, x, x)
	case div:
		e.p("VDIV", yConstants.quotient, x, x)
	}
}

// addLanes256 adds the terms in x to the lanes of the v-th vector.
func (e *emitter) addLanes256(r yTemporaries, v int) []step {
	add := func(y reg.Register, displacement int) {
		lane := operand.Mem{Base: lanes, Disp: displacement}
		e.VADDPD(lane, y, y)
		e.VMOVUPD(y, lane)
	}
	if e.double {
		return []step{func() { add(r.x, 32*v) }}
	}
	return []step{
		func() {
			e.VCVTPS2PD(r.x.AsX(), r.t)
			e.VEXTRACTF128(operand.U8(1), r.x, r.x.AsX())
		},
		func() {
			add(r.t, 64*v)
			e.VCVTPS2PD(r.x.AsX(), r.x)
		},
		func() { add(r.x, 64*v+32) },
	}
}

// gradient256 computes the gradients of d, |d| = a, in x. elements is where an elementwise upstream gradient lies.
func (e *emitter) gradient256(r yTemporaries, elements operand.Op) []step {
	c := yConstants
	g, side := operand.Op(c.g), operand.Op(e.sideVector)
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
			e.over256(r.x)
			e.p("VAND", c.sign, r.d, r.d)
		},
		func() { e.p("VXOR", side, r.d, r.d) },
	}
	if e.quotient == mul {
		steps = append(steps, func() {
			e.p("VXOR", e.flipVector, r.a, r.t)
			e.p("VMOVU", e.l1Vector, r.y)
		}, func() { e.p("VBLENDV", r.y, r.t, r.x, r.x) })
	}
	return append(steps,
		func() { e.p("VCMP", greaterOrdered, c.threshold, r.a, r.y) },
		func() { e.p("VBLENDV", r.y, r.d, r.x, r.x) })
}
