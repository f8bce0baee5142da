package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stager writes one stage.
type stager struct {
	*emitter
	stage
	index     reg.GPVirtual
	bases     map[string]reg.Register
	numbers   map[string]reg.VecVirtual
	constants map[string]reg.VecVirtual
	vector    int // the vector of the current iteration
	bypass    bool
}

// argument is the declaration of a parameter.
func (p param) argument() string { return p.name + " unsafe.Pointer" }

// signature returns the parameters of a stage's function, in Go.
func (s stage) signature() string {
	var all []string
	for _, p := range s.params {
		all = append(all, p.argument())
	}
	if s.sums() {
		all = append(all, "lanes unsafe.Pointer")
	}
	all = append(all, "n int")
	if s.streaming {
		all = append(all, "streaming bool")
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// emit writes the function of a stage: four vectors in an iteration, then one, for n elements, a multiple of a vector's.
func (s stage) emit(c *build.Context, double bool, set string) {
	g := &stager{emitter: &emitter{Context: c, spec: spec{double: double, set: set}}, stage: s, bases: map[string]reg.Register{},
		numbers: map[string]reg.VecVirtual{}, constants: map[string]reg.VecVirtual{}}
	c.Function(s.name + g.suffix())
	c.SignatureExpr("func" + strings.ReplaceAll(s.signature(), "unsafe.Pointer", "*byte"))
	for _, p := range s.params {
		base := c.GP64()
		c.Load(c.Param(p.name), base)
		if p.kind == number {
			v := g.vec()
			g.broadcast(operand.Mem{Base: base}, v)
			g.numbers[p.name] = v
		} else {
			g.bases[p.name] = base
		}
	}
	g.index = c.GP64()
	if s.sums() {
		s.emitSum(g)
		return
	}
	n := c.GP64()
	c.Load(c.Param("n"), n)
	c.XORQ(g.index, g.index)
	if s.streaming {
		flag := c.GP64()
		c.MOVBQZX(g.streamingFlag(), flag)
		c.TESTQ(flag, flag)
		c.JNZ(ref("streaming"))
	}
	g.prepare()
	g.vectors(n, "")
	c.VZEROUPPER()
	c.RET()
	if s.streaming {
		c.Label("streaming")
		g.bypass = true
		g.prepare()
		g.vectors(n, "Streaming")
		c.VZEROUPPER()
		c.RET()
	}
}

func (g *stager) streamingFlag() operand.Mem {
	b, err := g.Param("streaming").Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// prepare sets the constants that the body needs.
func (g *stager) prepare() {
	g.constants = map[string]reg.VecVirtual{}
	only := map[string]string{"zero": "AVX2", "one": "AVX2", "round": "AVX2", "nan": "AVX2", "odd": "AVX512"}
	for _, name := range g.needs {
		if set, ok := only[name]; ok && set != g.set {
			continue
		}
		v := g.vec()
		switch name {
		case "sign":
			g.constant(0x80000000, 0x8000000000000000, v)
		case "infinity":
			g.constant(0x7f800000, 0x7ff0000000000000, v)
		case "quiet NaN":
			g.constant(0x7fc00000, 0x7ff8000000000000, v)
		case "zero", "zero of betas":
			g.VXORPS(v.AsX(), v.AsX(), v.AsX())
		case "half":
			g.constant(0x3f000000, 0x3fe0000000000000, v)
		case "odd":
			g.VMOVDQU32(bf16Constant(64), v)
		case "one":
			g.constant(1, 1, v)
		case "round":
			g.constant(0x7fff, 0x7fff, v)
		case "nan":
			g.constant(0x7fc0, 0x7fc0, v)
		default:
			panic("no constant " + name)
		}
		g.constants[name] = v
	}
}

// constant fills a register with a number, given by its bits in either type.
func (g *stager) constant(f32, f64 uint64, v reg.VecVirtual) {
	r := g.GP64()
	if g.double {
		g.MOVQ(operand.U64(f64), r)
		g.VMOVQ(r, v.AsX())
		g.VPBROADCASTQ(v.AsX(), v)
	} else {
		g.MOVL(operand.U32(f32), r.As32())
		g.VMOVD(r.As32(), v.AsX())
		g.VPBROADCASTD(v.AsX(), v)
	}
}

func (g *stager) vectors(n reg.GPVirtual, suffix string) {
	const unrolled = 4
	w := g.width()
	four, few, one, done := "four"+suffix, "few"+suffix, "one"+suffix, "done"+suffix
	g.SUBQ(operand.U32(unrolled*w), n)
	g.JL(ref(few))
	g.Label(four)
	for g.vector = 0; g.vector < unrolled; g.vector++ {
		g.body(g)
	}
	g.vector = 0
	g.ADDQ(operand.U32(unrolled*w), g.index)
	g.SUBQ(operand.U32(unrolled*w), n)
	g.JGE(ref(four))
	g.Label(few)
	g.ADDQ(operand.U32(unrolled*w), n)
	g.JZ(ref(done))
	g.Label(one)
	g.body(g)
	g.ADDQ(operand.U32(w), g.index)
	g.SUBQ(operand.U32(w), n)
	g.JNZ(ref(one))
	g.Label(done)
}

// at returns the address of the current vector of an array.
func (g *stager) at(name string) operand.Mem {
	size := 0
	for _, p := range g.params {
		if p.name == name {
			size = map[kind]int{elements: g.size(), halves: 2, bytes8: 1}[p.kind]
		}
	}
	if size == 0 {
		panic(fmt.Sprintf("%s has no array %s", g.name, name))
	}
	return operand.Mem{Base: g.bases[name], Index: g.index, Scale: uint8(size), Disp: g.vector * g.width() * size}
}
