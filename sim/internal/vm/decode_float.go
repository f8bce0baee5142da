package vm

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// floatAdd decodes add and sub of floats.
func (d *decoder) floatAdd(in *ptx.Inst) error {
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if f.relu {
		return fmt.Errorf("modifier .relu is not known here")
	}
	minus, mode := in.Op == "sub", f.mode
	switch {
	case half(f.t):
		if err := d.needHalf(f.t, 78, 90); err != nil {
			return err
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 2, halves(fm, packed, f.ftz, f.sat, func(a, b, _ float64) uint64 {
			if minus {
				b = -b
			}
			return ieee.AddSmall(fm, a, b, ieee.RN)
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		if minus {
			return d.plain(f.t, in, 2, fn64(subF64))
		}
		return d.plain(f.t, in, 2, fn64(addF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 {
			if minus {
				b = -b
			}
			return ieee.Add64(a, b, mode)
		}))
	case mode == ieee.RN && !f.ftz && !f.sat && minus:
		return d.plain(f.t, in, 2, fn32(subF32))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 2, fn32(addF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, f.sat, func(a, b, _ float32) float32 {
		if minus {
			b = -b
		}
		return ieee.Add32(a, b, mode)
	}))
}

func (d *decoder) floatMul(in *ptx.Inst) error {
	if in.Op == "mad" {
		return d.fma(in)
	}
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if f.relu {
		return fmt.Errorf("modifier .relu is not known here")
	}
	mode := f.mode
	switch {
	case half(f.t):
		if err := d.needHalf(f.t, 78, 90); err != nil {
			return err
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 2, halves(fm, packed, f.ftz, f.sat, func(a, b, _ float64) uint64 {
			return fm.From(float64(a*b), ieee.RN)
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 2, fn64(mulF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 { return ieee.Mul64(a, b, mode) }))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 2, fn32(mulF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, f.sat, func(a, b, _ float32) float32 { return ieee.Mul32(a, b, mode) }))
}

func decodeFma(d *decoder, in *ptx.Inst) error { return d.fma(in) }

// fma decodes fma, and mad of floats, which is the same from sm_20 on.
func (d *decoder) fma(in *ptx.Inst) error {
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if !f.given {
		return fmt.Errorf("a rounding is missing")
	}
	if f.relu && !half(f.t) || f.relu && f.sat {
		return fmt.Errorf("modifier .relu is not known here")
	}
	mode := f.mode
	switch {
	case half(f.t) && in.Op == "mad":
		return fmt.Errorf("type %v is not supported here", f.t)
	case half(f.t):
		if err := d.needHalf(f.t, 70, 80); err != nil {
			return err
		}
		if f.relu {
			if err := d.need(70, 80); err != nil {
				return err
			}
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 3, halves(fm, packed, f.ftz, f.sat, func(a, b, c float64) uint64 {
			v := ieee.FMASmall(fm, a, b, c, ieee.RN)
			if f.relu {
				v = relu(fm, v)
			}
			return v
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 3, fn64(fmaF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 3, floats64(func(a, b, c float64) float64 { return ieee.FMA64(a, b, c, mode) }))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 3, fn32(fmaF32))
	}
	return d.plain(f.t, in, 3, floats32(f.ftz, f.sat, func(a, b, c float32) float32 { return ieee.FMA32(a, b, c, mode) }))
}

// relu replaces a negative value by +0. A NaN stays.
func relu(f ieee.Format, v uint64) uint64 {
	if x := f.To(v); x == x && math.Signbit(x) {
		return 0
	}
	return v
}

// floatDiv decodes div of floats.
func (d *decoder) floatDiv(in *ptx.Inst) error {
	if in.Op == "rem" {
		return fmt.Errorf("type is not supported here")
	}
	if d.m.name("full") != "" || d.m.has("approx") {
		return d.approximate(in, 2, func(a, b float64) float64 { return a / b })
	}
	f, err := d.floatModsOf(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if !f.given || f.sat || f.relu {
		return fmt.Errorf("div needs a rounding and takes no saturation")
	}
	mode := f.mode
	switch {
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 2, fn64(divF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 { return ieee.Div64(a, b, mode) }))
	case mode == ieee.RN && !f.ftz:
		return d.plain(f.t, in, 2, fn32(divF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, false, func(a, b, _ float32) float32 { return ieee.Div32(a, b, mode) }))
}

// decodeRoot decodes rcp and sqrt.
func decodeRoot(d *decoder, in *ptx.Inst) error {
	rcp := in.Op == "rcp"
	if d.m.has("approx") {
		return d.approximate(in, 1, func(a, _ float64) float64 {
			if rcp {
				return 1 / a
			}
			return math.Sqrt(a)
		})
	}
	f, err := d.floatModsOf(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if !f.given || f.sat || f.relu {
		return fmt.Errorf("%s needs a rounding and takes no saturation", in.Op)
	}
	mode := f.mode
	if f.t == ptx.F64 {
		return d.plain(f.t, in, 1, floats64(func(a, _, _ float64) float64 {
			if rcp {
				return ieee.Div64(1, a, mode)
			}
			return ieee.Sqrt64(a, mode)
		}))
	}
	return d.plain(f.t, in, 1, floats32(f.ftz, false, func(a, _, _ float32) float32 {
		if rcp {
			return ieee.Div32(1, a, mode)
		}
		return ieee.Sqrt32(a, mode)
	}))
}

// approximate decodes an instruction whose result PTX only bounds. GPUs differ in its bits, so it needs the option Approximate. Its result
// is then the exact one rounded to nearest, or for transcendental functions that of Go's package math, computed in float64.
func (d *decoder) approximate(in *ptx.Inst, n int, f func(a, b float64) float64) error {
	if !d.module.Approximate {
		return fmt.Errorf("an approximate instruction, whose bits differ among GPUs (the option Approximate lets it run)")
	}
	ftz := d.m.has("ftz")
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if ftz && in.Op == "tanh" {
		return fmt.Errorf("modifier .ftz is not known here")
	}
	if t == ptx.F64 {
		if in.Op != "rsqrt" && (in.Op != "rcp" || !ftz) {
			return fmt.Errorf("type %v is not supported here", t)
		}
		return d.plain(t, in, n, floats64(func(a, b, _ float64) float64 { return f(a, b) }))
	}
	return d.plain(t, in, n, floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b))) }))
}

func decodeTranscendental(d *decoder, in *ptx.Inst) error {
	if !d.m.has("approx") {
		return fmt.Errorf(".approx is missing")
	}
	f := map[string]func(float64) float64{
		"sin": math.Sin, "cos": math.Cos, "lg2": math.Log2, "ex2": math.Exp2, "tanh": math.Tanh,
		"rsqrt": func(x float64) float64 { return 1 / math.Sqrt(x) },
	}[in.Op]
	return d.approximate(in, 1, func(a, _ float64) float64 { return f(a) })
}
