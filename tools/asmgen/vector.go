package main

import (
	"maps"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// places holds the registers or addresses of values.
type places map[value]operand.Op

// home is the place of a constant: a register or, if that is nil, a vector in the frame.
type home struct {
	value value
	reg   reg.Register
}

// vector is a vector of elements being computed: the places of its values, and the operations that differ between full and masked vectors.
type vector struct {
	at    places
	fetch func()
	store func(x reg.Register)
	add   func(half int, terms reg.Register) // adds float64 terms to lanes; half counts the halves of a vector of float32 terms
}

// vector returns a vector with its variables in the given places.
func (e *emitter) vector(variables places) vector {
	at := maps.Clone(e.constants)
	maps.Copy(at, variables)
	return vector{at: at}
}

// of returns the places of a step's operands.
func (v vector) of(s step) []operand.Op {
	var all []operand.Op
	for _, o := range s.of {
		p, ok := v.at[o]
		if !ok {
			panic(string(o) + " has no place")
		}
		all = append(all, p)
	}
	return all
}

// plan arranges the steps of the kernel, and loads the constants that they need.
func (e *emitter) plan(steps []step, order schedule, homes []home, sets []places, field func(value) operand.Mem) {
	var err error
	if e.groups, err = order.arrange(steps); err == nil {
		err = checkPlaces(e.groups, sets[0])
	}
	if err != nil {
		panic(e.function() + ": " + err.Error())
	}
	needs := map[value]bool{}
	for _, s := range steps {
		for _, o := range s.of {
			needs[o] = true
		}
	}
	e.constants = places{}
	for _, h := range homes {
		if needs[h.value] {
			e.constants[h.value] = e.load(h, sets[0][vD].(reg.VecPhysical), field)
		}
	}
}

// load loads a constant to its home, through a free register if that is in memory.
func (e *emitter) load(h home, free reg.VecPhysical, field func(value) operand.Mem) operand.Op {
	switch {
	case h.value == vSign:
		e.immediate(0x80000000, 0x8000000000000000, h.reg.(reg.VecPhysical))
	case h.value == vOneHalf:
		e.immediate(0x3f000000, 0x3fe0000000000000, h.reg.(reg.VecPhysical))
	case h.reg == nil:
		m := e.AllocLocal(int(free.Size()))
		e.broadcast(field(h.value), free)
		e.p("VMOVU", free, m)
		return m
	case h.reg.Kind() == reg.KindOpmask:
		e.MOVL(field(h.value), reg.ECX)
		e.KMOVW(reg.ECX, h.reg)
	default:
		e.broadcast(field(h.value), h.reg)
	}
	return h.reg
}

var arithmetic = map[operation]string{doSub: "VSUB", doMul: "VMUL", doDiv: "VDIV"}

// lowerAny lowers the steps for which AVX2 and AVX-512 have the same instructions, and returns nil for the others. The first operand of
// an instruction must be in a register.
func (e *emitter) lowerAny(v vector, s step) []func() {
	at := v.of(s)
	switch s.do {
	case doSub, doMul, doDiv:
		return []func(){func() {
			p, to := at[0], v.at[s.to]
			if operand.IsMem(p) {
				e.p("VMOVU", p, to)
				p = to
			}
			e.p(arithmetic[s.do], at[1], p, to)
		}}
	case doFetch:
		return []func(){v.fetch}
	case doStore:
		return []func(){func() { v.store(at[0].(reg.Register)) }}
	}
	return nil
}

// addInMemory adds terms to lanes in memory, at an offset in bytes from the first.
func (e *emitter) addInMemory(terms reg.Register, displacement int) {
	lane := operand.Mem{Base: lanes, Disp: displacement}
	e.VADDPD(lane, terms, terms)
	e.VMOVUPD(terms, lane)
}
