package smoothl1_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// half is a format of 16 bits, as tested.
type half struct {
	name    string
	widen   func(bits uint16) float64
	narrow  func(float64) uint16
	bits    int     // of the fraction
	largest float64 // finite number
}

var halves = []half{
	{"float16", func(b uint16) float64 { return float64(smoothl1.F16(b).Float32()) }, func(x float64) uint16 { return uint16(smoothl1.ToF16(x)) }, 10, 65504},
	{"bfloat16", func(b uint16) float64 { return float64(smoothl1.BF16(b).Float32()) }, func(x float64) uint16 { return uint16(smoothl1.ToBF16(x)) }, 7, 0x1.fep127},
}

// TestHalvesWiden compares every number with the definition of its format.
func TestHalvesWiden(t *testing.T) {
	for _, h := range halves {
		exponents := 1 << (15 - h.bits)
		bias := exponents/2 - 1
		for b := range 1 << 16 {
			e, fraction := b>>h.bits&(exponents-1), float64(b&(1<<h.bits-1))
			want := math.Ldexp(fraction, 1-bias-h.bits)
			switch {
			case e == exponents-1 && fraction == 0:
				want = math.Inf(1)
			case e == exponents-1:
				want = math.NaN()
			case e > 0:
				want = math.Ldexp(fraction+float64(int(1)<<h.bits), e-bias-h.bits)
			}
			if b >= 1<<15 {
				want = -want
			}
			got := h.widen(uint16(b))
			if want != want {
				require.True(t, got != got, "%s %04x", h.name, b)
				require.True(t, math.IsNaN(h.widen(h.narrow(got))), "%s %04x", h.name, b)
				continue
			}
			require.Equal(t, math.Float64bits(want), math.Float64bits(got), "%s %04x", h.name, b)
			require.Equal(t, uint16(b), h.narrow(got), "%s %04x: there and back", h.name, b)
		}
	}
}

// TestHalvesNarrow tests the middle between every two neighbours, which goes to the even one, and the float64s beside it.
func TestHalvesNarrow(t *testing.T) {
	for _, h := range halves {
		for b := range uint16(1<<15 - 1) {
			low, high := h.widen(b), h.widen(b+1)
			if math.IsInf(low, 0) || low != low {
				break
			}
			middle := low + (high-low)/2
			if math.IsInf(high, 0) { // the range ends where the next number would round up to
				middle = h.largest + (h.largest-h.widen(b-1))/2
			}
			even := b + b&1
			for _, sign := range []uint16{0, 1 << 15} {
				x := math.Copysign(middle, 1-float64(sign>>14))
				require.Equal(t, even|sign, h.narrow(x), "%s: %v", h.name, x)
				require.Equal(t, b|sign, h.narrow(math.Nextafter(x, 0)), "%s: below %v", h.name, x)
				require.Equal(t, (b+1)|sign, h.narrow(math.Nextafter(x, math.Inf(1-int(sign>>14)))), "%s: above %v", h.name, x)
			}
		}
		assert.Equal(t, uint16(0), h.narrow(math.SmallestNonzeroFloat64), h.name)
		assert.Equal(t, uint16(1<<15), h.narrow(math.Copysign(0, -1)), h.name)
		assert.True(t, math.IsInf(h.widen(h.narrow(-math.MaxFloat64)), -1), h.name)
	}
}

func TestConvert(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	from := make([]float64, 100)
	for i := range from {
		from[i] = r.NormFloat64()
	}
	to32, to16, tob := make([]float32, 100), make([]smoothl1.F16, 100), make([]smoothl1.BF16, 100)
	require.NoError(t, smoothl1.Convert(to32, from))
	require.NoError(t, smoothl1.Convert(to16, from))
	require.NoError(t, smoothl1.Convert(tob, to32))
	back, back16, same := make([]float64, 100), make([]float64, 100), make([]smoothl1.F16, 100)
	require.NoError(t, smoothl1.Convert(back, tob))
	require.NoError(t, smoothl1.Convert(back16, to16))
	require.NoError(t, smoothl1.Convert(same, to16))
	assert.Equal(t, to16, same)
	for i, x := range from {
		assert.Equal(t, float32(x), to32[i])
		assert.Equal(t, smoothl1.ToF16(x), to16[i])
		assert.Equal(t, float64(to16[i].Float32()), back16[i])
		assert.Equal(t, float64(smoothl1.ToBF16(float64(float32(x))).Float32()), back[i])
	}
	err := smoothl1.Convert(to32, from[1:])
	assert.ErrorIs(t, err, smoothl1.ErrLength)
	assert.EqualError(t, err, "smoothl1: Convert: len(to) = 100: length does not fit: from has 99")
}

func TestCasts(t *testing.T) {
	type other uint16
	x := []other{0x3c00, 0x4248}
	assert.Equal(t, "[1 3.140625]", fmt.Sprint(smoothl1.F16s(x)))
	x[0] = 0x4049
	assert.Equal(t, "[3.140625 50]", fmt.Sprint(smoothl1.BF16s(x)))
	smoothl1.BF16s(x)[1] = 0
	assert.Zero(t, x[1], "the memory is shared")
	assert.Equal(t, []uint8{1, 0}, smoothl1.Bytes([]bool{true, false}))
	assert.Nil(t, smoothl1.F16s[uint16](nil))
	assert.NotNil(t, smoothl1.F16s([]uint16{}))
}
