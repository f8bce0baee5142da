package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// stage is a function of package stage: a loop over arrays that computes whole vectors. Its twin in Go computes the rest.
type stage struct {
	name      string
	loop      string // the doc comment: what it computes for each element i
	single    bool   // only for float32
	streaming bool   // takes a flag that makes its stores bypass the caches
	params    []param
	needs     []string      // the constants of the body; see prepare
	body      func(*stager) // computes one vector
}

// param is a parameter of a stage.
type param struct {
	name string
	kind kind
}

// kind says what a parameter points to.
type kind int

const (
	elements kind = iota // an array of the computing type
	halves               // an array of 16-bit numbers
	bytes8               // an array of bytes
	number               // one number of the computing type
)

func arrays(names ...string) (all []param) {
	for _, n := range names {
		all = append(all, param{n, elements})
	}
	return all
}

func (s stage) with(more ...param) stage {
	s.params = append(s.params, more...)
	return s
}

// stages are the elementwise stages.
var stages = []stage{
	{name: "copy", loop: "dst[i] = x[i]", streaming: true, params: arrays("dst", "x"), body: func(s *stager) { s.store("dst", s.load("x")) }},
	{name: "mul", loop: "dst[i] = x[i]*y[i]", params: arrays("dst", "x", "y"), body: func(s *stager) {
		x := s.load("x")
		s.p("VMUL", s.at("y"), x, x)
		s.store("dst", x)
	}},
	{name: "add", loop: "dst[i] = x[i]+y[i]", params: arrays("dst", "x", "y"), body: func(s *stager) {
		x := s.load("x")
		s.p("VADD", s.at("y"), x, x)
		s.store("dst", x)
	}},
	stage{name: "scale", loop: "dst[i] = by*x[i]", params: arrays("dst", "x"), body: func(s *stager) {
		x := s.load("x")
		s.p("VMUL", s.numbers["by"], x, x)
		s.store("dst", x)
	}}.with(param{"by", number}),
	{name: "negate", needs: []string{"sign"}, loop: "dst[i] = −x[i]", params: arrays("dst", "x"), body: func(s *stager) {
		x := s.load("x")
		s.flip(x, s.sign())
		s.store("dst", x)
	}},
	{name: "distance", needs: []string{"sign"}, loop: "dst[i] = |x[i]−y[i]|", params: arrays("dst", "x", "y"), body: func(s *stager) {
		s.store("dst", s.abs(s.difference("x", "y")))
	}},
	stage{name: "choose", needs: []string{"zero"}, loop: "dst[i] = mask[i] != 0 ? x[i] : +0", streaming: true, params: arrays("dst", "x"), body: func(s *stager) {
		x := s.load("x")
		s.keep(x, s.mask("mask"))
		s.store("dst", x)
	}}.with(param{"mask", bytes8}),
	stage{name: "chooseBoth", needs: []string{"zero", "sign"}, loop: "dst[i] = mask[i] != 0 ? x[i] : +0; neg[i] = mask[i] != 0 ? −x[i] : +0", streaming: true,
		params: arrays("dst", "neg", "x"), body: func(s *stager) {
			x, m := s.load("x"), s.mask("mask")
			y := s.vec()
			s.xor(s.sign(), x, y)
			s.keep(x, m)
			s.keep(y, m)
			s.store("dst", x)
			s.store("neg", y)
		}}.with(param{"mask", bytes8}),
	stage{name: "second", needs: []string{"sign"}, loop: "d = pred[i]−target[i]; dst[i] = d ≠ d ? d : |d| < threshold ? ((norm*dir[i])*up[i])/divisor : +0",
		params: arrays("dst", "pred", "target", "dir", "up"), body: func(s *stager) {
			d := s.difference("pred", "target")
			x := s.load("dir")
			s.p("VMUL", s.numbers["norm"], x, x)
			s.p("VMUL", s.at("up"), x, x)
			s.p("VDIV", s.numbers["divisor"], x, x)
			s.keepIf(lessOrdered, s.abs(d), s.numbers["threshold"], x)
			s.nan(d, x)
			s.store("dst", x)
		}}.with(param{"norm", number}, param{"threshold", number}, param{"divisor", number}),
	{name: "widenF16", loop: "dst[i] = x[i], a binary16", single: true, params: []param{{"dst", elements}, {"x", halves}}, body: func(s *stager) {
		v := s.vec()
		s.VCVTPH2PS(s.at("x"), v)
		s.store("dst", v)
	}},
	{name: "widenBF16", loop: "dst[i] = x[i], a bfloat16", single: true, params: []param{{"dst", elements}, {"x", halves}}, body: func(s *stager) {
		v := s.vec()
		s.VPMOVZXWD(s.at("x"), v)
		s.VPSLLD(operand.U8(16), v, v)
		s.store("dst", v)
	}},
	{name: "narrowF16", loop: "dst[i] = x[i], rounded to a binary16", single: true, streaming: true, params: []param{{"dst", halves}, {"x", elements}},
		body: func(s *stager) {
			half := s.half()
			s.VCVTPS2PH(operand.U8(0), s.load("x"), half)
			s.storeHalf("dst", half)
		}},
	{name: "narrowBF16", needs: []string{"one", "round", "nan", "odd"}, loop: "dst[i] = x[i], rounded to a bfloat16", single: true, streaming: true, params: []param{{"dst", halves}, {"x", elements}},
		body: func(s *stager) { s.storeHalf("dst", s.roundBF16(s.load("x"), true)) }},
}

// width returns the number of elements of a vector.
func (s spec) width() int {
	if s.set == "AVX512" {
		return 64 / s.size()
	}
	return 32 / s.size()
}

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
		c.SFENCE()
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
			g.VMOVDQU32(g.bf16Constant(64), v)
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
