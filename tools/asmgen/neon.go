package main

import (
	"fmt"
	"slices"
)

// NEON: the 128 lanes are 1 KiB of the stack. Comparisons give vectors of all ones and zeros, which select results bit by bit. A step is
// lowered for all vectors of a group, of which 32 registers hold four in most kernels, so that instructions that depend on each other are
// several instructions apart. The last elements of the arrays are computed one at a time, as vectors whose other elements are 0.
//
// There are no streaming stores: STNP is a hint, and Arm's cores detect that whole cache lines are written (write streaming mode).

// The general registers of the kernels. R16 to R18 and R26 to R30 have other uses in Go.
const (
	aParams   xreg = 0
	aPred     xreg = 1
	aTarget   xreg = 2
	aUpstream xreg = 3
	aMask     xreg = 4
	aOut      xreg = 5
	aNegated  xreg = 6
	aSums     xreg = 7
	aCount    xreg = 8 // elements left after this chunk
	aStores   xreg = 9 // storeNegated, or 0
	aLane     xreg = 10
	aAhead    xreg = 11 // prefetch distance
	aLoops    xreg = 12
	aInChunk  xreg = 13 // elements left of this chunk
	aFree     xreg = 14
	aLanes    xreg = 15 // the first lane
)

// neon writes one kernel.
type neon struct {
	*arm64
	spec
	steps     []step
	constants map[value]vreg
	vectors   []map[value]vreg // the variables and inputs of a group
	spare     []vreg           // registers without a use
}

// The constants of the conversion to bfloat16, integers.
const (
	vLastBit value = "last bit" // of the upper half
	vHalfBit value = "half bit" // half a unit of the upper half, less one
)

// neonConstants are the constants, in the order in which they are loaded.
var neonConstants = []value{vSign, vOneHalf, vThreshold, vHalf, vInverse, vDivisor, vOuter, vNorm, vG, vSide, vFlip, vL1, vLastBit, vHalfBit}

// neonSteps returns the steps of a kernel for NEON, which has instructions for |p − q| and for |p| > q.
func neonSteps(s spec) []step {
	steps := formula(s)
	index := func(name string) int {
		return slices.IndexFunc(steps, func(s step) bool { return s.name == name })
	}
	distance := index("distance")
	switch {
	case !s.gradient: // nothing else reads the difference
		steps[distance] = step{name: "distance", do: doDistance, to: vA, of: []value{vPred, vTarget}}
		steps = slices.Delete(steps, index("difference"), index("difference")+1)
	case !s.sum && !s.terms && s.quotient != mul: // nothing else reads the distance
		// The comparison comes first, since the sign is all that a later step leaves of the difference.
		outside := index("outside")
		steps[distance] = step{name: "outside", do: doFarther, to: vOutside, of: []value{vD, vThreshold}}
		steps = slices.Delete(steps, outside, outside+1)
	}
	return steps
}

// assign assigns registers: to the constants that the steps need, and to as many vectors, four or two, as there is room for.
func (n *neon) assign() error {
	needs, variables := map[value]bool{}, []value{}
	use := func(v value) {
		if v == vInside || v == vOutside {
			v = "choice" // the masks share a register
		}
		if v != "" && v != vIsL1 && !slices.Contains(variables, v) {
			variables = append(variables, v)
		}
	}
	for _, s := range n.steps {
		for _, o := range s.of {
			if needs[o] = true; !slices.Contains(neonConstants, o) && o != vPred && o != vTarget {
				use(o)
			}
		}
		use(s.to)
	}
	if n.sum { // the lanes
		use("choice")
		use(vT)
	}
	if n.halves == "BF16" {
		needs[vLastBit], needs[vHalfBit] = true, true
	}
	if !needs[vD] {
		use(vD) // for pred
	}
	use(vA) // for target
	use(vT) // for the negated gradients
	n.constants = map[value]vreg{}
	next := vreg(31)
	for _, c := range neonConstants {
		if needs[c] {
			n.constants[c] = next
			next--
		}
	}
	room, group := int(next)+1, 4
	if need := group * len(variables); need > room || need == room && n.sum && !n.double || n.mask {
		group = 2
	}
	if 2*len(variables) >= room {
		return fmt.Errorf("%s: %d variables and %d constants are too many", n.function(), len(variables), len(n.constants))
	}
	n.vectors, n.spare = nil, nil
	for i := range group {
		at := map[value]vreg{}
		for j, v := range variables {
			at[v] = vreg(j*group + i)
		}
		n.vectors = append(n.vectors, at)
	}
	for v := vreg(group * len(variables)); v <= next; v++ {
		n.spare = append(n.spare, v)
	}
	for i, at := range n.vectors {
		n.complete(at, i)
	}
	return checkPlaces([][]step{n.steps}, n.variables(n.vectors[0]))
}

// complete adds the values that share the registers of others.
func (n *neon) complete(at map[value]vreg, i int) {
	at[vPred], at[vTarget] = at[vD], at[vA]
	if m, ok := at["choice"]; ok {
		at[vInside], at[vOutside] = m, m
	}
	if l1, ok := n.constants[vL1]; ok {
		at[vIsL1] = l1
	}
}

// variables returns the places of the variables alone, for checkPlaces.
func (n *neon) variables(at map[value]vreg) map[value]vreg {
	all := map[value]vreg{}
	for _, v := range []value{vD, vA, vX, vT, vInside, vOutside, vIsL1} {
		if r, ok := at[v]; ok {
			all[v] = r
		}
	}
	return all
}

// emit writes the kernel.
func (n *neon) emit(l *layout) error {
	n.steps = neonSteps(n.spec)
	if err := n.assign(); err != nil {
		return err
	}
	frame := 0
	if n.sum {
		frame = 8*laneCount + 64
	}
	n.begin(n.function(), fmt.Sprintf("(p *Params[%s])", n.element()), frame, 8)
	n.arguments(l.offsets(n.element()))
	n.op("CBZ", aCount, "done")
	if !n.sum {
		n.op("MOVD", aCount, aLoops)
		n.loop()
		n.label("done")
		n.op("RET")
		return nil
	}
	n.op("ADD", 8+63, "RSP", aLanes)
	n.op("AND", "$~63", aLanes, aLanes)
	n.label("chunk")
	n.take(aInChunk, chunkLength, aCount)
	n.op("VEOR", vreg(0).b(), vreg(0).b(), vreg(0).b())
	for i := 0; i < 8*laneCount; i += 32 {
		n.transfer(false, aLanes, i, 0, 0, 0)
	}
	n.label("row")
	n.op("MOVD", aLanes, aLane)
	n.take(aLoops, laneCount, aInChunk)
	n.loop()
	n.op("CBNZ", aInChunk, "row")
	n.fold()
	n.short(false, aSums, 8, 0)
	n.op("CBNZ", aCount, "chunk")
	n.label("done")
	n.op("RET")
	return nil
}

// take sets to to the smaller of most and from, which it subtracts from from.
func (n *neon) take(to xreg, most int, from xreg) {
	n.op("MOVD", most, to)
	n.op("CMP", to, from)
	n.op("CSEL", "LT", from, to, to)
	n.op("SUB", to, from, from)
}

// arguments loads the parameters.
func (n *neon) arguments(offset map[string]int) {
	load := func(field string, to xreg) { n.op("MOVD", memory(aParams, offset[field]), to) }
	n.op("MOVD", "p+0(FP)", aParams)
	load("Pred", aPred)
	load("Target", aTarget)
	if n.elementwise || n.weight {
		load("Upstream", aUpstream)
	}
	if n.mask {
		load("Mask", aMask)
	} else {
		load("Ahead", aAhead)
	}
	if n.terms || n.gradient {
		load("Out", aOut)
	}
	if n.gradient {
		load("Negated", aNegated)
		load("Stores", aStores)
		n.op("AND", storeNegated, aStores, aStores)
	}
	if n.sum {
		load("Sums", aSums)
		n.op("ADD", offset["Sum"], aParams, aFree)
		n.op("CMP", 0, aSums)
		n.op("CSEL", "EQ", aFree, aSums, aSums)
	}
	load("N", aCount)
	for _, c := range neonConstants {
		v, ok := n.constants[c]
		if !ok {
			continue
		}
		immediate := func(f32, f64 uint64) {
			bits := map[bool]uint64{false: f32, true: f64}[n.double]
			n.op("MOVD", fmt.Sprintf("$0x%x", bits), aFree)
			n.op("VDUP", aFree, n.elements(v))
		}
		switch c {
		case vSign:
			immediate(0x80000000, 0x8000000000000000)
		case vOneHalf:
			immediate(0x3f000000, 0x3fe0000000000000)
		case vLastBit:
			immediate(0x10000, 0)
		case vHalfBit:
			immediate(0x7fff, 0)
		default:
			name, lane := "FMOVS", "%s.S[0]"
			if n.double {
				name, lane = "FMOVD", "%s.D[0]"
			}
			n.op(name, memory(aParams, offset[string(c)]), v.f())
			n.op("VDUP", fmt.Sprintf(lane, v), n.elements(v))
		}
	}
}

// elements returns a register as an operand of instructions on elements of the computing type.
func (n *neon) elements(v vreg) string {
	return v.String() + map[bool]string{false: ".S4", true: ".D2"}[n.double]
}
