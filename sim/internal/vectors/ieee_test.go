package vectors

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim/internal/ieee"
)

var ieeeModes = []struct {
	mode ieee.Mode
	name byte
}{{ieee.RN, 'n'}, {ieee.RZ, 'z'}, {ieee.RM, 'm'}, {ieee.RP, 'p'}}

// numbers draws operands: random bits, similar exponents, adjacent values, special values.
func numbers(f format, n int, d *draw) []uint64 {
	v := make([]uint64, n)
	base := d.next()
	special := specials(map[int]string{16: "f16", 32: "f32", 64: "f64"}[f.bits])
	for i := range v {
		switch d.next() % 4 {
		case 0:
			v[i] = d.next()
		case 1:
			v[i] = base + d.next()%8 - 4
		case 2:
			v[i] = base&^(1<<f.mant-1) + d.next()%(40<<f.mant) - 20<<f.mant
		default:
			v[i] = special[d.next()%uint64(len(special))]
		}
		v[i] &= ^uint64(0) >> (64 - f.bits)
	}
	return v
}

// Package ieee against big rationals, on many more operands than the vectors have.
func TestIEEE(t *testing.T) {
	count := 1500
	if testkit.Long() {
		count = 12000
	}
	d := draw(77)
	f32, f64 := formats["f32"], formats["f64"]
	s := func(v uint64) float32 { return math.Float32frombits(uint32(v)) }
	b32 := func(v float32) uint64 { return uint64(math.Float32bits(v)) }
	for range count {
		v, w := numbers(f32, 3, &d), numbers(f64, 3, &d)
		m := ieeeModes[d.next()%4]
		same := func(f format, op string, want, got uint64, in []uint64) {
			require.Truef(t, want == got || f.isNaN(want) && f.isNaN(got), "%s of %x, mode %c: got %x, want %x", op, in, m.name, got, want)
		}
		same(f32, "add", f32.add(v[0], v[1], m.name), b32(ieee.Add32(s(v[0]), s(v[1]), m.mode)), v)
		same(f32, "mul", f32.mul(v[0], v[1], m.name), b32(ieee.Mul32(s(v[0]), s(v[1]), m.mode)), v)
		same(f32, "div", f32.div(v[0], v[1], m.name), b32(ieee.Div32(s(v[0]), s(v[1]), m.mode)), v)
		same(f32, "fma", f32.fma(v[0], v[1], v[2], m.name), b32(ieee.FMA32(s(v[0]), s(v[1]), s(v[2]), m.mode)), v)
		same(f32, "fma", f32.fma(v[0], v[1], v[2], 'n'), b32(ieee.FMA32(s(v[0]), s(v[1]), s(v[2]), ieee.RN)), v)
		g := math.Float64frombits
		same(f64, "add", f64.add(w[0], w[1], m.name), math.Float64bits(ieee.Add64(g(w[0]), g(w[1]), m.mode)), w)
		same(f64, "mul", f64.mul(w[0], w[1], m.name), math.Float64bits(ieee.Mul64(g(w[0]), g(w[1]), m.mode)), w)
		same(f64, "div", f64.div(w[0], w[1], m.name), math.Float64bits(ieee.Div64(g(w[0]), g(w[1]), m.mode)), w)
		same(f64, "fma", f64.fma(w[0], w[1], w[2], m.name), math.Float64bits(ieee.FMA64(g(w[0]), g(w[1]), g(w[2]), m.mode)), w)
		if d.next()%16 == 0 { // roots take long
			same(f32, "sqrt", f32.sqrt(v[0], m.name), b32(ieee.Sqrt32(s(v[0]), m.mode)), v)
			same(f64, "sqrt", f64.sqrt(w[0], m.name), math.Float64bits(ieee.Sqrt64(g(w[0]), m.mode)), w)
		}
	}
}

// equal is require.Equal, for very many numbers.
func equal(t *testing.T, want, got uint64, what ...any) {
	t.Helper()
	if want != got {
		require.Equal(t, want, got, what...)
	}
}

// All halves, and the sums of some: conversions and arithmetic of f16 and bf16.
func TestHalves(t *testing.T) {
	for name, f := range map[string]ieee.Format{"f16": ieee.Half, "bf16": ieee.BFloat} {
		h, f32, f64 := formats[name], formats["f32"], formats["f64"]
		d := draw(5)
		for v := range uint64(1 << 16) {
			wide := math.Float64bits(f.To(v))
			switch {
			case h.isNaN(v):
				require.True(t, f64.isNaN(wide))
				continue
			case h.isInf(v):
				equal(t, f64.inf(h.neg(v)), wide)
			default:
				equal(t, f64.round(h.value(v), 'n', h.neg(v)), wide, "%x", v)
			}
			equal(t, v, f.From(f.To(v), ieee.RN), "%x", v)
			if v%16 == 0 && !h.isInf(v) { // a value between this one and the next
				x := f32.round(h.value(v), 'n', h.neg(v)) + d.next()%(1<<(f32.mant-h.mant+1))
				for _, m := range ieeeModes {
					if !f32.isNaN(x) && !f32.isInf(x) {
						equal(t, h.round(f32.value(x), m.name, f32.neg(x)), f.From(float64(math.Float32frombits(uint32(x))), m.mode), "%x, mode %c", x, m.name)
					}
				}
			}
		}
		n := 2000
		if testkit.Long() {
			n = 20000
		}
		for range n {
			v := numbers(h, 3, &d)
			to := func(v uint64) float64 { return f.To(v) }
			for _, r := range [][2]uint64{
				{h.add(v[0], v[1], 'n'), ieee.AddSmall(f, to(v[0]), to(v[1]), ieee.RN)},
				{h.mul(v[0], v[1], 'n'), f.From(to(v[0])*to(v[1]), ieee.RN)},
				{h.fma(v[0], v[1], v[2], 'n'), ieee.FMASmall(f, to(v[0]), to(v[1]), to(v[2]), ieee.RN)},
			} {
				require.Truef(t, r[0] == r[1] || h.isNaN(r[0]) && h.isNaN(r[1]), "%s of %x: got %x, want %x", name, v, r[1], r[0])
			}
		}
	}
}
