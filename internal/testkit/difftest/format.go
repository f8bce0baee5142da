package difftest

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
)

// A format describes the numbers of an element type.
type format struct {
	digits                            int // of the significand, including the implicit one
	smallest, smallestNormal, largest float64
	round                             func(float64) float64             // to the nearest number of the type
	next                              func(x, infinity float64) float64 // the neighbour of a number of the type towards an infinity
	// Numbers at the ends of the range: power is a power of two whose inverse is subnormal; large, small and steep are betas whose squares
	// overflow, underflow and overflow; edge is an upstream gradient whose products with steep overflow. Those of float16, whose products
	// are computed in float32, overflow when they are stored.
	power, large, small, steep, edge float64
	// A beta with an inverse that is not exact, which is a difference of two numbers of the type, and an upstream gradient whose product
	// with it overflows, or, since in float16 none does, whose product divided by the beta is another number of the type.
	odd, oddEdge float64
	// In float16, a divisor of a mean and an upstream gradient that the type has, with which that is so too.
	oddCount  int
	oddFactor float64
}

var formats = [...]format{
	smoothl1.Float32: {
		24, math.SmallestNonzeroFloat32, 0x1p-126, math.MaxFloat32,
		func(x float64) float64 { return float64(float32(x)) },
		func(x, infinity float64) float64 { return float64(math.Nextafter32(float32(x), float32(infinity))) },
		0x1p127, 1e30, 1e-30, 0x1p70, 0x1p60,
		0x1.4p70, 0x1p60, 0, 0,
	},
	smoothl1.Float64: {
		53, math.SmallestNonzeroFloat64, 0x1p-1022, math.MaxFloat64,
		func(x float64) float64 { return x }, math.Nextafter,
		0x1p1023, 1e300, 1e-300, 0x1p600, 0x1p500,
		0x1.4p600, 0x1p500, 0, 0,
	},
	smoothl1.Float16: {
		11, 0x1p-24, 0x1p-14, 65504,
		func(x float64) float64 { return widen(smoothl1.ToF16(x)) },
		func(x, infinity float64) float64 {
			return widen(smoothl1.F16(step(uint16(smoothl1.ToF16(x)), infinity)))
		},
		0x1p127, 1e30, 1e-30, 0x1p14, 0x1p14,
		0x1.6a3ffep0, 0x1.69dffep0, 3955, 1697,
	},
	smoothl1.BFloat16: {
		8, 0x1p-133, 0x1p-126, 0x1.fep127,
		func(x float64) float64 { return widen(smoothl1.ToBF16(x)) },
		func(x, infinity float64) float64 {
			return widen(smoothl1.BF16(step(uint16(smoothl1.ToBF16(x)), infinity)))
		},
		0x1p127, 1e30, 1e-30, 0x1p70, 0x1p60,
		0x1.4p70, 0x1p60, 0, 0,
	},
}

// step returns the bits of the neighbour towards an infinity of a finite number of 16 bits.
func step(bits uint16, infinity float64) uint16 {
	const sign = 1 << 15
	down := uint16(0)
	if infinity < 0 {
		down = sign
	}
	switch {
	case bits&^sign == 0:
		return down | 1
	case bits&sign == down:
		return bits + 1
	default:
		return bits - 1
	}
}

// Types are the element types of the cases.
var Types = []smoothl1.DType{smoothl1.Float32, smoothl1.Float64, smoothl1.Float16, smoothl1.BFloat16}

// formatOf returns the format of an element type; every type of Types has one.
func formatOf(t smoothl1.DType) format {
	if int(t) >= len(formats) {
		panic(fmt.Sprintf("difftest: no format of %v", t))
	}
	return formats[t]
}

// errNoType returns the error of a case whose element type no column computes.
func errNoType(t smoothl1.DType) error {
	return smoothl1.NewArgError("difftest", "dtype", t, smoothl1.ErrDType)
}

// bitsOf returns the bit pattern of a number.
func bitsOf[T smoothl1.Float](x T) uint64 {
	switch x := any(x).(type) {
	case float32:
		return uint64(math.Float32bits(x))
	case float64:
		return math.Float64bits(x)
	case smoothl1.F16:
		return uint64(x)
	case smoothl1.BF16:
		return uint64(x)
	}
	panic(fmt.Sprintf("difftest: no bits of %T", x))
}
