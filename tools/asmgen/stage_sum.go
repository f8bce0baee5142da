package main

import (
	"slices"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sumStages are the stages that add terms to lanes. They take whole rows of 128, and n is the number of rows.
var sumStages = []stage{
	{name: "addRows", loop: "lane[i mod 128] += x[i]", params: arrays("x")},
	{name: "addWeighedRows", loop: "dst[i] = x[i]*w[i]; lane[i mod 128] += dst[i]", params: arrays("dst", "x", "w")},
	stage{name: "addChosenRows", needs: []string{"zero"}, loop: "dst[i] = mask[i] != 0 ? x[i] : +0; lane[i mod 128] += dst[i]",
		params: arrays("dst", "x")}.with(param{"mask", bytes8}),
	stage{name: "addWeighedChosenRows", needs: []string{"zero"}, loop: "dst[i] = mask[i] != 0 ? x[i]*w[i] : +0; lane[i mod 128] += dst[i]",
		params: arrays("dst", "x", "w")}.with(param{"mask", bytes8}),
}

// sums reports whether the stage adds up.
func (s stage) sums() bool { return s.body == nil }

func (s stage) has(name string) bool {
	return slices.ContainsFunc(s.params, func(p param) bool { return p.name == name })
}

// emitSum writes the function of a stage that adds up. The lanes, which start at +0, are in registers: all of them for AVX-512, and 32 at
// a time for AVX2.
func (s stage) emitSum(g *stager) {
	rows, left, block := g.GP64(), g.GP64(), g.GP64()
	g.Load(g.Param("n"), rows)
	lanesAt := g.GP64()
	g.Load(g.Param("lanes"), lanesAt)
	g.prepare()
	perLanes := 8 // float64 in a vector
	vectors := 16 // vectors of lanes of a block
	if g.set == "AVX2" {
		perLanes, vectors = 4, 8
	}
	g.XORQ(block, block)
	g.Label("block")
	var acc []reg.VecVirtual
	for range vectors {
		v := g.vec()
		g.VXORPS(v.AsX(), v.AsX(), v.AsX())
		acc = append(acc, v)
	}
	g.MOVQ(block, g.index)
	g.MOVQ(rows, left)
	g.Label("row")
	perVector := g.width() / perLanes // vectors of lanes for a vector of elements
	for g.vector = 0; g.vector < vectors/perVector; g.vector++ {
		x := g.load("x")
		if s.has("w") {
			g.p("VMUL", g.at("w"), x, x)
		}
		if s.has("mask") {
			g.keep(x, g.mask("mask"))
		}
		if s.has("dst") {
			g.store("dst", x)
		}
		g.addTo(acc[g.vector*perVector:], x)
	}
	g.vector = 0
	g.ADDQ(operand.U32(laneCount), g.index)
	g.DECQ(left)
	g.JNZ(ref("row"))
	for i, v := range acc {
		g.VMOVUPD(v, operand.Mem{Base: lanesAt, Index: block, Scale: 8, Disp: 8 * i * perLanes})
	}
	g.ADDQ(operand.U32(vectors*perLanes), block)
	g.CMPQ(block, operand.U32(laneCount))
	g.JL(ref("block"))
	g.VZEROUPPER()
	g.RET()
}

// addTo adds the elements of x to the lanes.
func (g *stager) addTo(lanes []reg.VecVirtual, x reg.VecVirtual) {
	if g.double {
		g.VADDPD(x, lanes[0], lanes[0])
		return
	}
	low, high := g.vec(), g.vec()
	if g.set == "AVX512" {
		g.VCVTPS2PD(x.AsY(), low)
		g.VEXTRACTF64X4(operand.U8(1), x, high.AsY())
		g.VCVTPS2PD(high.AsY(), high)
	} else {
		g.VCVTPS2PD(x.AsX(), low)
		g.VEXTRACTF128(operand.U8(1), x, high.AsX())
		g.VCVTPS2PD(high.AsX(), high)
	}
	g.VADDPD(low, lanes[0], lanes[0])
	g.VADDPD(high, lanes[1], lanes[1])
}

// emitFold writes the function that folds 128 lanes by halves.
func emitFold(g *stager) {
	g.Function("fold" + g.set)
	g.SignatureExpr("func(lanes *byte) (sum float64)")
	base := g.GP64()
	g.Load(g.Param("lanes"), base)
	width := g.width()
	var v []reg.VecVirtual
	// Halves of 64 and 32 lanes are added as they are loaded, so that AVX2's registers suffice.
	quarter := laneCount / 4
	for i := 0; i < quarter; i += width {
		x, y := g.vec(), g.vec()
		lane := func(i int) operand.Mem { return operand.Mem{Base: base, Disp: 8 * i} }
		g.VMOVUPD(lane(i), x)
		g.VADDPD(lane(i+2*quarter), x, x)
		g.VMOVUPD(lane(i+quarter), y)
		g.VADDPD(lane(i+3*quarter), y, y)
		g.VADDPD(y, x, x)
		v = append(v, x)
	}
	for half := len(v) / 2; half > 0; half /= 2 {
		for i := range half {
			g.VADDPD(v[i+half], v[i], v[i])
		}
	}
	low, high := v[0], g.vec()
	if g.set == "AVX512" {
		g.VEXTRACTF64X4(operand.U8(1), low, high.AsY())
		g.VADDPD(high.AsY(), low.AsY(), low.AsY())
	}
	g.VEXTRACTF128(operand.U8(1), low.AsY(), high.AsX())
	g.VADDPD(high.AsX(), low.AsX(), low.AsX())
	g.VPERMILPD(operand.U8(1), low.AsX(), high.AsX())
	g.VADDSD(high.AsX(), low.AsX(), low.AsX())
	g.Store(low.AsX(), g.Return("sum"))
	g.VZEROUPPER()
	g.RET()
}

// emitCount writes the function that counts the bytes of a mask that are not 0, in whole blocks of 64.
func emitCount(g *stager) {
	g.Function("count" + g.set)
	g.SignatureExpr("func(mask *byte, n int) (kept int)")
	base, n, kept, some := g.GP64(), g.GP64(), g.GP64(), g.GP64()
	g.Load(g.Param("mask"), base)
	g.Load(g.Param("n"), n)
	g.XORQ(kept, kept)
	var zero reg.VecVirtual
	if g.set == "AVX2" {
		zero = g.vec()
		g.VPXOR(zero, zero, zero)
	}
	g.Label("loop")
	if g.set == "AVX512" {
		v, k := g.vec(), g.K()
		g.VMOVDQU8(operand.Mem{Base: base}, v)
		g.VPTESTMB(v, v, k)
		g.KMOVQ(k, some)
		g.POPCNTQ(some, some)
		g.ADDQ(some, kept)
	} else {
		for half := range 2 {
			v := g.vec()
			g.VPCMPEQB(operand.Mem{Base: base, Disp: 32 * half}, zero, v)
			g.VPMOVMSKB(v, some.As32())
			g.NOTL(some.As32())
			g.POPCNTL(some.As32(), some.As32())
			g.ADDQ(some, kept)
		}
	}
	g.ADDQ(operand.U8(64), base)
	g.SUBQ(operand.U8(64), n)
	g.JNZ(ref("loop"))
	g.Store(kept, g.Return("kept"))
	g.VZEROUPPER()
	g.RET()
}
