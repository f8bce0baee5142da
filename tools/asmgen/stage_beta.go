package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	equalOrdered          = operand.U8(0x00)
	greaterOrEqualOrdered = operand.U8(0x1d)
)

// The stages for beta by element, of smooth L1 and of Huber. An element whose beta is not valid becomes NaN.
func init() {
	for _, huber := range []bool{false, true} {
		name, over, times, valid := "Smooth", "/beta[i]", "", "0 ≤ beta[i]"
		if huber {
			name, over, times, valid = "Huber", "", "beta[i]*", "0 < beta[i]"
		}
		choice := "; unless " + valid + " < Inf: NaN"
		stages = append(stages,
			stage{name: "terms" + name, needs: []string{"sign", "half", "zero of betas", "infinity", "quiet NaN"},
				loop:   "a = |pred[i]−target[i]|; dst[i] = a < beta[i] ? ((0.5*a)*a)" + over + " : " + times + "(a − 0.5*beta[i])" + choice,
				params: arrays("dst", "pred", "target", "beta"), body: func(s *stager) { s.termsOfBetas(huber) }},
			stage{name: "gradient" + name, needs: []string{"sign", "zero of betas", "infinity", "quiet NaN"},
				loop: "d = pred[i]−target[i]; dst[i] = |d| > beta[i] ? " + times + "(norm*up[i]), negated where d < 0 : ((norm*d)*up[i])" + over +
					"; |d| if beta[i] = 0 and that is not greater" + choice,
				params: arrays("dst", "pred", "target", "beta", "up"), body: func(s *stager) { s.gradientOfBetas(huber) }}.with(param{"norm", number}),
			stage{name: "second" + name, needs: []string{"sign", "zero of betas", "infinity", "quiet NaN"},
				loop:   "d = pred[i]−target[i]; dst[i] = d ≠ d ? d : |d| < beta[i] ? ((norm*dir[i])*up[i])" + over + " : +0" + choice,
				params: arrays("dst", "pred", "target", "beta", "dir", "up"), body: func(s *stager) { s.secondOfBetas(huber) }}.with(param{"norm", number}))
	}
}

func (g *stager) termsOfBetas(huber bool) {
	a, b := g.abs(g.difference("pred", "target")), g.load("beta")
	inner, tail := g.vec(), g.vec()
	g.p("VMUL", a, g.constants["half"], inner)
	g.p("VMUL", a, inner, inner)
	g.p("VMUL", b, g.constants["half"], tail)
	g.p("VSUB", tail, a, tail)
	if huber {
		g.p("VMUL", b, tail, tail)
	} else {
		g.p("VDIV", b, inner, inner)
	}
	g.storeValid(g.choosing(lessOrdered, a, b, inner, tail), b, huber)
}

func (g *stager) gradientOfBetas(huber bool) {
	d, b := g.difference("pred", "target"), g.load("beta")
	a, x, side := g.abs(d), g.vec(), g.load("up")
	g.p("VMUL", d, g.numbers["norm"], x)
	g.p("VMUL", side, x, x)
	g.p("VMUL", g.numbers["norm"], side, side)
	if huber {
		g.p("VMUL", b, side, side)
	} else {
		g.p("VDIV", b, x, x)
		x = g.choosing(equalOrdered, b, g.constants["zero of betas"], a, x)
	}
	if g.set == "AVX512" {
		g.i("VPTERNLOG", andThenXor, side, g.sign(), d)
	} else {
		g.p("VAND", g.sign(), d, d)
		g.p("VXOR", side, d, d)
	}
	g.storeValid(g.choosing(greaterOrdered, a, b, d, x), b, huber)
}

func (g *stager) secondOfBetas(huber bool) {
	d, b := g.difference("pred", "target"), g.load("beta")
	x := g.load("dir")
	g.p("VMUL", g.numbers["norm"], x, x)
	g.p("VMUL", g.at("up"), x, x)
	if !huber {
		g.p("VDIV", b, x, x)
	}
	g.keepIf(lessOrdered, g.abs(d), b, x)
	g.nan(d, x)
	g.storeValid(x, b, huber)
}

// storeValid stores the elements of x whose beta is valid, and NaN for the others.
func (g *stager) storeValid(x, b reg.VecVirtual, huber bool) {
	least := greaterOrEqualOrdered
	if huber {
		least = greaterOrdered
	}
	nan := g.vec()
	g.p("VMOVA", g.constants["quiet NaN"], nan)
	if g.set == "AVX512" {
		k, both := g.K(), g.K()
		g.p("VCMP", least, g.constants["zero of betas"], b, k)
		g.p("VCMP", lessOrdered, g.constants["infinity"], b, k, both)
		g.p("VMOVA", x, both, nan)
	} else {
		m, n := g.vec(), g.vec()
		g.p("VCMP", least, g.constants["zero of betas"], b, m)
		g.p("VCMP", lessOrdered, g.constants["infinity"], b, n)
		g.p("VAND", n, m, m)
		g.p("VBLENDV", m, x, nan, nan)
	}
	g.store("dst", nan)
}
