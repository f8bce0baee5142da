package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// address decodes a memory operand and completes the access to it.
func (d *decoder) address(n *node, m *access, o ptx.Operand) error {
	if o.Kind != ptx.AddrOperand {
		return fmt.Errorf("operand %v is not an address", o)
	}
	switch {
	case o.Reg != nil:
		r := d.env.regs[o.Reg.Index]
		t := o.Reg.Type
		if t.Float() || t == ptx.Pred || t.Bits() < 32 || t.Bits() == 32 && (m.space == ptx.Global || m.space == ptx.Generic) {
			return fmt.Errorf("register %s of type %v is not an address in .%v memory", o.Reg.Name, t, m.space)
		}
		m.base, m.wide = true, r.class == c64
		n.refs = append(n.refs, ref{&n.a, r, false})
		if m.space == ptx.Param && d.env.outer != nil {
			m.space = ptx.Local
		}
		n.imm = uint64(o.Offset)
	case o.Var != nil:
		at, space, err := d.addressOf(o.Var)
		if err != nil {
			return err
		}
		if v := o.Var.Space; v != m.space && (m.space != ptx.Generic || v != ptx.Global) {
			return fmt.Errorf("%s is in .%v memory, not in .%v", o.Var.Name, v, m.space)
		}
		m.space = space
		n.imm = at + uint64(o.Offset)
	case m.space != ptx.Local:
		return fmt.Errorf("a number is not an address in .%v memory", m.space)
	default:
		n.imm = uint64(o.Offset)
	}
	return nil
}

// addressOf returns a variable's address in its state space; parameters of device functions live in local memory.
func (d *decoder) addressOf(v *ptx.Var) (at uint64, space ptx.Space, err error) {
	for e := d.env; e != nil; e = e.outer {
		if at, ok := e.vars[v]; ok {
			return at, ptx.Local, nil
		}
	}
	if v.Space == ptx.Param {
		for i, p := range d.kernel.Params {
			if p == v {
				return uint64(d.prog.Params[i].Offset), ptx.Param, nil
			}
		}
	}
	if at, ok := d.module.address(v); ok {
		return at, v.Space, nil
	}
	if at, ok := d.shared[v]; ok {
		return at, v.Space, nil
	}
	return 0, 0, fmt.Errorf("%s is declared and not defined", v.Name)
}

// decodePrefetch checks a prefetch, which does nothing.
func decodePrefetch(d *decoder, in *ptx.Inst) error {
	space := spaceMod(d.m)
	if space != ptx.Generic && space != ptx.Global && space != ptx.Local {
		return fmt.Errorf("a prefetch of .%v memory", space)
	}
	if d.m.oneOf("L1", "L2", "L2::evict_last", "L2::evict_normal") == "" {
		return fmt.Errorf("a cache level is missing")
	}
	if err := args(in, 1); err != nil {
		return err
	}
	n := &node{op: op{exec: func(*warp, *op) {}}}
	if err := d.address(n, &access{space: space}, in.Args[0]); err != nil {
		return err
	}
	d.push(n)
	return nil
}

func decodeCvta(d *decoder, in *ptx.Inst) error {
	to := d.m.name("to") != ""
	space := spaceMod(d.m)
	if space == ptx.Generic {
		return fmt.Errorf("a state space is missing")
	}
	if space == ptx.Param {
		if err := d.need(77, 70); err != nil {
			return err
		}
	}
	t, err := d.m.typ(ptx.U64)
	if err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	if in.Args[1].Kind == ptx.VarOperand && !to {
		v := in.Args[1].Var
		if v.Space != space {
			return fmt.Errorf("%s is in .%v memory, not in .%v", v.Name, v.Space, space)
		}
	}
	a, err := d.movSource(t, in.Args[1])
	if err != nil {
		return err
	}
	base := windowOf(space)
	if to {
		base = -base
	}
	if base == 0 {
		d.emit64(mov64, dst, a)
		return nil
	}
	d.emit64(add64, dst, a, d.constant(c64, base))
	return nil
}

func decodeIsspacep(d *decoder, in *ptx.Inst) error {
	space := spaceMod(d.m)
	if space == ptx.Generic {
		return fmt.Errorf("a state space is missing")
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(ptx.Pred, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.src(ptx.B64, in.Args[1])
	if err != nil {
		return err
	}
	window := windowOf(space)
	d.emitFn(fnCmp64(func(a, _ *lane64) (m uint32) {
		for i, v := range a {
			if window == 0 && v < windows || window != 0 && v>>windowShift == window>>windowShift {
				m |= 1 << i
			}
		}
		return m
	}), dst, a)
	return nil
}
