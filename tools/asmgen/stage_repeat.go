package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// emitRepeat writes the function that stores n vectors of repeated elements. It is the same for all instruction sets.
func emitRepeat(g *stager) {
	g.Function("repeat" + g.set)
	g.SignatureExpr("func(dst, x, shuffles *byte, count, n int, bytes bool)")
	dst, x, first, end, n := g.GP64(), g.GP64(), g.GP64(), g.GP64(), g.GP64()
	g.Load(g.Param("dst"), dst)
	g.Load(g.Param("x"), x)
	g.Load(g.Param("shuffles"), first)
	g.Load(g.Param("count"), end)
	g.Load(g.Param("n"), n)
	const size = 40 // of a shuffle
	g.IMUL3Q(operand.U8(size), end, end)
	g.ADDQ(first, end)
	flag := g.GP64()
	b, err := g.Param("bytes").Resolve()
	if err != nil {
		panic(err)
	}
	g.MOVBQZX(b.Addr, flag)
	s := g.GP64()
	g.TESTQ(flag, flag)
	g.JNZ(ref("bytes"))
	// Going back to the first shuffle by a jump, which is predicted, is twice as fast as by CMOV, whose latency adds up.
	loop := func(label string, vector func() reg.VecVirtual) {
		g.Label(label)
		g.MOVQ(first, s)
		g.Label(label + "Next")
		g.VMOVDQU(vector(), operand.Mem{Base: dst})
		g.ADDQ(operand.Mem{Base: s, Disp: 32}, x)
		g.ADDQ(operand.U8(32), dst)
		g.ADDQ(operand.U8(size), s)
		g.DECQ(n)
		g.JZ(ref(label + "Done"))
		g.CMPQ(s, end)
		g.JNE(ref(label + "Next"))
		g.JMP(ref(label))
		g.Label(label + "Done")
		g.VZEROUPPER()
		g.RET()
	}
	loop("words", func() reg.VecVirtual {
		from, v := g.YMM(), g.YMM()
		g.VMOVDQU(operand.Mem{Base: s}, from)
		g.VPERMD(operand.Mem{Base: x}, from, v)
		return v
	})
	loop("bytes", func() reg.VecVirtual {
		v := g.YMM()
		g.VBROADCASTI128(operand.Mem{Base: x}, v)
		g.VPSHUFB(operand.Mem{Base: s}, v, v)
		return v
	})
}
