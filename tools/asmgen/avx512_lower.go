package main

import (
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The result of a comparison is in a mask register, of which there are enough, so comparisons come as early as possible.
var schedule512 = schedule{
	{"difference", "fetch"}, {"distance"},
	{"half", "inside"}, {"square"}, {"parabola"}, {"tail"}, {"outer tail"}, {"term"}, {"weighed term"}, {"kept term"}, {"store term"}, {"add up"},
	{"upstream"}, {"normed", "side"}, {"scaled"}, {"outer side"}, {"outside", "slope"}, {"signed side"}, {"zero", "is L1"}, {"middle"},
	{"gradient"}, {"kept gradient"}, {"store gradient"},
}

// places512 assigns registers to the variables of two interleaved vectors.
var places512 = []places{
	{vD: reg.Z0, vA: reg.Z1, vX: reg.Z2, vT: reg.Z3, vInside: reg.K1, vOutside: reg.K2, vIsL1: kL1},
	{vD: reg.Z4, vA: reg.Z5, vX: reg.Z6, vT: reg.Z7, vInside: reg.K3, vOutside: reg.K4, vIsL1: kL1},
}

// The registers of further inputs of the two: of constants that kernels with weights do not need, and of a tail.
var (
	weights512 = []reg.VecPhysical{reg.Z13, reg.Z15}
	masks512   = []reg.OpmaskPhysical{reg.K6, kTail}
)

// homes512 assigns places to the constants, in the order in which they are loaded.
var homes512 = []home{{vSign, reg.Z8}, {vThreshold, reg.Z10}, {vOneHalf, reg.Z9}, {vHalf, reg.Z11}, {vInverse, reg.Z12},
	{vDivisor, reg.Z12}, {vOuter, reg.Z12}, {vNorm, reg.Z13}, {vG, reg.Z14}, {vSide, reg.Z15}, {vFlip, nil}, {vL1, kL1}}

const (
	notLessUnordered = operand.U8(0x15) // a < b is false
	greaterOrdered   = operand.U8(0x1e) // a > b is true
	andThenXor       = operand.U8(0x6a) // VPTERNLOG: (a & b) ^ c
)

// merge folds steps into selections: if a step computes one side of a selection, nothing else reads its result, and an instruction for it
// exists, the selection computes it itself, under its mask.
func merge(steps []step) []step {
	steps = slices.Clone(steps)
	for i := 0; i < len(steps); i++ {
		s := &steps[i]
		if s.do != doSelect {
			continue
		}
		side := s.of[1]
		if s.inverse = side == s.to; s.inverse {
			side = s.of[2]
			steps[lastWriter(steps[:i], s.of[0])].inverse = true
		}
		j := lastWriter(steps[:i], side)
		read := slices.ContainsFunc(steps[j+1:i], func(other step) bool { return slices.Contains(other.of, side) })
		if made := steps[j]; !read && (made.do == doSub || made.do == doMul || made.do == doXor) {
			s.made, s.of = &made, append([]value{s.of[0], s.to}, made.of...)
			steps = slices.Delete(steps, j, j+1)
			i--
		}
	}
	return steps
}

// lastWriter returns the index of the last step that writes a value.
func lastWriter(steps []step, v value) int {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].to == v {
			return i
		}
	}
	panic("nothing writes " + string(v))
}

// lower512 lowers the steps on a vector.
func (e *emitter) lower512(v vector) lower {
	return func(s step) []func() {
		if parts := e.lowerAny(v, s); parts != nil {
			return parts
		}
		at, to := v.of(s), v.at[s.to]
		one := func(f func()) []func() { return []func(){f} }
		switch s.do {
		case doAbs:
			return one(func() { e.i("VPANDN", at[0], at[1], to) })
		case doXor:
			return one(func() { e.i("VPXOR", at[1], at[0], to) })
		case doFlipSign:
			if s.to != s.of[1] {
				panic("VPTERNLOG overwrites its first operand")
			}
			return one(func() { e.i("VPTERNLOG", andThenXor, at[0], at[2], to) })
		case doLess:
			if !s.inverse {
				panic("a < b is supported only as an inverse mask")
			}
			return one(func() { e.p("VCMP", notLessUnordered, at[1], at[0], to) })
		case doGreater:
			if s.inverse {
				panic("a > b is supported only as a plain mask")
			}
			return one(func() { e.p("VCMP", greaterOrdered, at[1], at[0], to) })
		case doMask:
			return []func(){} // it is in its register already
		case doSelect:
			if s.made == nil {
				return one(func() { e.p("VMOVA", at[1], at[0], to) })
			}
			p, q := at[2], at[3]
			if s.made.do == doXor {
				return one(func() { e.i("VPXOR", q, p, at[0], to) })
			}
			return one(func() { e.p(arithmetic[s.made.do], q, p, at[0], to) })
		case doKeep:
			return one(func() { e.keep512(to.(reg.Register), at[0]) })
		case doAddUp:
			return e.addUp512(v, at[0].(reg.VecPhysical))
		}
		panic("AVX-512 has no instructions for " + s.name)
	}
}

// keep512 clears the elements of x that are not in the mask.
func (e *emitter) keep512(x, mask operand.Op) {
	e.op(map[bool]string{false: "VMOVAPS_Z", true: "VMOVAPD_Z"}[e.double], x, mask, x)
}

// loadMask512 sets the mask of the vector whose bytes begin at an address, of those elements that are in the mask among, unless that is nil.
func (e *emitter) loadMask512(from operand.Mem, among, to operand.Op, free reg.VecPhysical) {
	x := free.AsX()
	switch {
	case among != nil:
		e.VMOVDQU8_Z(from, among, x)
	case e.double:
		e.VMOVQ(from, x)
	default:
		e.VMOVDQU8(from, x)
	}
	e.VPTESTMB(x, x, to)
}

// addUp512 adds the terms in x to the lanes.
func (e *emitter) addUp512(v vector, x reg.VecPhysical) []func() {
	if e.double {
		return []func(){func() { v.add(0, x) }}
	}
	t := v.at[vT].(reg.VecPhysical)
	return []func(){
		func() {
			e.VCVTPS2PD(x.AsY(), t)
			e.VEXTRACTF64X4(operand.U8(1), x, x.AsY())
		},
		func() {
			v.add(0, t)
			e.VCVTPS2PD(x.AsY(), x)
		},
		func() { v.add(1, x) },
	}
}

// whole512 returns the instructions for the i-th full vector of a row, in a set of registers.
func (e *emitter) whole512(set, i int) []func() {
	v, from := e.vector(places512[set]), e.bytes()*i
	v.at[vPred], v.at[vTarget], v.at[vUpstream] = index(pred, from), index(target, from), index(upstream, from)
	v.fetch = func() { e.prefetch(from) }
	v.store = func(x reg.Register) {
		e.store(x, e.negation(v), from, func() reg.Register { return e.rounded512(v, x) })
	}
	v.add = func(half int, terms reg.Register) {
		lane := zLanes[i*8/e.size()+half]
		e.VADDPD(terms, lane, lane)
	}
	var all []func()
	if e.mask {
		v.at[vMask] = masks512[set]
		all = append(all, func() {
			e.loadMask512(operand.Mem{Base: maskAt, Disp: e.width() * i}, nil, masks512[set], places512[set][vX].(reg.VecPhysical))
		})
	}
	if e.weight {
		v.at[vWeight] = index(upstream, from)
	}
	if e.halves == "F16" {
		widen := func(input value, to operand.Op) {
			m := v.at[input]
			v.at[input] = to
			all = append(all, func() { e.VCVTPH2PS(m, to) })
		}
		widen(vPred, v.at[vD])
		widen(vTarget, v.at[vA])
		if e.weight {
			widen(vWeight, weights512[set])
		}
	}
	return append(all, instructions(e.groups, e.lower512(v))...)
}

// rounded512 returns a register with the results x as stored. The register of t is overwritten.
func (e *emitter) rounded512(v vector, x reg.Register) reg.Register {
	if e.halves != "F16" {
		return x
	}
	t := v.at[vT].(reg.VecPhysical).AsY()
	e.VCVTPS2PH(operand.U8(0), x, t)
	return t
}

// rounded32 returns a register whose upper halves are the results x rounded to bfloat16: see roundBF16. The register of t and a mask are overwritten.
func (e *emitter) rounded32(v vector, x reg.Register) reg.Register {
	t, k := v.at[vT].(reg.VecPhysical), v.at[vInside]
	e.VPTESTMD_BCST(bf16Constant(0), x, k)
	e.VPADDD_BCST(bf16Constant(4), x, t)
	e.VPADDD_BCST(bf16Constant(8), x, k, t)
	return t
}
