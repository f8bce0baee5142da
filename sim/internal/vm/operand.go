package vm

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// agrees reports whether a register of type r may be an operand of an instruction for type t: it must have the same width, and must not
// be a float where an integer is required or vice versa.
func agrees(t, r ptx.Type) bool {
	if t.Bits() != r.Bits() {
		return false
	}
	switch {
	case t == r, t.Untyped(), r.Untyped():
		return t == ptx.Pred == (r == ptx.Pred)
	case t.Integer():
		return r.Integer()
	}
	return false
}

// holds reports whether a register of type r is wide enough for a value of type t; loads, stores and conversions allow wider ones.
func holds(t, r ptx.Type) bool {
	if r.Bits() == t.Bits() {
		return agrees(t, r)
	}
	return r.Bits() > t.Bits() && r != ptx.Pred && t != ptx.Pred && !r.Float() && (!t.Float() || r.Untyped())
}

// src returns a register that holds a source operand of type t.
func (d *decoder) src(t ptx.Type, o ptx.Operand) (vreg, error) { return d.source2(t, o, agrees) }

// wide is src for instructions that accept wider registers.
func (d *decoder) wide(t ptx.Type, o ptx.Operand) (vreg, error) { return d.source2(t, o, holds) }

func (d *decoder) source2(t ptx.Type, o ptx.Operand, fits func(t, r ptx.Type) bool) (vreg, error) {
	switch o.Kind {
	case ptx.RegOperand:
		if !fits(t, o.Reg.Type) {
			return vreg{}, fmt.Errorf("register %s of type %v where %v is expected", o.Reg.Name, o.Reg.Type, t)
		}
		if o.Not {
			return vreg{}, fmt.Errorf("! is not supported here")
		}
		return d.env.regs[o.Reg.Index], nil
	case ptx.SpecialOperand:
		if d.in.Op != "mov" && d.in.Op != "cvt" {
			return vreg{}, fmt.Errorf("special register %s can only be read by mov", o.Special)
		}
		bits := specialBits(o.Special)
		if t.Float() || t == ptx.Pred || t.Bits() > bits {
			return vreg{}, fmt.Errorf("special register %s where %v is expected", o.Special, t)
		}
		if varying(o.Special) {
			return vreg{}, fmt.Errorf("special register %s can only be read by mov", o.Special)
		}
		c := c32
		if bits == 64 {
			c = c64
		}
		if c != classOf(t) {
			return vreg{}, fmt.Errorf("special register %s where %v is expected", o.Special, t)
		}
		return d.preset(preset{class: c, special: o.Special}), nil
	case ptx.IntOperand, ptx.F32Operand, ptx.F64Operand:
		v, err := immediate(t, o)
		if err != nil {
			return vreg{}, err
		}
		return d.constant(classOf(t), v), nil
	}
	return vreg{}, fmt.Errorf("operand %v cannot be a source of type %v", o, t)
}

// immediate returns the value of a literal as an operand of type t.
func immediate(t ptx.Type, o ptx.Operand) (uint64, error) {
	switch {
	case t == ptx.Pred:
		if o.Kind == ptx.IntOperand { // as in C and in ptxas, any nonzero value is true
			return uint64(-boolBit(o.Bits != 0)), nil
		}
	case t == ptx.F32:
		switch o.Kind {
		case ptx.F32Operand:
			return o.Bits, nil
		case ptx.F64Operand:
			return uint64(math.Float32bits(float32(math.Float64frombits(o.Bits)))), nil
		}
	case t == ptx.F64:
		switch o.Kind {
		case ptx.F64Operand:
			return o.Bits, nil
		case ptx.F32Operand:
			return math.Float64bits(float64(math.Float32frombits(uint32(o.Bits)))), nil
		}
	case t.Float():
	case o.Kind == ptx.IntOperand:
		return o.Bits & (^uint64(0) >> (64 - t.Bits())), nil
	case o.Kind == ptx.F32Operand && t == ptx.B32, o.Kind == ptx.F64Operand && t == ptx.B64:
		return o.Bits, nil
	}
	return 0, fmt.Errorf("literal %v is not a value of type %v", o, t)
}

// dst returns the register of a destination operand of type t.
func (d *decoder) dst(t ptx.Type, o ptx.Operand) (vreg, error) { return d.destination(t, o, agrees) }

func (d *decoder) wideDst(t ptx.Type, o ptx.Operand) (vreg, error) {
	return d.destination(t, o, holds)
}

// dstOrNone is dst for a result that may be discarded with the operand _.
func (d *decoder) dstOrNone(t ptx.Type, o ptx.Operand) (vreg, error) {
	if o.Kind == ptx.SinkOperand {
		return d.fresh(classOf(t)), nil
	}
	return d.dst(t, o)
}

func (d *decoder) destination(t ptx.Type, o ptx.Operand, fits func(t, r ptx.Type) bool) (vreg, error) {
	switch {
	case o.Kind != ptx.RegOperand || o.Not:
		return vreg{}, fmt.Errorf("operand %v cannot be a destination", o)
	case !fits(t, o.Reg.Type):
		return vreg{}, fmt.Errorf("register %s of type %v where %v is expected", o.Reg.Name, o.Reg.Type, t)
	}
	return d.env.regs[o.Reg.Index], nil
}

// constant returns a register that holds a number in every lane.
func (d *decoder) constant(c class, v uint64) vreg { return d.preset(preset{class: c, value: v}) }

func (d *decoder) preset(p preset) vreg {
	if v, ok := d.fixed[p]; ok {
		return v
	}
	v := d.fresh(p.class)
	d.fixed[p] = v
	p.slot = v.n
	d.sets = append(d.sets, p)
	return v
}

// pred returns the register of a predicate operand and whether it is negated.
func (d *decoder) pred(o ptx.Operand) (vreg, bool, error) {
	if o.Kind == ptx.RegOperand && o.Reg.Type == ptx.Pred {
		return d.env.regs[o.Reg.Index], o.Not, nil
	}
	if o.Kind == ptx.IntOperand {
		r, err := d.src(ptx.Pred, o)
		return r, false, err
	}
	return vreg{}, false, fmt.Errorf("operand %v is not a predicate", o)
}
