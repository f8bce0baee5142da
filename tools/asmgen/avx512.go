package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// AVX-512: the 128 lanes are sixteen registers of eight; comparisons give masks, under which results are merged.
//
// Registers 16 to 31 hold the lanes, 8 to 15 constants, and two vectors of elements are interleaved, with four registers and two masks
// each.

var zLanes = [16]reg.VecPhysical{reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}

var (
	kTail = reg.K5 // the elements of a tail
	kL1   = reg.K7 // all ones for L1, else zero
)

// avx512 writes one kernel.
func (e *emitter) avx512(l *layout) {
	field := e.begin(l)
	width := e.width()
	var frame func()
	if e.sum {
		frame = e.alignedFrame(8 * laneCount)
	}
	e.plan(merge(formula(e.spec)), schedule512, homes512, places512, field)
	if e.paired() {
		e.beginPairs()
	}
	e.TESTQ(count, count)
	e.JZ(ref("done"))
	unrolled := 4
	e.Label("chunk")
	if e.sum {
		unrolled = laneCount / width
		e.MOVQ(operand.U32(chunkLength), inChunk)
		e.CMPQ(count, inChunk)
		e.CMOVQLT(count, inChunk)
		e.SUBQ(inChunk, count)
		e.CMPQ(inChunk, operand.U8(2*width))
		e.JLE(ref("short"))
		for _, z := range zLanes {
			e.VPXORQ(z, z, z)
		}
	} else {
		e.MOVQ(count, inChunk)
	}
	step := unrolled * width
	e.MOVQ(inChunk, loops)
	e.SHRQ(operand.U8(log2(step)), loops)
	e.JZ(ref("tail"))
	e.ANDQ(operand.U8(step-1), inChunk)

	e.Label("row")
	for v := 0; v < unrolled; v += 2 {
		first, second := e.whole512(0, v), e.whole512(1, v+1)
		if e.paired() {
			pair := e.pair512(v)
			first, second = pair[0], pair[1]
		}
		if e.quotient == div && e.sum && e.gradient { // four divisions at once are 4 % slower than two and two
			interleave(first)
			interleave(second)
		} else {
			interleave(first, second)
		}
	}
	e.ADDQ(operand.U32(e.bytes()*unrolled), at)
	if e.mask {
		e.ADDQ(operand.U32(step), maskAt)
	}
	e.DECQ(loops)
	e.JNZ(ref("row"))

	e.Label("tail")
	e.TESTQ(inChunk, inChunk)
	e.JZ(ref("fold"))
	e.tail512(width, frame)
	e.Label("fold")
	if e.sum {
		short := width / 8 // registers of lanes for a vector of elements
		e.fold512(short)
		e.TESTQ(count, count)
		e.JNZ(ref("chunk"))
		e.later = append(e.later, func() {
			e.Comment("A chunk of at most two vectors, which must be the last, needs no more lanes than these have elements.")
			add := func(i int) func(int, reg.Register) {
				return func(half int, z reg.Register) { e.VADDPD(z, zLanes[i*short+half], zLanes[i*short+half]) }
			}
			e.Label("short")
			for _, z := range zLanes[:2*short] {
				e.VPXORQ(z, z, z)
			}
			if e.paired() {
				e.maskedPair512(func(i, half int, z reg.Register) { add(i)(half, z) })
				e.JMP(ref("foldTwo"))
				return
			}
			e.CMPQ(inChunk, operand.U8(width))
			e.JLE(ref("one"))
			e.masked512(add(0))
			e.ADDQ(operand.U8(e.bytes()), at)
			if e.mask {
				e.ADDQ(operand.U8(width), maskAt)
			}
			e.SUBQ(operand.U8(width), inChunk)
			e.masked512(add(1))
			e.JMP(ref("foldTwo"))
			e.Label("one")
			e.masked512(add(0))
			e.JMP(ref("foldOne"))
		})
	}
	e.Label("done")
	e.end()
}

func log2(n int) (k int) {
	for n > 1 {
		n /= 2
		k++
	}
	return k
}

// tail512 computes the elements of this chunk after its last full row, a masked vector at a time, with the lanes in memory.
func (e *emitter) tail512(width int, frame func()) {
	if e.sum {
		frame()
		for i, z := range zLanes {
			e.VMOVUPD(z, operand.Mem{Base: lanes, Disp: 64 * i})
		}
	}
	loop := e.label("tail")
	e.Label(loop)
	vectors := 1
	if e.paired() {
		vectors = 2
		e.maskedPair512(func(i, half int, terms reg.Register) { e.addInMemory(terms, 64*(2*i+half)) })
	} else {
		e.masked512(func(half int, terms reg.Register) { e.addInMemory(terms, 64*half) })
	}
	if e.sum {
		e.ADDQ(operand.U32(8*width*vectors), lanes)
	}
	e.ADDQ(operand.U8(e.bytes()*vectors), at)
	if e.mask {
		e.ADDQ(operand.U8(width*vectors), maskAt)
	}
	e.SUBQ(operand.U8(width*vectors), inChunk)
	e.JG(ref(loop))
	if e.sum {
		frame()
		for i, z := range zLanes {
			e.VMOVUPD(operand.Mem{Base: lanes, Disp: 64 * i}, z)
		}
	}
}

// masked512 computes the vector at at, or the part of it that is in the chunk. add is the vector's.
func (e *emitter) masked512(add func(half int, terms reg.Register)) {
	v := e.vector(places512[0])
	e.Comment("Beyond the end the inputs are read as 0, whose term is +0.")
	e.MOVQ(operand.I32(-1), loops)
	e.BZHIQ(inChunk, loops, loops) // all ones from 64 elements on
	e.KMOVW(reg.ECX, kTail)
	load := func(input value, base reg.Register, z operand.Op) {
		v.at[input] = z
		switch {
		case e.halves == "F16":
			e.VCVTPH2PS_Z(index(base, 0), kTail, z)
		case e.double:
			e.VMOVUPD_Z(index(base, 0), kTail, z)
		default:
			e.VMOVUPS_Z(index(base, 0), kTail, z)
		}
	}
	if e.mask {
		v.at[vMask] = masks512[0]
		e.loadMask512(operand.Mem{Base: maskAt}, kTail, masks512[0], places512[0][vX].(reg.VecPhysical))
	}
	if e.weight {
		load(vWeight, upstream, weights512[0])
	}
	load(vPred, pred, places512[0][vD])
	load(vTarget, target, places512[0][vA])
	if e.elementwise {
		load(vUpstream, upstream, places512[1][vD])
	}
	v.fetch = func() {}
	v.store = func(x reg.Register) {
		e.storeMasked(x, e.negation(v), func(base reg.Register) {
			if e.halves != "" {
				e.VMOVDQU16(e.rounded512(v, x), kTail, index(base, 0))
			} else {
				e.p("VMOVU", x, kTail, index(base, 0))
			}
		})
	}
	v.add = add
	interleave(instructions(e.groups, e.lower512(v)))
}

// fold512 folds the lanes by halves and writes the chunk sum. From labels foldTwo and foldOne on, it folds only the lanes of two vectors or one.
func (e *emitter) fold512(short int) {
	for half := 8; half > 0; half /= 2 {
		switch half {
		case short:
			e.Label("foldTwo")
			if e.paired() {
				e.foldPairs()
				return
			}
		case short / 2:
			e.Label("foldOne")
		}
		for i := range half {
			e.VADDPD(zLanes[i+half], zLanes[i], zLanes[i])
		}
	}
	if short == 1 {
		e.Label("foldOne")
	}
	low, high := reg.Z0, reg.Z1
	e.VEXTRACTF64X4(operand.U8(1), zLanes[0], high.AsY())
	e.VMOVAPD(zLanes[0], low)
	e.VADDPD(high.AsY(), low.AsY(), low.AsY())
	e.foldLow(low, high)
}

// foldLow adds the four lanes of the lower half of low, and writes the chunk sum.
func (e *emitter) foldLow(low, high reg.VecPhysical) {
	e.VEXTRACTF128(operand.U8(1), low.AsY(), high.AsX())
	e.VADDPD(high.AsX(), low.AsX(), low.AsX())
	e.foldTwoLanes(low, high)
}

// foldTwoLanes adds the two lanes in low, and writes the chunk sum.
func (e *emitter) foldTwoLanes(low, high reg.VecPhysical) {
	e.VPERMILPD(operand.U8(1), low.AsX(), high.AsX())
	e.VADDSD(high.AsX(), low.AsX(), low.AsX())
	e.VMOVSD(low.AsX(), operand.Mem{Base: sums})
	e.ADDQ(operand.U8(8), sums)
}
