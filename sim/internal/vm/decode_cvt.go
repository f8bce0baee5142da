package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// cvt is a conversion while its modifiers are read.
type cvt struct {
	integral ieee.Mode // .rni and its like
	hasInt   bool
	mode     ieee.Mode // .rn and its like
	hasMode  bool
	ftz, sat bool
	relu     bool
	to, from ptx.Type
}

var convertible = []ptx.Type{ptx.U8, ptx.U16, ptx.U32, ptx.U64, ptx.S8, ptx.S16, ptx.S32, ptx.S64, ptx.F16, ptx.BF16, ptx.F32, ptx.F64}

func decodeCvt(d *decoder, in *ptx.Inst) error {
	if d.m.name("pack") != "" {
		return d.cvtPack(in)
	}
	var c cvt
	switch d.m.oneOf("rni", "rzi", "rmi", "rpi") {
	case "rni":
		c.integral, c.hasInt = ieee.RN, true
	case "rzi":
		c.integral, c.hasInt = ieee.RZ, true
	case "rmi":
		c.integral, c.hasInt = ieee.RM, true
	case "rpi":
		c.integral, c.hasInt = ieee.RP, true
	}
	if !c.hasInt {
		if d.m.has("rna") {
			c.mode, c.hasMode = ieee.RNA, true
		} else {
			c.mode, c.hasMode = rounding(d.m, "rn", "rz", "rm", "rp")
		}
	}
	c.ftz = d.m.has("ftz")
	c.sat = d.m.has("sat")
	c.relu = d.m.has("relu")
	switch d.m.peek() {
	case ptx.F16x2, ptx.BF16x2:
		return d.cvtPair(in, c)
	case ptx.TF32:
		return d.cvtTF32(in, c)
	}
	var err error
	if c.to, err = d.m.typ(convertible...); err != nil {
		return err
	}
	if c.from, err = d.m.typ(convertible...); err != nil {
		return err
	}
	if err := d.checkCvt(&c); err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.wideDst(c.to, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.wide(c.from, in.Args[1])
	if err != nil {
		return err
	}
	d.emitCvt(&c, dst, a)
	return nil
}

// checkCvt returns an error if a conversion lacks a required modifier or has one that it must not have.
func (d *decoder) checkCvt(c *cvt) error {
	toF, fromF := c.to.Float(), c.from.Float()
	bad := func(what string) error {
		return fmt.Errorf("%s in a conversion from %v to %v", what, c.from, c.to)
	}
	narrowing := toF && fromF && (c.to.Bits() < c.from.Bits() || c.to.Bits() == c.from.Bits() && c.to != c.from)
	switch {
	case toF && !fromF && (!c.hasMode || c.hasInt || c.mode == ieee.RNA):
		return bad("a rounding like .rn is needed")
	case !toF && fromF && (!c.hasInt || c.hasMode):
		return bad("a rounding like .rzi is needed")
	case !toF && !fromF && (c.hasInt || c.hasMode):
		return bad("a rounding is not allowed")
	case narrowing && (!c.hasMode || c.mode == ieee.RNA):
		return bad("a rounding like .rn is needed")
	case toF && fromF && c.to.Bits() > c.from.Bits() && (c.hasMode || c.hasInt):
		return bad("a rounding is not allowed")
	case toF && c.to == c.from && c.hasMode:
		return bad("a rounding like .rn is not allowed")
	case c.sat && !toF && !fromF && fitsInt(c.from, c.to):
		return bad(".sat is not allowed")
	case (c.to == ptx.BF16 || c.from == ptx.BF16) && (c.sat || c.to.Bits() == 8 || c.from.Bits() == 8):
		return bad("this conversion is not supported")
	case c.relu && c.from == ptx.F64:
		return bad(".relu is not allowed")
	case c.ftz && c.to != ptx.F32 && c.from != ptx.F32:
		return bad(".ftz needs .f32")
	case c.relu && (!narrowing || half(c.from) || !half(c.to)):
		return bad(".relu is not allowed")
	case c.relu && c.mode != ieee.RN && c.mode != ieee.RZ:
		return bad("this rounding is not allowed")
	case half(c.to) && c.from == ptx.F32 && c.mode != ieee.RN && c.mode != ieee.RZ && c.to == ptx.BF16:
		return bad("this rounding is not allowed")
	}
	bf := c.to == ptx.BF16 || c.from == ptx.BF16
	switch {
	case bf && (c.to == ptx.F32 || c.from == ptx.F32) && !c.sat:
		if c.to == ptx.F32 {
			return d.need(71, 90)
		}
		return d.need(70, 80)
	case bf:
		return d.need(78, 90)
	case c.relu:
		return d.need(70, 80)
	}
	return nil
}

// fitsInt reports whether an integer type holds all values of another.
func fitsInt(from, to ptx.Type) bool {
	if to.Signed() && !from.Signed() {
		return to.Bits() > from.Bits()
	}
	return to.Signed() == from.Signed() && to.Bits() >= from.Bits()
}

// emitCvt emits a conversion between registers of any width.
func (d *decoder) emitCvt(c *cvt, dst, a vreg) {
	switch {
	case c.to == ptx.F64 && c.from == ptx.F32 && !c.ftz && !c.sat:
		d.emitFn(fnTo64(widenF32), dst, a)
		return
	case c.to == ptx.F32 && c.from == ptx.F64 && c.mode == ieee.RN && !c.ftz && !c.sat:
		d.emitFn(fnTo32(narrowF64), dst, a)
		return
	}
	f := convert(*c)
	// A destination register may be wider than the type: then it holds the value extended.
	conv := func(v uint64) uint64 { return extend(c.to, truncate(c.to, f(truncate(c.from, v)))) }
	wide := dst.class == c64
	bits32 := func(v uint64) uint32 { return uint32(v) }
	if !wide && c.to.Bits() < 32 {
		// Registers of up to 16 bits are kept zero-extended, those of 32 hold the extended value.
		if n := d.widthOf(dst); n < 32 {
			bits32 = func(v uint64) uint32 { return uint32(v) & (1<<n - 1) }
		}
	}
	switch {
	case wide && a.class == c64:
		d.emitFn(fn64(func(d, a, _, _ *lane64) {
			for i := range d {
				d[i] = conv(a[i])
			}
		}), dst, a)
	case wide:
		d.emitFn(fnTo64(func(d *lane64, a *lane32) {
			for i := range d {
				d[i] = conv(uint64(a[i]))
			}
		}), dst, a)
	case a.class == c64:
		d.emitFn(fnTo32(func(d *lane32, a *lane64) {
			for i := range d {
				d[i] = bits32(conv(a[i]))
			}
		}), dst, a)
	default:
		d.emitFn(fn32(func(d, a, _, _ *lane32) {
			for i := range d {
				d[i] = bits32(conv(uint64(a[i])))
			}
		}), dst, a)
	}
}

// widthOf returns the declared width of a register, in bits.
func (d *decoder) widthOf(v vreg) int {
	for e := d.env; e != nil; e = e.outer {
		for i, r := range e.regs {
			if r == v {
				return e.fn.Regs[i].Type.Bits()
			}
		}
	}
	return 64
}
