package vm

import (
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

var memTypes = []ptx.Type{ptx.B8, ptx.B16, ptx.B32, ptx.B64, ptx.U8, ptx.U16, ptx.U32, ptx.U64, ptx.S8, ptx.S16, ptx.S32, ptx.S64, ptx.F32, ptx.F64}

// spaceMod reads an optional state space.
func spaceMod(m *mods) ptx.Space {
	for i, name := range m.rest {
		if s, ok := ptx.SpaceNamed(name); ok {
			m.take(i)
			return s
		}
	}
	return ptx.Generic
}

func scopeMod(m *mods) (scope, bool) {
	switch m.oneOf("cta", "cluster", "gpu", "sys") {
	case "cta":
		return scopeCTA, true
	case "cluster", "gpu":
		return scopeGPU, true
	case "sys":
		return scopeSys, true
	}
	return scopeSys, false
}

// hints skips cache hints, which do not change the result.
func hints(m *mods, load bool) {
	if load {
		m.oneOf("ca", "cg", "cs", "lu", "cv")
		m.has("nc")
	} else {
		m.oneOf("wb", "cg", "cs", "wt")
	}
	m.oneOf("L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate")
	m.oneOf("L2::evict_normal", "L2::evict_first", "L2::evict_last")
	if load {
		m.oneOf("L2::64B", "L2::128B", "L2::256B")
	}
}

// elements reads the register or the vector of registers of a load or store.
func (d *decoder) elements(n *node, m *access, t ptx.Type, o ptx.Operand, load bool) error {
	list := []ptx.Operand{o}
	if m.vec > 1 {
		if o.Kind != ptx.VecOperand || len(o.Elems) != m.vec {
			return fmt.Errorf("a vector of %d registers expected", m.vec)
		}
		list = o.Elems
	} else if o.Kind == ptx.VecOperand {
		if len(o.Elems) != 1 {
			return fmt.Errorf("one register expected")
		}
		list = o.Elems
	}
	for i, e := range list {
		var r vreg
		var err error
		if load {
			if e.Kind == ptx.SinkOperand && m.vec > 1 {
				r = d.fresh(classOf(t))
			} else {
				r, err = d.wideDst(t, e)
			}
		} else {
			r, err = d.wide(t, e)
		}
		if err != nil {
			return err
		}
		m.reg64[i] = r.class == c64
		m.width[i] = 32
		if e.Kind == ptx.RegOperand {
			m.width[i] = e.Reg.Type.Bits()
		}
		n.refs = append(n.refs, ref{&m.reg[i], r, load})
	}
	return nil
}

// order reads the memory order and scope of ld and st.
func (d *decoder) order(m *access, strong string, kind memOrder) error {
	switch d.m.oneOf("weak", "volatile", "relaxed", strong, "mmio") {
	case "volatile":
		m.order, m.scope = relaxed, scopeSys
		return nil
	case "relaxed", "mmio":
		m.order = relaxed
	case strong:
		m.order = kind
	default:
		return nil
	}
	if err := d.need(60, 70); err != nil {
		return err
	}
	s, ok := scopeMod(d.m)
	if !ok {
		return fmt.Errorf("a scope is missing")
	}
	m.scope = s
	return nil
}

func vecMod(m *mods) int {
	switch m.oneOf("v2", "v4") {
	case "v2":
		return 2
	case "v4":
		return 4
	}
	return 1
}

func decodeLd(d *decoder, in *ptx.Inst) error { return d.loadStore(in, true) }

func decodeSt(d *decoder, in *ptx.Inst) error { return d.loadStore(in, false) }

func (d *decoder) loadStore(in *ptx.Inst, load bool) error {
	m := &access{load: load}
	var err error
	if load {
		err = d.order(m, "acquire", acquire)
	} else {
		err = d.order(m, "release", release)
	}
	if err != nil {
		return err
	}
	m.space = spaceMod(d.m)
	hints(d.m, load)
	m.vec = vecMod(d.m)
	t, err := d.m.typ(memTypes...)
	if err != nil {
		return err
	}
	m.bytes, m.signed = t.Bytes(), t.Signed()
	switch {
	case m.size() > 16:
		return fmt.Errorf("%d bytes at once, at most 16 are possible", m.size())
	case m.order != weak && (m.space == ptx.Const || m.space == ptx.Local || m.space == ptx.Param):
		return fmt.Errorf("a strong access of .%v memory", m.space)
	case !load && m.space == ptx.Const:
		return fmt.Errorf("constant memory cannot be written")
	case in.Op == "ldu" && m.space != ptx.Global && m.space != ptx.Generic, slices.Contains(in.Mods, "nc") && m.space != ptx.Global:
		return fmt.Errorf("this load is of .global memory only")
	}
	if err := args(in, 2); err != nil {
		return err
	}
	at, reg := in.Args[0], in.Args[1]
	exec := execStore
	if load {
		at, reg = reg, at
		exec = execLoad
	}
	n := &node{op: op{exec: exec, mem: m}}
	if err := d.address(n, m, at); err != nil {
		return err
	}
	if err := d.elements(n, m, t, reg, load); err != nil {
		return err
	}
	if !load && m.space == ptx.Param {
		return fmt.Errorf("a kernel's parameters cannot be written")
	}
	if m.order != weak && (m.space == ptx.Global || m.space == ptx.Generic) {
		n.kind = opGlobal
	} else if m.order != weak {
		n.kind = opTurn
	}
	d.push(n)
	return nil
}

// emitLocal emits a load or store of a thread's local memory at a fixed offset.
func (d *decoder) emitLocal(load bool, t ptx.Type, r vreg, offset uint64) {
	m := &access{load: load, space: ptx.Local, vec: 1, bytes: t.Bytes(), signed: t.Signed()}
	m.reg64[0], m.width[0] = r.class == c64, t.Bits()
	exec := execStore
	if load {
		exec = execLoad
	}
	n := &node{op: op{exec: exec, mem: m, imm: offset}}
	n.refs = append(n.refs, ref{&m.reg[0], r, load})
	d.push(n)
}
