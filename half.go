package smoothl1

import (
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// An F16 is a number in IEEE 754's binary16 format, held as its bit pattern: 11 significant bits, up to 65504.
type F16 uint16

// A BF16 is a number in the bfloat16 format, held as its bit pattern: a float32 without the low half of its bits.
type BF16 uint16

// ToF16 returns the F16 nearest to x, to even if there are two. A float32 is converted exactly to the float64 that it takes.
func ToF16(x float64) F16 { return F16(narrow(x, 5, 10)) }

// ToBF16 returns the BF16 nearest to x, to even if there are two.
func ToBF16(x float64) BF16 { return BF16(narrow(x, 8, 7)) }

// Float32 returns x, exactly.
func (x F16) Float32() float32 {
	const infinity, rebias = 0x7c00, 127 - 15
	sign, magnitude := uint32(x)>>15<<31, uint32(x)&0x7fff
	switch {
	case magnitude >= infinity:
		return math.Float32frombits(sign | 0x7f800000 | magnitude&0x3ff<<13)
	case magnitude >= 0x400:
		return math.Float32frombits(sign | (magnitude<<13 + rebias<<23))
	default: // subnormal: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(magnitude)*0x1p-24))
	}
}

// Float32 returns x, exactly.
func (x BF16) Float32() float32 { return math.Float32frombits(uint32(x) << 16) }

// String returns the number as %v formats it.
func (x F16) String() string { return strconv.FormatFloat(float64(x.Float32()), 'g', -1, 32) }

// String returns the number as %v formats it.
func (x BF16) String() string { return strconv.FormatFloat(float64(x.Float32()), 'g', -1, 32) }

// narrow rounds x to a format of 16 bits with the given numbers of bits of exponent and fraction.
func narrow(x float64, exponent, fraction int) uint16 {
	sign := uint16(math.Float64bits(x) >> 63 << 15)
	infinity := uint16(1<<exponent-1) << fraction
	a := math.Abs(x)
	if a != a {
		return sign | infinity | 1<<(fraction-1)
	}
	// Numbers of the format are multiples of unit. Adding 2^52 units to a float64, and subtracting them, rounds it to one.
	bias := 1<<(exponent-1) - 1
	smallest := 1 - bias // exponent of the smallest normal number
	e := max(int(math.Float64bits(a)>>52)-1023, smallest)
	if e > bias {
		return sign | infinity
	}
	unit := math.Float64frombits(uint64(e-fraction+1023) << 52)
	units := uint16(float64(a+unit*(1<<52)-unit*(1<<52)) / unit)
	// A carry out of the fraction increments the exponent, up to that of infinity.
	return sign | (uint16(e-smallest)<<fraction + units)
}

// F16s returns x as a slice of F16 that shares x's memory. The element type may be that of any package that holds bit patterns
// of binary16 numbers.
func F16s[E ~uint16](x []E) []F16 { return cast[F16](x) }

// BF16s returns x as a slice of BF16 that shares x's memory.
func BF16s[E ~uint16](x []E) []BF16 { return cast[BF16](x) }

// Bytes returns a mask of bools as the bytes 0 and 1, sharing x's memory.
func Bytes[E ~bool](x []E) []uint8 { return cast[uint8](x) }

// cast returns x as a slice of a type of the same size.
func cast[To, From any](x []From) []To {
	if x == nil {
		return nil
	}
	return unsafe.Slice((*To)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// Convert stores the numbers of from in to, each rounded once, to nearest even. If the lengths differ, it stores nothing, and the error
// wraps ErrLength.
func Convert[To, From Float](to []To, from []From) error {
	if len(to) != len(from) {
		return NewArgError("Convert", "len(to)", len(to), fmt.Errorf("%w: from has %d", ErrLength, len(from)))
	}
	switch from := any(from).(type) {
	case []float32:
		convert(to, from, func(x float32) float64 { return float64(x) })
	case []float64:
		convert(to, from, func(x float64) float64 { return x })
	case []F16:
		convert(to, from, func(x F16) float64 { return float64(x.Float32()) })
	case []BF16:
		convert(to, from, func(x BF16) float64 { return float64(x.Float32()) })
	}
	return nil
}

func convert[To, From Float](to []To, from []From, widen func(From) float64) {
	switch to := any(to).(type) {
	case []float32:
		for i, x := range from {
			to[i] = float32(widen(x))
		}
	case []float64:
		for i, x := range from {
			to[i] = widen(x)
		}
	case []F16:
		for i, x := range from {
			to[i] = ToF16(widen(x))
		}
	case []BF16:
		for i, x := range from {
			to[i] = ToBF16(widen(x))
		}
	}
}
