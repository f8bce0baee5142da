package main

import "github.com/mmcloughlin/avo/operand"

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
	return map[string]int{"NEON": 16, "AVX2": 32, "AVX512": 64}[s.set] / s.size()
}
