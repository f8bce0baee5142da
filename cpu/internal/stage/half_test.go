package stage

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// Conversions must be those of package smoothl1: all 16-bit numbers, and float32 numbers around each of them and halfway to the next.
func TestConversions(t *testing.T) {
	var halves []uint16
	for i := range 1 << 16 {
		halves = append(halves, uint16(i))
	}
	wide := make([]float32, len(halves))
	narrowed := make([]uint16, 0)
	for _, f := range []struct {
		name   string
		widen  func([]float32, []uint16)
		narrow func([]uint16, []float32, bool)
		one    func(uint16) float32
		round  func(float64) uint16
	}{
		{"float16", WidenF16, NarrowF16, func(x uint16) float32 { return smoothl1.F16(x).Float32() }, func(x float64) uint16 { return uint16(smoothl1.ToF16(x)) }},
		{"bfloat16", WidenBF16, NarrowBF16, func(x uint16) float32 { return smoothl1.BF16(x).Float32() }, func(x float64) uint16 { return uint16(smoothl1.ToBF16(x)) }},
	} {
		var numbers []float32
		for _, h := range halves {
			x := f.one(h)
			middle := float32((float64(x) + float64(f.one(h+1))) / 2)
			numbers = append(numbers, x, math.Nextafter32(x, 0), middle, math.Nextafter32(middle, 0), math.Nextafter32(middle, middle*2))
		}
		r := rand.New(rand.NewPCG(1, 1))
		for range 1 << 17 {
			numbers = append(numbers, math.Float32frombits(r.Uint32()))
		}
		narrowed = append(narrowed[:0], make([]uint16, len(numbers))...)
		for _, set := range isa.Available() {
			restore := isa.Use(set)
			f.widen(wide, halves)
			f.narrow(narrowed, numbers, false)
			restore()
			for i, h := range halves {
				require.True(t, same(f.one(h), wide[i]), "%s, %v: %x is %v, want %v", f.name, set, h, wide[i], f.one(h))
			}
			for i, x := range numbers {
				want := f.round(float64(x))
				if x != x {
					require.True(t, math.IsNaN(float64(f.one(narrowed[i]))), "%s, %v: NaN is %x", f.name, set, narrowed[i])
				} else if narrowed[i] != want {
					require.Failf(t, "narrowed", "%s, %v: %x is %x, want %x", f.name, set, math.Float32bits(x), narrowed[i], want)
				}
			}
		}
	}
}
