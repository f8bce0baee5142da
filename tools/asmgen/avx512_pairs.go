package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Bfloat16 with AVX-512: 32 elements are computed as a pair of vectors, of the even and of the odd ones. A shift or a mask widens those, where
// consecutive ones take a conversion too, and one store takes the results of both. Their lanes are in their registers in the same order.

// paired reports whether the kernel computes pairs.
func (e *emitter) paired() bool { return e.halves == "BF16" }

// kOdd selects the odd elements of a pair, in kernels without a mask.
var kOdd = reg.K6

// pairConstant returns the address of a constant of pairConstants: the bits of an odd element in 32, and masks of the even and the odd bytes of 32.
func pairConstant(offset int) operand.Mem {
	m := operand.NewDataAddr(operand.NewStaticSymbol("pair"), 0)
	return m.Offset(offset)
}

func pairConstants(c *build.Context) {
	c.StaticGlobal("pair")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	c.AddDatum(0, operand.U32(0xffff0000))
	for i, v := range []uint64{0x00ff00ff00ff00ff, 0xff00ff00ff00ff00} {
		for j := range 4 {
			c.AddDatum(32+32*i+8*j, operand.U64(v))
		}
	}
}

// beginPairs loads what is constant.
func (e *emitter) beginPairs() {
	if !e.mask {
		e.MOVL(operand.U32(0xaaaaaaaa), reg.ECX)
		e.KMOVD(reg.ECX, kOdd)
	}
}

// pairInputs calls load for each array of elements.
func (e *emitter) pairInputs(load func(input value, base reg.Register, even, odd operand.Op)) {
	load(vPred, pred, places512[0][vD], places512[1][vD])
	load(vTarget, target, places512[0][vA], places512[1][vA])
	if e.weight {
		load(vWeight, upstream, weights512[0], weights512[1])
	}
}

// pair512 returns the instructions for the two vectors of the pair that begins at the i-th vector of a row.
func (e *emitter) pair512(i int) (all [2][]func()) {
	from := e.bytes() * i
	v := [2]vector{e.vector(places512[0]), e.vector(places512[1])}
	v[0].fetch, v[1].fetch = func() { e.prefetch(from) }, func() {}
	e.storePair(&v, func(x reg.Register, negate func(reg.Register), stored func() reg.Register) {
		e.store(x, negate, from, stored)
	})
	if e.mask {
		e.placeMasks(&v)
		all[0] = append(all[0], func() {
			x := places512[0][vX].(reg.VecPhysical).AsY()
			e.VMOVDQU8(operand.Mem{Base: maskAt, Disp: e.width() * i}, x)
			e.testPair(x)
		})
		all[1] = append(all[1], func() {})
	}
	e.pairInputs(func(input value, base reg.Register, even, odd operand.Op) {
		m := index(base, from)
		v[0].at[input], v[1].at[input] = even, odd
		all[0] = append(all[0], func() { e.VPSLLD(operand.U8(16), m, even) })
		if !e.mask {
			all[1] = append(all[1], func() { e.VMOVDQU16_Z(m, kOdd, odd) })
			return
		}
		all[1] = append(all[1], func() {
			e.VMOVDQU32(m, odd)
			e.VPANDD_BCST(pairConstant(0), odd, odd)
		})
	})
	for s := range v {
		v[s].add = func(half int, terms reg.Register) {
			lane := zLanes[2*(i+s)+half]
			e.VADDPD(terms, lane, lane)
		}
		all[s] = append(all[s], instructions(e.groups, e.lower512(v[s]))...)
	}
	return all
}

func (e *emitter) placeMasks(v *[2]vector) {
	v[0].at[vMask], v[1].at[vMask] = masks512[0], masks512[1]
}

// testPair sets the masks of both vectors from 32 bytes.
func (e *emitter) testPair(x reg.Register) {
	e.VPTESTMW(pairConstant(32), x, masks512[0])
	e.VPTESTMW(pairConstant(64), x, masks512[1])
}

// storePair lets the pair be stored when both vectors have their results, which the second has last.
func (e *emitter) storePair(v *[2]vector, store func(x reg.Register, negate func(reg.Register), stored func() reg.Register)) {
	var even reg.Register
	v[0].store = func(x reg.Register) { even = x }
	v[1].store = func(odd reg.Register) {
		first := even
		store(odd, func(reg.Register) {
			e.negation(v[0])(first)
			e.negation(v[1])(odd)
		}, func() reg.Register {
			low, high := e.rounded32(v[0], first), e.rounded32(v[1], odd)
			e.VPSRLD(operand.U8(16), low, low)
			if e.mask {
				e.VPTERNLOGD_BCST(orAnd, pairConstant(0), high, low)
			} else {
				e.VMOVDQU16(high, kOdd, low)
			}
			return low
		})
	}
}

const orAnd = operand.U8(0xf8) // VPTERNLOG: a | (b & c)

// maskedPair512 computes the pair at at, or the part of it that is in the chunk.
func (e *emitter) maskedPair512(add func(i, half int, terms reg.Register)) {
	v := [2]vector{e.vector(places512[0]), e.vector(places512[1])}
	e.Comment("Beyond the end the inputs are read as 0, whose term is +0.")
	e.MOVQ(operand.I32(-1), loops)
	e.BZHIQ(inChunk, loops, loops) // all ones from 64 elements on
	e.KMOVD(reg.ECX, kTail)
	e.pairInputs(func(input value, base reg.Register, even, odd operand.Op) {
		v[0].at[input], v[1].at[input] = even, odd
		e.VMOVDQU16_Z(index(base, 0), kTail, even)
		e.VPANDD_BCST(pairConstant(0), even, odd)
		e.VPSLLD(operand.U8(16), even, even)
	})
	if e.mask {
		e.placeMasks(&v)
		x := places512[0][vX].(reg.VecPhysical).AsY()
		e.VMOVDQU8_Z(operand.Mem{Base: maskAt}, kTail, x)
		e.testPair(x)
	}
	e.storePair(&v, func(x reg.Register, negate func(reg.Register), stored func() reg.Register) {
		k := places512[0][vOutside].(reg.Register) // which is not needed any more; kTail may hold a mask
		e.storeMasked(x, negate, func(base reg.Register) {
			packed := stored()
			e.KMOVD(reg.ECX, k)
			e.VMOVDQU16(packed, k, index(base, 0))
		})
	})
	var all [2][]func()
	for s := range v {
		v[s].fetch = func() {}
		v[s].add = func(half int, terms reg.Register) { add(s, half, terms) }
		all[s] = instructions(e.groups, e.lower512(v[s]))
	}
	interleave(all[0], all[1])
}

// foldPairs folds the lanes of a pair, those of the even elements and then of the odd ones, and writes the chunk sum.
func (e *emitter) foldPairs() {
	even, odd, high := zLanes[0], zLanes[2], reg.Z1
	e.VADDPD(zLanes[1], even, even) // lanes 16 to 31
	e.VADDPD(zLanes[3], odd, odd)
	low := []reg.VecPhysical{reg.Z0, reg.Z2}
	for i, z := range []reg.VecPhysical{even, odd} {
		e.VEXTRACTF64X4(operand.U8(1), z, high.AsY()) // lanes 8 to 15
		e.VMOVAPD(z, low[i])
		e.VADDPD(high.AsY(), low[i].AsY(), low[i].AsY())
		e.VEXTRACTF128(operand.U8(1), low[i].AsY(), high.AsX()) // 4 to 7
		e.VADDPD(high.AsX(), low[i].AsX(), low[i].AsX())
	}
	e.VUNPCKHPD(low[1].AsX(), low[0].AsX(), high.AsX()) // 2 and 3
	e.VUNPCKLPD(low[1].AsX(), low[0].AsX(), low[0].AsX())
	e.VADDPD(high.AsX(), low[0].AsX(), low[0].AsX())
	e.foldTwoLanes(low[0], high)
}
