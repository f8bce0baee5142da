package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The result of a comparison occupies a vector register, so comparisons come as late as possible.
var schedule256 = schedule{
	{"difference", "fetch"}, {"distance"},
	{"half", "tail"}, {"square", "inside"}, {"outer tail", "parabola"}, {"term"}, {"store term"}, {"add up"},
	{"normed", "side"}, {"scaled", "outer side"}, {"slope", "signed side"}, {"zero", "is L1"}, {"middle"},
	{"outside"}, {"gradient"}, {"store gradient"},
}

// places256 assigns registers to the variables of two interleaved vectors. The masks share a register.
var places256 = []places{
	{vD: reg.Y0, vA: reg.Y1, vX: reg.Y2, vT: reg.Y3, vInside: reg.Y4, vOutside: reg.Y4, vIsL1: reg.Y4},
	{vD: reg.Y5, vA: reg.Y6, vX: reg.Y7, vT: reg.Y8, vInside: reg.Y9, vOutside: reg.Y9, vIsL1: reg.Y9},
}

// homes256 assigns places to the constants, in the order in which they are loaded.
var homes256 = []home{{vSign, reg.Y10}, {vThreshold, reg.Y12}, {vOneHalf, reg.Y11}, {vHalf, nil}, {vInverse, reg.Y13},
	{vDivisor, reg.Y13}, {vOuter, reg.Y13}, {vNorm, reg.Y14}, {vG, reg.Y15}, {vSide, nil}, {vFlip, nil}, {vL1, nil}}

const lessOrdered = operand.U8(0x11) // a < b is true

// lower256 lowers the steps on a vector.
func (e *emitter) lower256(v vector) lower {
	return func(s step) []func() {
		if parts := e.lowerAny(v, s); parts != nil {
			return parts
		}
		at := v.of(s)
		one := func(name string, operands ...operand.Op) []func() {
			return []func(){func() { e.p(name, operands...) }}
		}
		switch s.do {
		case doAbs:
			return one("VANDN", at[0], at[1], v.at[s.to])
		case doXor:
			return one("VXOR", at[1], at[0], v.at[s.to])
		case doFlipSign:
			signs := at[1] // only its sign bits are left
			return append(one("VAND", at[2], signs, signs), one("VXOR", at[0], signs, v.at[s.to])...)
		case doLess:
			return one("VCMP", lessOrdered, at[1], at[0], v.at[s.to])
		case doGreater:
			return one("VCMP", greaterOrdered, at[1], at[0], v.at[s.to])
		case doMask:
			return one("VMOVU", at[0], v.at[s.to])
		case doSelect:
			return one("VBLENDV", at[0], at[1], at[2], v.at[s.to])
		case doAddUp:
			return e.addUp256(v, at[0].(reg.VecPhysical))
		}
		panic("AVX2 has no instructions for " + s.name)
	}
}

// addUp256 adds the terms in x to the lanes.
func (e *emitter) addUp256(v vector, x reg.VecPhysical) []func() {
	if e.double {
		return []func(){func() { v.add(0, x) }}
	}
	t := v.at[vT].(reg.VecPhysical)
	return []func(){
		func() {
			e.VCVTPS2PD(x.AsX(), t)
			e.VEXTRACTF128(operand.U8(1), x, x.AsX())
		},
		func() {
			v.add(0, t)
			e.VCVTPS2PD(x.AsX(), x)
		},
		func() { v.add(1, x) },
	}
}

// whole256 returns the instructions for the i-th full vector of elements from at, in a set of registers.
func (e *emitter) whole256(set, i int) []func() {
	v := e.vector(places256[set])
	v.at[vPred], v.at[vTarget], v.at[vUpstream] = index(pred, 32*i), index(target, 32*i), index(upstream, 32*i)
	v.fetch = func() { e.prefetch(32 * i) }
	v.store = func(x reg.Register) { e.store(x, e.negation(v), 32*i, func() reg.Register { return x }) }
	v.add = func(half int, terms reg.Register) { e.addInMemory(terms, 32*i*8/e.size()+32*half) }
	return instructions(e.groups, e.lower256(v))
}
