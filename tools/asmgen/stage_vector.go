package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const unordered = operand.U8(0x03) // a or b is NaN

// vec returns a new vector register.
func (g *stager) vec() reg.VecVirtual {
	if g.set == "AVX512" {
		return g.ZMM()
	}
	return g.YMM()
}

// half returns a new register of half the size of a vector.
func (g *stager) half() reg.VecVirtual {
	if g.set == "AVX512" {
		return g.YMM()
	}
	return g.XMM()
}

func (g *stager) load(name string) reg.VecVirtual {
	v := g.vec()
	g.p("VMOVU", g.at(name), v)
	return v
}

func (g *stager) store(name string, v reg.VecVirtual) {
	if g.bypass {
		g.p("VMOVNT", v, g.at(name))
	} else {
		g.p("VMOVU", v, g.at(name))
	}
}

func (g *stager) storeHalf(name string, v reg.VecVirtual) {
	if g.bypass {
		g.VMOVNTDQ(v, g.at(name))
	} else {
		g.VMOVUPS(v, g.at(name))
	}
}

func (g *stager) sign() reg.VecVirtual { return g.constants["sign"] }

// xor sets to to x with the sign bits of sign flipped.
func (g *stager) xor(sign operand.Op, x, to reg.VecVirtual) {
	if g.set == "AVX512" {
		g.i("VPXOR", sign, x, to)
	} else {
		g.p("VXOR", sign, x, to)
	}
}

// difference returns x − y.
func (g *stager) difference(x, y string) reg.VecVirtual {
	v := g.load(x)
	g.p("VSUB", g.at(y), v, v)
	return v
}

// abs returns |x|.
func (g *stager) abs(x reg.VecVirtual) reg.VecVirtual {
	v := g.vec()
	if g.set == "AVX512" {
		g.i("VPANDN", x, g.sign(), v)
	} else {
		g.p("VANDN", x, g.sign(), v)
	}
	return v
}

// mask loads a vector's bytes and returns, for AVX-512, the mask of those that are not 0, for AVX2 the elements of those that are.
func (g *stager) mask(name string) reg.Register { return g.maskAtAddress(g.at(name)) }

func (g *stager) maskAtAddress(at operand.Mem) reg.Register {
	if g.set == "AVX512" {
		x, k := g.XMM(), g.K()
		if g.double {
			g.VMOVQ(at, x)
		} else {
			g.VMOVDQU8(at, x)
		}
		g.VPTESTMB(x, x, k)
		return k
	}
	v := g.vec()
	if g.double {
		g.VPMOVZXBQ(at, v)
		g.VPCMPEQQ(g.constants["zero"], v, v)
	} else {
		g.VPMOVZXBD(at, v)
		g.VPCMPEQD(g.constants["zero"], v, v)
	}
	return v
}

// keep clears the elements of x that a mask leaves out.
func (g *stager) keep(x reg.VecVirtual, mask reg.Register) {
	if g.set == "AVX512" {
		g.op(map[bool]string{false: "VMOVAPS_Z", true: "VMOVAPD_Z"}[g.double], x, mask, x)
	} else {
		g.p("VANDN", x, mask, x)
	}
}

// keepIf clears the elements of x for which the comparison of a with b is false.
func (g *stager) keepIf(comparison operand.U8, a, b, x reg.VecVirtual) {
	if g.set == "AVX512" {
		k := g.K()
		g.p("VCMP", comparison, b, a, k)
		g.keep(x, k)
		return
	}
	m := g.vec()
	g.p("VCMP", comparison, b, a, m)
	g.p("VAND", m, x, x)
}

// nan sets the elements of x to those of d that are NaN.
func (g *stager) nan(d, x reg.VecVirtual) {
	if g.set == "AVX512" {
		k := g.K()
		g.p("VCMP", unordered, d, d, k)
		g.p("VMOVA", d, k, x)
		return
	}
	m := g.vec()
	g.p("VCMP", unordered, d, d, m)
	g.p("VBLENDV", m, d, x, x)
}

// choosing returns yes where the comparison of a with b is true, else no, whose register it overwrites.
func (g *stager) choosing(comparison operand.U8, a reg.VecVirtual, b operand.Op, yes, no reg.VecVirtual) reg.VecVirtual {
	if g.set == "AVX512" {
		k := g.K()
		g.p("VCMP", comparison, b, a, k)
		g.p("VMOVA", yes, k, no)
		return no
	}
	m := g.vec()
	g.p("VCMP", comparison, b, a, m)
	g.p("VBLENDV", m, yes, no, no)
	return no
}

// roundBF16 returns the numbers of x rounded to bfloat16, to nearest even. The sum of the bit pattern and half a unit of the result
// carries into the exponent, up to infinity. In a NaN whose low half is not 0 it could carry into the sign; nan says whether there may
// be such ones.
func (g *stager) roundBF16(x reg.VecVirtual, nan bool) reg.VecVirtual {
	r, half := g.vec(), g.half()
	if g.set == "AVX512" {
		k := g.K()
		g.VPTESTMD_BCST(bf16Constant(0), x, k)
		g.VPADDD_BCST(bf16Constant(4), x, r)
		g.VPADDD_BCST(bf16Constant(8), x, k, r)
		if nan {
			n := g.K()
			g.VCMPPS(unordered, x, x, n)
			g.VMOVDQA32(x, n, r)
			g.VPORD_BCST(bf16Constant(12), r, n, r)
		}
		g.VPERMW(r, g.constants["odd"], r)
		return r.AsY().(reg.VecVirtual)
	}
	g.VPSRLD(operand.U8(16), x, r)
	g.VPAND(g.constants["one"], r, r)
	g.VPADDD(x, r, r)
	g.VPADDD(g.constants["round"], r, r)
	g.VPSRLD(operand.U8(16), r, r)
	if nan {
		m := g.vec()
		g.VCMPPS(unordered, x, x, m)
		g.VPBLENDVB(m, g.constants["nan"], r, r)
	}
	g.VEXTRACTI128(operand.U8(1), r, half)
	g.VPACKUSDW(half, r.AsX(), half)
	return half
}

// bf16Constant returns the address of a constant of roundBF16.
func bf16Constant(offset int) operand.Mem {
	m := operand.NewDataAddr(operand.NewStaticSymbol("bf16"), 0)
	return m.Offset(offset)
}

// bf16Constants writes the constants of roundBF16 for AVX-512: the last bit of the result, half a unit less one and half a unit of it, the
// bit of quiet NaNs, and the numbers of the upper halves.
func bf16Constants(c *build.Context) {
	c.StaticGlobal("bf16")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i, v := range []uint32{0x10000, 0x7fff, 0x8000, 0x400000} {
		c.AddDatum(4*i, operand.U32(v))
	}
	for i := range 32 {
		c.AddDatum(64+2*i, operand.U16(uint16(2*i+1)%64))
	}
}
