package difftest

import (
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"
	"math"

	"github.com/smoothl1/smoothl1"
)

// A format describes the numbers of an element type.
type format struct {
	digits                            int // of the significand, including the implicit one
	smallest, smallestNormal, largest float64
	sentinel                          uint64 // the bits of a NaN with a payload that no operation produces
	// Numbers at the ends of the range: power is a power of two whose inverse is subnormal; large, small and steep are betas whose squares
	// overflow, underflow and overflow; edge is an upstream gradient whose products with steep overflow.
	power, large, small, steep, edge float64
}

var formats = [...]format{
	smoothl1.Float32: {24, math.SmallestNonzeroFloat32, 0x1p-126, math.MaxFloat32, 0x7fc5a5a5, 0x1p127, 1e30, 1e-30, 0x1p70, 0x1p60},
	smoothl1.Float64: {53, math.SmallestNonzeroFloat64, 0x1p-1022, math.MaxFloat64, 0x7ff8a5a5a5a5a5a5, 0x1p1023, 1e300, 1e-300, 0x1p600, 0x1p500},
}

// Types are the element types of the cases.
var Types = []smoothl1.DType{smoothl1.Float32, smoothl1.Float64}

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

func smallest[T op.Computing]() T { return T(formatOf(smoothl1.DTypeOf[T]()).smallest) }

func largest[T op.Computing]() T { return T(formatOf(smoothl1.DTypeOf[T]()).largest) }

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

// fromBits is the inverse of bitsOf.
func fromBits[T smoothl1.Float](bits uint64) (x T) {
	switch x := any(&x).(type) {
	case *float32:
		*x = math.Float32frombits(uint32(bits))
	case *float64:
		*x = math.Float64frombits(bits)
	case *smoothl1.F16:
		*x = smoothl1.F16(bits)
	case *smoothl1.BF16:
		*x = smoothl1.BF16(bits)
	default:
		panic(fmt.Sprintf("difftest: no bits of %T", x))
	}
	return x
}

// next returns the neighbour of x towards an infinity.
func next[T op.Computing](x T, infinity float64) T {
	switch x := any(x).(type) {
	case float32:
		return T(math.Nextafter32(x, float32(infinity)))
	case float64:
		return T(math.Nextafter(x, infinity))
	}
	panic(fmt.Sprintf("difftest: no neighbours of %T", x))
}
