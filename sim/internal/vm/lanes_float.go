package vm

import (
	"math"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
)

// The float operations in which kernels spend most of their time, rounded to nearest even. The explicit conversions prevent Go from
// fusing a product with a sum.

func f32of(v uint32) float32 { return math.Float32frombits(v) }
func f64of(v uint64) float64 { return math.Float64frombits(v) }
func b32of(v float32) uint32 { return math.Float32bits(v) }
func b64of(v float64) uint64 { return math.Float64bits(v) }

func addF32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = b32of(f32of(a[i]) + f32of(b[i]))
	}
}

func subF32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = b32of(f32of(a[i]) - f32of(b[i]))
	}
}

func mulF32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = b32of(float32(f32of(a[i]) * f32of(b[i])))
	}
}

func divF32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = b32of(f32of(a[i]) / f32of(b[i]))
	}
}

func fmaF32(d, a, b, c *lane32) {
	for i := range d {
		d[i] = b32of(ieee.FMA32(f32of(a[i]), f32of(b[i]), f32of(c[i]), ieee.RN))
	}
}

func absB32(d, a, _, _ *lane32) {
	for i := range d {
		d[i] = a[i] &^ (1 << 31)
	}
}

func negB32(d, a, _, _ *lane32) {
	for i := range d {
		d[i] = a[i] ^ 1<<31
	}
}

func addF64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = b64of(f64of(a[i]) + f64of(b[i]))
	}
}

func subF64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = b64of(f64of(a[i]) - f64of(b[i]))
	}
}

func mulF64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = b64of(float64(f64of(a[i]) * f64of(b[i])))
	}
}

func divF64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = b64of(f64of(a[i]) / f64of(b[i]))
	}
}

func fmaF64(d, a, b, c *lane64) {
	for i := range d {
		d[i] = b64of(math.FMA(f64of(a[i]), f64of(b[i]), f64of(c[i])))
	}
}

func absB64(d, a, _, _ *lane64) {
	for i := range d {
		d[i] = a[i] &^ (1 << 63)
	}
}

func negB64(d, a, _, _ *lane64) {
	for i := range d {
		d[i] = a[i] ^ 1<<63
	}
}

func widenF32(d *lane64, a *lane32) {
	for i := range d {
		d[i] = b64of(float64(f32of(a[i])))
	}
}

func narrowF64(d *lane32, a *lane64) {
	for i := range d {
		d[i] = b32of(float32(f64of(a[i])))
	}
}

// floats32 makes a lane function from a scalar function, with the flushing and saturation of its instruction.
func floats32(ftz, sat bool, f func(a, b, c float32) float32) fn32 {
	switch {
	case ftz:
		return func(d, a, b, c *lane32) {
			for i := range d {
				v := ieee.Flush32(f(ieee.Flush32(f32of(a[i])), ieee.Flush32(f32of(b[i])), ieee.Flush32(f32of(c[i]))))
				if sat {
					v = ieee.Sat32(v)
				}
				d[i] = b32of(v)
			}
		}
	case sat:
		return func(d, a, b, c *lane32) {
			for i := range d {
				d[i] = b32of(ieee.Sat32(f(f32of(a[i]), f32of(b[i]), f32of(c[i]))))
			}
		}
	}
	return func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = b32of(f(f32of(a[i]), f32of(b[i]), f32of(c[i])))
		}
	}
}

func floats64(f func(a, b, c float64) float64) fn64 {
	return func(d, a, b, c *lane64) {
		for i := range d {
			d[i] = b64of(f(f64of(a[i]), f64of(b[i]), f64of(c[i])))
		}
	}
}

// halves makes a lane function of f16, bf16 or pairs of them from a scalar function of their values, widened exactly.
func halves(f ieee.Format, packed, ftz, sat bool, g func(a, b, c float64) uint64) fn32 {
	one := func(a, b, c uint32) uint32 {
		v := uint32(g(widenHalf(f, a, ftz), widenHalf(f, b, ftz), widenHalf(f, c, ftz)))
		if ftz && v&uint32(expMask(f)) == 0 {
			v &= 1 << 15
		}
		if sat {
			v = satHalf(f, v)
		}
		return v
	}
	if !packed {
		return func(d, a, b, c *lane32) {
			for i := range d {
				d[i] = one(a[i], b[i], c[i])
			}
		}
	}
	return func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = one(a[i]&0xffff, b[i]&0xffff, c[i]&0xffff) | one(a[i]>>16, b[i]>>16, c[i]>>16)<<16
		}
	}
}

func expMask(f ieee.Format) uint64 { return 0x7fff &^ (1<<f.Mant - 1) }

func widenHalf(f ieee.Format, v uint32, ftz bool) float64 {
	if ftz && v&uint32(expMask(f)) == 0 {
		v &= 1 << 15
	}
	return f.To(uint64(v & 0xffff))
}

func satHalf(f ieee.Format, v uint32) uint32 {
	x := f.To(uint64(v))
	switch {
	case !(x > 0):
		return 0
	case x > 1:
		return uint32(f.From(1, ieee.RN))
	}
	return v
}
