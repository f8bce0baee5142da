package main

import (
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// fuser writes one fused kernel, for AVX2.
type fuser struct {
	*stager
	fused
	flags    reg.GPVirtual
	l1       reg.Register
	lanesAt  reg.GPVirtual
	lane     reg.GPVirtual         // index of the first vector's lane
	operands map[string]operand.Op // the numbers
}

func (f fused) emit(c *build.Context) {
	g := &fuser{stager: &stager{emitter: &emitter{Context: c, spec: spec{double: f.storage == "F64", set: "AVX2"}},
		bases: map[string]reg.Register{}, numbers: map[string]reg.VecVirtual{}, constants: map[string]reg.VecVirtual{}}, fused: f, operands: map[string]operand.Op{}}
	c.Function(f.function())
	c.SignatureExpr("func(p *byte)")
	p := c.GP64()
	c.Load(c.Param("p"), p)
	for i, name := range fusedPointers {
		r := c.GP64()
		c.MOVQ(operand.Mem{Base: p, Disp: 8 * i}, r)
		g.bases[name] = r
	}
	g.flags, g.lanesAt = g.bases["Stores"].(reg.GPVirtual), g.bases["Lanes"].(reg.GPVirtual)
	g.needs = []string{"sign", "zero", "half"}
	if f.storage == "BF16" {
		g.needs = append(g.needs, "one", "round")
	}
	g.prepare()
	for i, name := range fusedNumbers {
		if g.uses(name) {
			g.number(name, operand.Mem{Base: p, Disp: 8*len(fusedPointers) + i*g.size()})
		}
	}
	g.index = c.GP64()
	c.XORQ(g.index, g.index)
	rows := g.bases["Rows"].(reg.GPVirtual)
	const unrolled = 4
	c.SHLQ(operand.U8(log2(laneCount/g.width()/unrolled)), rows)
	g.lane = c.GP64()
	zero := g.vec()
	c.VXORPS(zero, zero, zero)
	for i := range laneCount / 4 {
		c.VMOVUPS(zero, operand.Mem{Base: g.lanesAt, Disp: 32 * i})
	}
	c.Label("row")
	c.MOVQ(g.index, g.lane)
	c.ANDQ(operand.U8(laneCount-1), g.lane)
	for g.vector = 0; g.vector < unrolled; g.vector++ {
		g.compute()
	}
	g.vector = 0
	c.ADDQ(operand.U32(unrolled*g.width()), g.index)
	c.DECQ(rows)
	c.JNZ(ref("row"))
	c.VZEROUPPER()
	c.RET()
	for _, f := range g.later {
		f()
	}
}

// uses reports whether the kernel needs a number.
func (g *fuser) uses(name string) bool {
	switch name {
	case "Outer":
		return g.quotient == one
	case "Side":
		return g.plain
	case "Divisor":
		return g.quotient == div
	case "Inverse", "L1", "Flip":
		return g.quotient == mul
	}
	return true
}

func (g *fuser) number(name string, at operand.Mem) {
	v := g.vec()
	g.broadcast(at, v)
	switch {
	case name == "L1":
		g.l1 = v
	case name != "Threshold": // for want of registers
		m := g.AllocLocal(32)
		g.VMOVUPS(v, m)
		g.operands[name] = m
		return
	}
	g.operands[name] = v
}

// address returns the address of the current vector of an array.
func (g *fuser) address(name string) operand.Mem {
	return operand.Mem{Base: g.bases[name], Index: g.index, Scale: uint8(g.bytes()), Disp: g.vector * g.width() * g.bytes()}
}

// loadStored loads a vector of an array and widens it.
func (g *fuser) loadStored(name string) reg.VecVirtual {
	v := g.vec()
	switch g.storage {
	case "F16":
		g.VCVTPH2PS(g.address(name), v)
	case "BF16":
		g.VPMOVZXWD(g.address(name), v)
		g.VPSLLD(operand.U8(16), v, v)
	default:
		g.p("VMOVU", g.address(name), v)
	}
	return v
}

// compute computes a vector.
func (g *fuser) compute() {
	n := g.operands
	d := g.loadStored("Pred")
	if g.bytes() == g.size() {
		g.p("VSUB", g.address("Target"), d, d)
	} else {
		g.p("VSUB", g.loadStored("Target"), d, d)
	}
	a := g.abs(d)

	inner, tail := g.vec(), g.vec()
	g.p("VMUL", a, g.constants["half"], inner)
	g.p("VMUL", a, inner, inner)
	g.divide(inner)
	g.p("VSUB", n["Half"], a, tail)
	if g.quotient == one {
		g.p("VMUL", n["Outer"], tail, tail)
	}
	term := g.choosing(lessOrdered, a, n["Threshold"], inner, tail)
	var weight reg.VecVirtual
	var mask reg.Register
	if !g.plain {
		weight, mask = g.loadStored("Weight"), g.maskOf()
		g.p("VMUL", weight, term, term)
		g.keep(term, mask)
	}
	g.addUp(term)

	x := g.vec()
	g.p("VMUL", n["Norm"], d, x)
	up, side := n["G"], n["Side"]
	if !g.plain {
		g.p("VMUL", n["G"], weight, weight)
		up, side = weight, weight
	}
	g.p("VMUL", up, x, x)
	g.divide(x)
	if !g.plain {
		g.p("VMUL", n["Norm"], weight, weight)
		if g.quotient == one {
			g.p("VMUL", n["Outer"], weight, weight)
		}
	}
	g.p("VAND", g.sign(), d, d)
	g.p("VXOR", side, d, d)
	if g.quotient == mul { // L1
		z := g.vec()
		g.xor(n["Flip"], a, z)
		g.p("VBLENDV", g.l1, z, x, x)
	}
	x = g.choosing(greaterOrdered, a, n["Threshold"], d, x)
	if !g.plain {
		g.keep(x, mask)
	}
	g.storeBoth(x, mask)
}

func (g *fuser) divide(x reg.VecVirtual) {
	switch g.quotient {
	case mul:
		g.p("VMUL", g.operands["Inverse"], x, x)
	case div:
		g.p("VDIV", g.operands["Divisor"], x, x)
	}
}

// maskOf loads the vector's mask, as mask does.
func (g *fuser) maskOf() reg.Register {
	return g.maskAtAddress(operand.Mem{Base: g.bases["Mask"], Index: g.index, Scale: 1, Disp: g.vector * g.width()})
}

// addUp adds the terms to the lanes.
func (g *fuser) addUp(term reg.VecVirtual) {
	lane := func(half int) operand.Mem {
		return operand.Mem{Base: g.lanesAt, Index: g.lane, Scale: 8, Disp: 8*g.vector*g.width() + 32*half}
	}
	add := func(x reg.VecVirtual, half int) {
		g.VADDPD(lane(half), x, x)
		g.VMOVUPD(x, lane(half))
	}
	if g.double {
		add(term, 0)
		return
	}
	low, high := g.vec(), g.vec()
	g.VCVTPS2PD(term.AsX(), low)
	g.VEXTRACTF128(operand.U8(1), term, high.AsX())
	g.VCVTPS2PD(high.AsX(), high)
	add(low, 0)
	add(high, 1)
}

// storeBoth writes the gradients x, and −x but for what the mask leaves out.
func (g *fuser) storeBoth(x reg.VecVirtual, mask reg.Register) {
	slow, back, streaming := g.label("otherStores"), g.label("stored"), g.label("streaming")
	at, atNegated := g.address("Out"), g.address("Negated")
	g.TESTQ(g.flags, g.flags)
	g.JNZ(ref(slow))
	g.write(x, at, false)
	g.Label(back)
	g.later = append(g.later, func() {
		g.Label(slow)
		g.TESTQ(operand.U32(storeStreaming), g.flags)
		g.JNZ(ref(streaming))
		g.write(x, at, false)
		g.negate(x, mask)
		g.write(x, atNegated, false)
		g.JMP(ref(back))
		g.Label(streaming)
		g.write(x, at, true)
		g.TESTQ(operand.U32(storeNegated), g.flags)
		g.JZ(ref(back))
		g.negate(x, mask)
		g.write(x, atNegated, true)
		g.JMP(ref(back))
	})
}

// negate changes the signs of x, but for +0 where the mask leaves an element out.
func (g *fuser) negate(x reg.VecVirtual, mask reg.Register) {
	g.flip(x, g.sign())
	if !g.plain {
		g.keep(x, mask)
	}
}

// write stores x, rounded to the storage type.
func (g *fuser) write(x reg.VecVirtual, at operand.Mem, streaming bool) {
	half := x
	switch g.storage {
	case "F16":
		half = g.half()
		g.VCVTPS2PH(operand.U8(0), x, half)
	case "BF16":
		half = g.roundBF16(x, false)
	}
	g.p(map[bool]string{false: "VMOVU", true: "VMOVNT"}[streaming], half, at)
}
