package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// AVX2: the 128 lanes lie in 1 KiB of the stack; comparisons give vectors of all ones and zeros, by which results are blended.
//
// Registers 10 to 15 are constants, the other constants lie in the stack too, and two vectors of elements are under way at a
// time, with five registers each.

var yConstants = constants{sign: reg.Y10, half05: reg.Y11, threshold: reg.Y12, quotient: reg.Y13, outer: reg.Y13,
	norm: reg.Y14, g: reg.Y15}

// yTemporaries are the registers of a vector under way; y is for a mask.
type yTemporaries struct{ d, a, x, t, y reg.VecPhysical }

var ySets = []yTemporaries{
	{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4},
	{reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9},
}

const lessOrdered = operand.U8(0x11) // a < b is true

// avx2 writes one kernel. masks is the table of tailMasks.
func (e *emitter) avx2(l *layout, masks operand.Mem) {
	field := e.begin(l)
	width := 32 / e.size()
	var frame func()
	if e.sum {
		frame = e.alignedFrame(8 * laneCount)
	}
	e.constants256(field)
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

// constants256 fills the registers of the constants, and the vectors of those in the stack.
func (e *emitter) constants256(field func(string) operand.Mem) {
	c := yConstants
	spill := func(name string) operand.Mem {
		m := e.AllocLocal(32)
		e.broadcast(field(name), reg.Y0)
		e.p("VMOVU", reg.Y0, m)
		return m
	}
	e.immediate(0x80000000, 0x8000000000000000, c.sign)
	e.broadcast(field("Threshold"), c.threshold)
	if e.terms || e.sum {
		e.immediate(0x3f000000, 0x3fe0000000000000, c.half05)
		e.halfVector = spill("Half")
	}
	switch {
	case e.quotient == mul:
		e.broadcast(field("Inverse"), c.quotient)
	case e.quotient == div:
		e.broadcast(field("Divisor"), c.quotient)
	case e.quotient == one && (e.terms || e.sum || e.elementwise):
		e.broadcast(field("Outer"), c.outer)
	}
	if !e.gradient {
		return
	}
	e.broadcast(field("Norm"), c.norm)
	if !e.elementwise {
		if e.quotient != unit {
			e.broadcast(field("G"), c.g)
		}
		e.sideVector = spill("Side")
	}
	if e.quotient == mul {
		e.flipVector = spill("Flip")
		e.l1Vector = spill("L1")
	}
}

// vectors256 computes loops elements: four vectors at a time, then one at a time, then what is left under a mask. lanes is
// moved along with them.
func (e *emitter) vectors256(width int, masks operand.Mem) {
	const unrolled = 4
	e.SUBQ(operand.U8(unrolled*width), loops)
	e.JL(ref("few"))
	e.Label("four")
	for v := 0; v < unrolled; v += 2 {
		interleave(e.vector256(0, v), e.vector256(1, v+1))
	}
	e.advance256(unrolled, width)
	e.SUBQ(operand.U8(unrolled*width), loops)
	e.JGE(ref("four"))
	e.Label("few")
	e.ADDQ(operand.I8((unrolled-1)*width), loops)
	e.JL(ref("partial"))
	e.Label("one")
	interleave(e.vector256(0, 0))
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

// masked256 computes the last vector of the arrays, loops elements that do not fill it.
func (e *emitter) masked256(masks operand.Mem) {
	r := ySets[0]
	c := yConstants
	mask, elements := ySets[1].d, ySets[1].a
	e.Comment("the last elements of the arrays, under a mask")
	if log2(e.size()) > 0 {
		e.SHLQ(operand.U8(log2(e.size())), loops)
	}
	e.NEGQ(loops)
	table := reg.RDI // inChunk, which is 0 by now
	e.LEAQ(masks, table)
	e.VMOVUPD(operand.Mem{Base: table, Index: loops, Scale: 1, Disp: 32}, mask)
	e.XORQ(table, table)
	e.p("VMASKMOV", index(pred, 0), mask, r.d)
	e.p("VMASKMOV", index(target, 0), mask, r.a)
	if e.elementwise {
		e.p("VMASKMOV", index(upstream, 0), mask, elements)
	}
	e.p("VSUB", r.a, r.d, r.d)
	e.p("VANDN", r.d, c.sign, r.a)
	if e.terms || e.sum {
		interleave(e.term256(r))
	}
	if e.sum {
		e.Comment("Beyond the end the inputs were read as 0, whose term is +0.")
		interleave(e.addLanes256(r, 0))
	}
	if e.gradient {
		interleave(e.gradient256(r, elements))
	}
	if e.terms || e.gradient {
		e.storeMasked(r.x, c.sign, func(base reg.Register) { e.p("VMASKMOV", r.x, mask, index(base, 0)) })
	}
}

// foldMemory returns the sum of lanes 4i to 4i+3 with those that the fold by halves adds to them while its halves are step
// vectors or longer, in the temporary of that number.
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
