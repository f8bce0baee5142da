package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// AVX2: the 128 lanes are 1 KiB of the stack; comparisons give vectors of all ones and zeros, which select results by blending.
//
// Registers 10 to 15 hold constants, the other constants are on the stack too, and two vectors of elements are interleaved, with five
// registers each.

// avx2 writes one kernel. masks is the table of tailMasks.
func (e *emitter) avx2(l *layout, masks operand.Mem) {
	field := e.begin(l)
	width := 32 / e.size()
	var frame func()
	if e.sum {
		frame = e.alignedFrame(8 * laneCount)
	}
	e.plan(formula(e.spec), schedule256, homes256, places256, field)
	e.TESTQ(count, count)
	e.JZ(ref("done"))
	if !e.sum {
		e.MOVQ(count, loops)
		e.vectors256(width, masks)
		e.Label("done")
		e.end()
		return
	}
	e.Label("chunk")
	e.MOVQ(operand.U32(chunkLength), inChunk)
	e.CMPQ(count, inChunk)
	e.CMOVQLT(count, inChunk)
	e.SUBQ(inChunk, count)
	frame()
	e.VXORPD(reg.Y0, reg.Y0, reg.Y0)
	for i := range laneCount / 4 {
		e.VMOVUPD(reg.Y0, operand.Mem{Base: lanes, Disp: 32 * i})
	}
	e.Label("row")
	frame()
	e.MOVQ(operand.U32(laneCount), loops)
	e.CMPQ(inChunk, loops)
	e.CMOVQLT(inChunk, loops)
	e.SUBQ(loops, inChunk)
	e.vectors256(width, masks)
	e.TESTQ(inChunk, inChunk)
	e.JNZ(ref("row"))

	frame()
	e.foldLow(e.foldMemory(0, 1, 0), reg.Y5)
	e.TESTQ(count, count)
	e.JNZ(ref("chunk"))
	e.Label("done")
	e.end()
}

// vectors256 computes loops elements: four vectors at a time, then one at a time, then the rest under a mask. lanes advances
// with them.
func (e *emitter) vectors256(width int, masks operand.Mem) {
	const unrolled = 4
	e.SUBQ(operand.U8(unrolled*width), loops)
	e.JL(ref("few"))
	e.Label("four")
	for v := 0; v < unrolled; v += 2 {
		interleave(e.whole256(0, v), e.whole256(1, v+1))
	}
	e.advance256(unrolled, width)
	e.SUBQ(operand.U8(unrolled*width), loops)
	e.JGE(ref("four"))
	e.Label("few")
	e.ADDQ(operand.I8((unrolled-1)*width), loops)
	e.JL(ref("partial"))
	e.Label("one")
	interleave(e.whole256(0, 0))
	e.advance256(1, width)
	e.SUBQ(operand.U8(width), loops)
	e.JGE(ref("one"))
	e.Label("partial")
	e.ADDQ(operand.U8(width), loops)
	e.JZ(ref("whole"))
	e.masked256(masks)
	e.Label("whole")
}

func (e *emitter) advance256(vectors, width int) {
	e.ADDQ(operand.U32(32*vectors), at)
	if e.sum {
		e.ADDQ(operand.U32(8*vectors*width), lanes)
	}
}

// masked256 computes the last, partial vector of the arrays, of loops elements.
func (e *emitter) masked256(masks operand.Mem) {
	v := e.vector(places256[0])
	mask := places256[1][vD].(reg.Register)
	e.Comment("The last elements of the arrays, under a mask. Beyond the end the inputs are read as 0, whose term is +0.")
	if log2(e.size()) > 0 {
		e.SHLQ(operand.U8(log2(e.size())), loops)
	}
	e.NEGQ(loops)
	table := reg.RDI // inChunk, which is 0 by now
	e.LEAQ(masks, table)
	e.VMOVUPD(operand.Mem{Base: table, Index: loops, Scale: 1, Disp: 32}, mask)
	e.XORQ(table, table)
	load := func(input value, base reg.Register, to value, set int) {
		v.at[input] = places256[set][to]
		e.p("VMASKMOV", index(base, 0), mask, v.at[input])
	}
	load(vPred, pred, vD, 0)
	load(vTarget, target, vA, 0)
	if e.elementwise {
		load(vUpstream, upstream, vA, 1)
	}
	v.fetch = func() {}
	v.store = func(x reg.Register) {
		e.storeMasked(x, e.negation(v), func(base reg.Register) { e.p("VMASKMOV", x, mask, index(base, 0)) })
	}
	v.add = func(half int, terms reg.Register) { e.addInMemory(terms, 32*half) }
	interleave(instructions(e.groups, e.lower256(v)))
}

// foldMemory adds to lanes 4i to 4i+3 those that the fold by halves adds to them while its halves are step vectors or longer, and
// returns the sum in the temporary of that number.
func (e *emitter) foldMemory(i, step, temporary int) reg.VecPhysical {
	low := []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4}[temporary]
	if step == laneCount/4/2 {
		e.VMOVUPD(operand.Mem{Base: lanes, Disp: 32 * i}, low)
		e.VADDPD(operand.Mem{Base: lanes, Disp: 32 * (i + step)}, low, low)
		return low
	}
	e.foldMemory(i, 2*step, temporary)
	high := e.foldMemory(i+step, 2*step, temporary+1)
	e.VADDPD(high, low, low)
	return low
}
