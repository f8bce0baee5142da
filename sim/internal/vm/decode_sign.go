package vm

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// floatSign decodes abs and neg of floats. They change the sign bit only, even of a NaN.
func (d *decoder) floatSign(in *ptx.Inst) error {
	ftz := d.m.has("ftz")
	t, err := d.m.typ(arithmetic...)
	if err != nil {
		return err
	}
	abs := in.Op == "abs"
	if half(t) {
		if abs {
			err = d.needHalf(t, 70, 80)
			if t == ptx.F16 || t == ptx.F16x2 {
				err = d.need(65, 53)
			}
		} else {
			err = d.needHalf(t, 70, 80)
			if t == ptx.F16 || t == ptx.F16x2 {
				err = d.need(60, 53)
			}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case ftz && t != ptx.F32 && t != ptx.F16 && t != ptx.F16x2:
		return fmt.Errorf(".ftz does not apply to %v", t)
	case t == ptx.F64 && abs:
		return d.plain(t, in, 1, fn64(absB64))
	case t == ptx.F64:
		return d.plain(t, in, 1, fn64(negB64))
	case t == ptx.F32 && !ftz && abs:
		return d.plain(t, in, 1, fn32(absB32))
	case t == ptx.F32 && !ftz:
		return d.plain(t, in, 1, fn32(negB32))
	}
	var sign, exp uint32 = 1 << 31, 0x7f800000
	packed := false
	if half(t) {
		var fm ieee.Format
		fm, packed = halfFormat(t)
		sign, exp = 1<<15, uint32(expMask(fm))
	}
	one := func(v uint32) uint32 {
		if ftz && v&exp == 0 {
			v &= sign
		}
		if abs {
			return v &^ sign
		}
		return v ^ sign
	}
	return d.plain(t, in, 1, fn32(func(d, a, _, _ *lane32) {
		for i := range d {
			if packed {
				d[i] = one(a[i]&0xffff) | one(a[i]>>16)<<16
			} else {
				d[i] = one(a[i])
			}
		}
	}))
}

func (d *decoder) floatMinMax(in *ptx.Inst) error {
	ftz, nan, xor := d.m.has("ftz"), d.m.has("NaN"), d.m.has("xorsign")
	if xor && !d.m.has("abs") {
		return fmt.Errorf(".xorsign needs .abs")
	}
	t, err := d.m.typ(arithmetic...)
	if err != nil {
		return err
	}
	switch {
	case t == ptx.F64 && (ftz || nan || xor), ftz && (t == ptx.BF16 || t == ptx.BF16x2):
		return fmt.Errorf("a modifier does not apply to %v", t)
	case xor:
		err = d.need(72, 86)
	case nan, half(t):
		err = d.need(70, 80)
	}
	if err != nil {
		return err
	}
	pick := ieee.Min64
	if in.Op == "max" {
		pick = ieee.Max64
	}
	f := func(a, b, _ float64) float64 { return pick(a, b, nan) }
	if xor {
		return d.xorMinMax(t, in, ftz, f)
	}
	switch {
	case t == ptx.F64:
		return d.plain(t, in, 2, floats64(f))
	case half(t):
		fm, packed := halfFormat(t)
		return d.plain(t, in, 2, halves(fm, packed, ftz, false, func(a, b, _ float64) uint64 { return fm.From(f(a, b, 0), ieee.RN) }))
	}
	return d.plain(t, in, 2, floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b), 0)) }))
}

// xorMinMax decodes min and max with .xorsign.abs, which compare magnitudes and give the result the product of the signs, even if an
// operand is NaN. The signs are taken from the bits, because some processors lose the sign of a NaN in a conversion.
func (d *decoder) xorMinMax(t ptx.Type, in *ptx.Inst, ftz bool, f func(a, b, _ float64) float64) error {
	if t == ptx.F32 {
		g := floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b), 0)) })
		return d.plain(t, in, 2, fn32(func(d, a, b, c *lane32) {
			var x, y, r lane32
			absB32(&x, a, nil, nil)
			absB32(&y, b, nil, nil)
			g(&r, &x, &y, c)
			for i := range d {
				d[i] = r[i]&^(1<<31) | (a[i]^b[i])&(1<<31)
			}
		}))
	}
	fm, packed := halfFormat(t)
	g := halves(fm, packed, ftz, false, func(a, b, _ float64) uint64 { return fm.From(f(a, b, 0), ieee.RN) })
	signs := uint32(1 << 15)
	if packed {
		signs |= 1 << 31
	}
	return d.plain(t, in, 2, fn32(func(d, a, b, c *lane32) {
		var x, y, r lane32
		for i := range a {
			x[i], y[i] = a[i]&^signs, b[i]&^signs
		}
		g(&r, &x, &y, c)
		for i := range d {
			d[i] = r[i]&^signs | (a[i]^b[i])&signs
		}
	}))
}

// decodeTestp decodes testp, which tests a property of a value.
func decodeTestp(d *decoder, in *ptx.Inst) error {
	what := d.m.oneOf("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	if what == "" {
		return fmt.Errorf("a property is missing")
	}
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(ptx.Pred, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	smallest := math.Ldexp(1, -126)
	if t == ptx.F64 {
		smallest = math.Ldexp(1, -1022)
	}
	test := func(x float64) bool {
		finite := x-x == 0
		switch what {
		case "finite":
			return finite
		case "infinite":
			return math.IsInf(x, 0)
		case "number":
			return x == x
		case "notanumber":
			return x != x
		case "normal":
			return finite && math.Abs(x) >= smallest
		}
		return x != 0 && math.Abs(x) < smallest
	}
	if t == ptx.F64 {
		d.emitFn(fnCmp64(func(a, _ *lane64) (m uint32) {
			for i, v := range a {
				if test(f64of(v)) {
					m |= 1 << i
				}
			}
			return m
		}), dst, a)
		return nil
	}
	d.emitFn(fnCmp32(func(a, _ *lane32) (m uint32) {
		for i, v := range a {
			if test(float64(f32of(v))) {
				m |= 1 << i
			}
		}
		return m
	}), dst, a)
	return nil
}

// decodeCopysign decodes copysign, which gives the second operand the sign of the first.
func decodeCopysign(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	sign := uint64(1) << (t.Bits() - 1)
	return d.plain(t, in, 2, ints(t, func(a, b, _ uint64) uint64 { return b&^sign | a&sign }))
}
