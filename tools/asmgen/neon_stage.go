package main

import "fmt"

// neonStager writes one stage for arm64. A group is a register for each vector that is computed at a time.
type neonStager struct {
	*neon
	stage
	bases  map[string]xreg
	fixed  map[string]vreg // numbers and constants
	size   int             // vectors of a group
	next   vreg            // the first free register
	groups int             // used by the body
}

type group []vreg

// neonBodies are the bodies of the elementwise stages, by name, with the constants that they need.
var neonBodies = map[string]struct {
	needs []string
	body  func(*neonStager)
}{
	"copy": {nil, func(s *neonStager) { s.put("dst", s.get("x")) }},
	"mul": {nil, func(s *neonStager) {
		x, y := s.get("x"), s.get("y")
		s.put("dst", s.floats("fmul", x, x, y))
	}},
	"add": {nil, func(s *neonStager) {
		x, y := s.get("x"), s.get("y")
		s.put("dst", s.floats("fadd", x, x, y))
	}},
	"scale": {nil, func(s *neonStager) {
		x := s.get("x")
		s.put("dst", s.floats("fmul", x, x, s.all("by")))
	}},
	"negate": {nil, func(s *neonStager) {
		x := s.get("x")
		s.put("dst", s.floats("fneg", x, x))
	}},
	"distance": {nil, func(s *neonStager) {
		x, y := s.get("x"), s.get("y")
		s.put("dst", s.floats("fabd", x, x, y))
	}},
	"choose": {nil, func(s *neonStager) {
		x, m := s.get("x"), s.masks()
		s.put("dst", s.bitwise("VAND", x, x, m))
	}},
	"chooseBoth": {nil, func(s *neonStager) {
		x, m, y := s.get("x"), s.masks(), s.group()
		s.floats("fneg", y, x)
		s.put("dst", s.bitwise("VAND", x, x, m))
		s.put("neg", s.bitwise("VAND", y, y, m))
	}},
	"second": {nil, func(s *neonStager) {
		d, x := s.difference(), s.second()
		s.floats("fdiv", x, x, s.all("divisor"))
		m := s.group()
		s.bitwise("VAND", x, x, s.floats("facgt", m, s.all("threshold"), d))
		s.bitwise("VBIF", x, d, s.floats("fcmeq", m, d, d))
		s.put("dst", x)
	}},
	"widenF16":  {nil, func(s *neonStager) { s.put("dst", s.getHalves("x", "F16")) }},
	"widenBF16": {nil, func(s *neonStager) { s.put("dst", s.getHalves("x", "BF16")) }},
	"narrowF16": {nil, func(s *neonStager) { s.putHalves("dst", "F16", s.get("x")) }},
	"narrowBF16": {[]string{"quiet NaN", string(vLastBit), string(vHalfBit)}, func(s *neonStager) {
		x, m := s.get("x"), s.group()
		s.bitwise("VBIF", x, s.all("quiet NaN"), s.floats("fcmeq", m, x, x)) // a half could carry into the sign of a NaN
		s.putHalves("dst", "BF16", x)
	}},
	"termsSmooth":    {neonBetas, func(s *neonStager) { s.termsOfBetas(false) }},
	"termsHuber":     {neonBetas, func(s *neonStager) { s.termsOfBetas(true) }},
	"gradientSmooth": {neonBetas, func(s *neonStager) { s.gradientOfBetas(false) }},
	"gradientHuber":  {neonBetas, func(s *neonStager) { s.gradientOfBetas(true) }},
	"secondSmooth":   {neonBetas, func(s *neonStager) { s.secondOfBetas(false) }},
	"secondHuber":    {neonBetas, func(s *neonStager) { s.secondOfBetas(true) }},
}

var neonBetas = []string{"0.5", "zero", "infinity", "quiet NaN", "sign"}

// neonBits are the bits of the constants, in float32 and float64.
var neonBits = map[string][2]uint64{
	"zero": {0, 0}, "0.5": {0x3f000000, 0x3fe0000000000000}, "sign": {0x80000000, 0x8000000000000000},
	"infinity": {0x7f800000, 0x7ff0000000000000}, "quiet NaN": {0x7fc00000, 0x7ff8000000000000},
	string(vLastBit): {0x10000, 0}, string(vHalfBit): {0x7fff, 0},
}

// emitNEON writes the function of a stage: four vectors in an iteration, then one, for n elements, a multiple of a vector's.
func (s stage) emitNEON(a *arm64, double bool) {
	g := s.beginNEON(a, double)
	if s.sums() {
		g.sumRows()
		return
	}
	of := neonBodies[s.name]
	for _, name := range of.needs {
		g.constant(name)
	}
	body := func(size int) {
		g.size, g.groups = size, 0
		of.body(g)
	}
	used := g.registersOf(of.body)
	size := 4
	if s.has("mask") || int(g.next)+size*used > 32 {
		size = 2
	}
	if int(g.next)+size*used > 32 {
		panic(s.name + ": too many registers")
	}
	const unrolled = 4
	w := g.width()
	g.op("SUBS", unrolled*w, aLoops, aLoops)
	g.op("BLT", "few")
	g.label("four")
	for range unrolled / size {
		body(size)
	}
	g.op("SUBS", unrolled*w, aLoops, aLoops)
	g.op("BGE", "four")
	g.label("few")
	g.op("ADD", unrolled*w, aLoops, aLoops)
	g.op("CBZ", aLoops, "done")
	g.label("one")
	body(1)
	g.op("SUBS", w, aLoops, aLoops)
	g.op("BNE", "one")
	g.label("done")
	g.op("RET")
}

// beginNEON starts the function, and loads its arguments. A flag streaming is ignored.
func (s stage) beginNEON(a *arm64, double bool) *neonStager {
	g := &neonStager{neon: &neon{arm64: a, spec: spec{double: double, set: "NEON"}}, stage: s, bases: map[string]xreg{}, fixed: map[string]vreg{}}
	names := []string{}
	for _, p := range s.params {
		names = append(names, p.name)
	}
	if s.sums() {
		names = append(names, "lanes")
	}
	bytes := 8 * (len(names) + 1)
	if s.streaming {
		bytes++
	}
	a.begin(s.name+g.suffix(), s.signature(), 0, bytes)
	for i, name := range names {
		argument := fmt.Sprintf("%s+%d(FP)", name, 8*i)
		if i < len(s.params) && s.params[i].kind == number {
			a.op("MOVD", argument, aFree)
			v := g.register()
			load, element := "FMOVS", ".S[0]"
			if double {
				load, element = "FMOVD", ".D[0]"
			}
			a.op(load, memory(aFree, 0), v.f())
			a.op("VDUP", v.String()+element, g.elements(v))
			g.fixed[name] = v
			continue
		}
		g.bases[name] = xreg(len(g.bases))
		a.op("MOVD", argument, g.bases[name])
	}
	a.op("MOVD", fmt.Sprintf("n+%d(FP)", 8*len(names)), aLoops)
	return g
}

// registersOf returns the number of groups that a body uses.
func (g *neonStager) registersOf(body func(*neonStager)) int {
	dry := *g
	n := *g.neon
	n.arm64 = &arm64{}
	dry.neon, dry.size, dry.groups = &n, 1, 0
	body(&dry)
	return dry.groups
}

func (g *neonStager) register() vreg {
	g.next++
	return g.next - 1
}

func (g *neonStager) constant(name string) {
	bits, ok := neonBits[name]
	if !ok {
		panic("no constant " + name)
	}
	v := g.register()
	g.fixed[name] = v
	g.op("MOVD", fmt.Sprintf("$0x%x", bits[map[bool]int{true: 1}[g.double]]), aFree)
	g.op("VDUP", aFree, g.elements(v))
}

// group returns registers without a use.
func (g *neonStager) group() (all group) {
	first := g.next + vreg(g.size*g.groups)
	g.groups++
	for i := range vreg(g.size) {
		all = append(all, first+i)
	}
	return all
}

// all returns a number or constant as a group.
func (g *neonStager) all(name string) (all group) {
	v, ok := g.fixed[name]
	if !ok {
		panic(g.stage.name + " has no " + name)
	}
	for range g.size {
		all = append(all, v)
	}
	return all
}

func (g *neonStager) floats(name string, to group, of ...group) group {
	for i := range to {
		var operands []vreg
		for _, o := range of {
			operands = append(operands, o[i])
		}
		g.float(name, g.double, to[i], operands...)
	}
	return to
}

// bitwise appends an instruction on all bits. VBIT and VBIF insert the bits of p where q is set, or where it is not.
func (g *neonStager) bitwise(name string, to, p, q group) group {
	for i := range to {
		g.op(name, q[i].b(), p[i].b(), to[i].b())
	}
	return to
}

func (g *neonStager) get(name string) group {
	v := g.group()
	g.load(g.bases[name], v, false)
	return v
}

func (g *neonStager) put(name string, v group) { g.putHalves(name, "", v) }

func (g *neonStager) getHalves(name, halves string) group {
	g.halves = halves
	defer func() { g.halves = "" }()
	return g.get(name)
}

func (g *neonStager) putHalves(name, halves string, v group) {
	g.halves = halves
	defer func() { g.halves = "" }()
	g.store(g.bases[name], v, func(v value) []vreg {
		if v == vA {
			return g.group()
		}
		return g.all(string(v))
	}, false)
}

// masks returns the masks of the elements whose byte is not 0.
func (g *neonStager) masks() group {
	m := g.group()
	g.loadMask(g.bases["mask"], m, false)
	return m
}
