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
	if d.m.has("pack") {
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

// checkCvt says which modifiers a conversion must and must not have.
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

// fitsInt says whether an integer type holds all values of another.
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

// widthOf is the width of a register of the text, in bits.
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

// formatOf is the format of a float type.
func formatOf(t ptx.Type) ieee.Format {
	switch t {
	case ptx.F16:
		return ieee.Half
	case ptx.BF16:
		return ieee.BFloat
	case ptx.F32:
		return ieee.Single
	}
	return ieee.Double
}

// convert makes the function of a conversion, from bits of one type to bits of the other.
func convert(c cvt) func(v uint64) uint64 {
	toF, fromF := c.to.Float(), c.from.Float()
	switch {
	case !toF && !fromF:
		return convertInts(c)
	case toF && !fromF:
		f := formatOf(c.to)
		return func(v uint64) uint64 {
			r := f.FromInt(extend(c.from, v), c.from.Signed(), c.mode)
			return saturate(c, r)
		}
	}
	value := valueOf(c.from, c.ftz && c.from == ptx.F32)
	if !toF {
		width, signed, single := uint(c.to.Bits()), c.to.Signed(), c.from != ptx.F64
		return func(v uint64) uint64 { return ieee.ToInt(value(v), c.integral, width, signed, single) }
	}
	f := formatOf(c.to)
	return func(v uint64) uint64 {
		x := value(v)
		if c.hasInt {
			x = ieee.Integral(x, c.integral)
		}
		r := f.From(x, c.mode)
		if c.ftz && c.to == ptx.F32 {
			r = uint64(b32of(ieee.Flush32(f32of(uint32(r)))))
		}
		if c.relu {
			r = relu(f, r)
		}
		return saturate(c, r)
	}
}

// saturate applies .sat to a float result.
func saturate(c cvt, r uint64) uint64 {
	if !c.sat {
		return r
	}
	f := formatOf(c.to)
	return f.From(ieee.Sat64(f.To(r)), ieee.RN)
}

// convertInts changes the width of an integer; .sat clamps to the new type's range.
func convertInts(c cvt) func(v uint64) uint64 {
	if !c.sat {
		return func(v uint64) uint64 { return extend(c.from, v) }
	}
	n := c.to.Bits()
	return func(v uint64) uint64 {
		x := extend(c.from, v)
		switch {
		case c.to.Signed():
			hi := int64(1)<<(n-1) - 1
			if c.from.Signed() {
				return uint64(min(max(int64(x), -hi-1), hi))
			}
			return min(x, uint64(hi))
		case c.from.Signed() && int64(x) < 0:
			return 0
		}
		return min(x, ^uint64(0)>>(64-n))
	}
}

// cvtPair converts two float32 to a pair of halves; the first becomes the upper one.
func (d *decoder) cvtPair(in *ptx.Inst, c cvt) error {
	t, err := d.m.typ(ptx.F16x2, ptx.BF16x2)
	if err != nil {
		return err
	}
	if _, err := d.m.typ(ptx.F32); err != nil {
		return err
	}
	if !c.hasMode || c.mode != ieee.RN && c.mode != ieee.RZ || c.ftz || c.sat {
		return fmt.Errorf("a conversion to %v needs .rn or .rz", t)
	}
	if err := d.need(70, 80); err != nil {
		return err
	}
	f, _ := halfFormat(t)
	if err := args(in, 3); err != nil {
		return err
	}
	dst, err := d.dst(t, in.Args[0])
	if err != nil {
		return err
	}
	list, err := d.srcs(ptx.F32, in, 1, 2)
	if err != nil {
		return err
	}
	one := func(v uint32) uint32 {
		r := f.From(float64(f32of(v)), c.mode)
		if c.relu {
			r = relu(f, r)
		}
		return uint32(r)
	}
	d.emitFn(fn32(func(d, a, b, _ *lane32) {
		for i := range d {
			d[i] = one(a[i])<<16 | one(b[i])
		}
	}), dst, list...)
	return nil
}

// cvtTF32 rounds a float32 to the 10 bits of fraction that tensor cores use.
func (d *decoder) cvtTF32(in *ptx.Inst, c cvt) error {
	if _, err := d.m.typ(ptx.TF32); err != nil {
		return err
	}
	if _, err := d.m.typ(ptx.F32); err != nil {
		return err
	}
	if !c.hasMode || c.ftz || c.sat || c.mode == ieee.RM || c.mode == ieee.RP || c.mode == ieee.RNA && c.relu {
		return fmt.Errorf("a conversion to .tf32 needs .rna, .rn or .rz")
	}
	version, sm := 70, 80
	if c.mode != ieee.RNA {
		version, sm = 78, 90
	}
	if err := d.need(version, sm); err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(ptx.B32, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.src(ptx.F32, in.Args[1])
	if err != nil {
		return err
	}
	f := ieee.TFloat32
	d.emitFn(fn32(func(d, a, _, _ *lane32) {
		for i := range d {
			r := f.From(float64(f32of(a[i])), c.mode)
			if c.relu {
				r = relu(f, r)
			}
			d[i] = uint32(r) << 13
		}
	}), dst, a)
	return nil
}

// cvtPack is cvt.pack.sat: two 32-bit integers, clamped, into one register.
func (d *decoder) cvtPack(in *ptx.Inst) error {
	if !d.m.has("sat") {
		return fmt.Errorf(".sat is missing")
	}
	t, err := d.m.typ(ptx.U8, ptx.S8, ptx.U16, ptx.S16)
	if err != nil {
		return err
	}
	if _, err := d.m.typ(ptx.S32); err != nil {
		return err
	}
	if err := d.need(65, 72); err != nil {
		return err
	}
	clampTo := convertInts(cvt{to: t, from: ptx.S32, sat: true})
	one := func(v uint32) uint32 { return uint32(truncate(t, clampTo(uint64(v)))) }
	n, width := 2, t.Bits()
	if width == 8 {
		if _, err := d.m.typ(ptx.B32); err != nil {
			return err
		}
		n = 3
	}
	return d.plain(ptx.B32, in, n, fn32(func(d, a, b, c *lane32) {
		for i := range d {
			v := one(a[i])<<width | one(b[i])
			if width == 8 {
				v |= c[i] << 16
			}
			d[i] = v
		}
	}))
}
