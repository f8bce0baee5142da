package kernels_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// A half is a format of 16 bits, described by the magnitudes of its numbers: the number with the bit pattern i is values[i].
type half struct {
	dtype  smoothl1.DType
	values []float64
}

// halfOf returns the format with the given number of bits of exponent and fraction.
func halfOf(t smoothl1.DType, exponent, fraction int) half {
	h := half{dtype: t}
	bias := 1<<(exponent-1) - 1
	for e := range 1<<exponent - 1 {
		for f := range 1 << fraction {
			significand, power := 1<<fraction+f, e
			if e == 0 {
				significand, power = f, 1
			}
			h.values = append(h.values, math.Ldexp(float64(significand), power-bias-fraction))
		}
	}
	return h
}

var halves = []half{halfOf(smoothl1.Float16, 5, 10), halfOf(smoothl1.BFloat16, 8, 7)}

func (h half) widen(x uint16) float64 {
	y := math.NaN()
	switch m := int(x & 0x7fff); {
	case m < len(h.values):
		y = h.values[m]
	case m == len(h.values):
		y = math.Inf(1)
	}
	if x>>15 != 0 {
		return -y
	}
	return y
}

// narrow finds the nearest number by a search. Half a unit beyond the largest number the nearest is infinity.
func (h half) narrow(x float64) uint16 {
	sign := uint16(math.Float64bits(x) >> 63 << 15)
	a, n := math.Abs(x), len(h.values)
	if a != a {
		return 0x7fff
	}
	i := sort.SearchFloat64s(h.values, a) // values[i-1] < a <= values[i]
	if i == 0 || i < n && h.values[i] == a || math.IsInf(a, 1) {
		return sign | uint16(i)
	}
	above := 2*h.values[n-1] - h.values[n-2]
	if i < n {
		above = h.values[i]
	}
	below := h.values[i-1]
	if d, e := a-below, above-a; d < e || d == e && (i-1)%2 == 0 {
		i--
	}
	return sign | uint16(i)
}

// terms launches the kernel of the loss terms for the L1 loss multiplied by a power of two, outer.
func (h half) terms(t *testing.T, pred, target []uint16, outer float32) []uint16 {
	t.Helper()
	d := sim.New(sim.Seed(1))
	defer d.Close()
	text, err := kernels.PTX(h.dtype)
	require.NoError(t, err)
	m, err := d.Load(text)
	require.NoError(t, err)
	f, err := d.Function(m, kernels.Variant{DType: h.dtype}.Name())
	require.NoError(t, err)
	raw := make([]byte, 2*len(pred))
	array := func(x []uint16) uint64 {
		at, err := d.Alloc(uint64(len(raw)))
		require.NoError(t, err)
		for i, v := range x {
			binary.LittleEndian.PutUint16(raw[2*i:], v)
		}
		require.NoError(t, d.CopyIn(at, raw, 0))
		return uint64(at)
	}
	p := op.Params{N: uint64(len(pred)), Inverse: op.NumberOf(float32(1)), Outer: op.NumberOf(outer), Pred: array(pred), Target: array(target)}
	p.Terms = array(pred)
	require.NoError(t, d.Launch(f, sim.Linear(4, 256), 0, p.Words()))
	require.NoError(t, d.CopyOut(raw, sim.Ptr(p.Terms), 0))
	got := make([]uint16, len(pred))
	for i := range got {
		got[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return got
}

// check compares terms with outer·|pred − target|, computed in float32.
func (h half) check(t *testing.T, pred, target []uint16, outer float32) {
	t.Helper()
	got := h.terms(t, pred, target, outer)
	for i, p := range pred {
		x, y := h.widen(p), h.widen(target[i])
		want := h.narrow(float64(outer * float32(math.Abs(float64(float32(x)-float32(y))))))
		if g := got[i]; g != want && !(h.widen(g) != h.widen(g) && h.widen(want) != h.widen(want)) {
			require.Failf(t, "differs", "%v: %v·|%v (%04x) − %v (%04x)|: got %04x, want %04x", h.dtype, outer, x, p, y, target[i], g, want)
		}
	}
}

// TestHalves holds the kernels' conversions of all patterns of 16 bits to a table, and those to 16 bits for sums of two numbers, which
// include ties, for numbers between subnormal ones, and near the largest one.
func TestHalves(t *testing.T) {
	for _, h := range halves {
		zeros, all := make([]uint16, 1<<16), make([]uint16, 1<<16)
		for i := range all {
			all[i] = uint16(i)
		}
		for _, outer := range []float32{1, 0x1p-3, 0x1p-12, 0.75, 1.25, 3} {
			h.check(t, all, zeros, outer)
		}
		r := rand.New(rand.NewPCG(1, 2))
		pred, target := make([]uint16, 1<<16+5), make([]uint16, 1<<16+5)
		for i := range pred {
			pred[i] = uint16(r.Uint32())
			target[i] = pred[i] + uint16(r.IntN(1<<14)) - 1<<13 // mostly a magnitude close by
		}
		h.check(t, pred, target, 1)
	}
}

// TestTableOfHalves checks the table itself at some numbers.
func TestTableOfHalves(t *testing.T) {
	f16, bf16 := halves[0], halves[1]
	for x, want := range map[float64]uint16{1: 0x3c00, -2: 0xc000, 65504: 0x7bff, 65519: 0x7bff, 65520: 0x7c00, 0x1p-24: 1, 0x1p-25: 0, 0x1.8p-24: 2, 1 + 0x1p-11: 0x3c00, 1 + 3*0x1p-11: 0x3c02} {
		assert.Equal(t, want, f16.narrow(x), x)
	}
	for x, want := range map[float64]uint16{1: 0x3f80, -2: 0xc000, 0x1.fep127: 0x7f7f, 0x1.ffp127: 0x7f80, 0x1p-133: 1, 0x1p-134: 0, 1 + 0x1p-8: 0x3f80, 1 + 3*0x1p-8: 0x3f82} {
		assert.Equal(t, want, bf16.narrow(x), x)
	}
}
