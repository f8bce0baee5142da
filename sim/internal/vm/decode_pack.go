package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// cvtPair decodes a conversion of two float32 to a pair of halves, of which the first operand becomes the upper one.
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

// cvtTF32 decodes cvt to tf32, which rounds a float32 to the 10 bits of fraction that tensor cores use.
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

// cvtPack decodes cvt.pack.sat, which packs two 32-bit integers, clamped, into one register.
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
