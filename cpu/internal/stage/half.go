package stage

import "math"

// WidenF16 converts binary16 numbers, exactly.
func WidenF16(dst []float32, x []uint16) {
	x = x[:len(dst)]
	for i := widenF16Vectors(pointer(dst), pointer(x), len(dst)); i < len(dst); i++ {
		dst[i] = widenF16(x[i])
	}
}

// WidenBF16 converts bfloat16 numbers, exactly.
func WidenBF16(dst []float32, x []uint16) {
	x = x[:len(dst)]
	for i := widenBF16Vectors(pointer(dst), pointer(x), len(dst)); i < len(dst); i++ {
		dst[i] = math.Float32frombits(uint32(x[i]) << 16)
	}
}

// NarrowF16 rounds x to binary16 numbers, to nearest even.
func NarrowF16(dst []uint16, x []float32, streaming bool) {
	x = x[:len(dst)]
	for i := narrowF16Vectors(pointer(dst), pointer(x), len(dst), streaming); i < len(dst); i++ {
		dst[i] = narrowF16(x[i])
	}
}

// NarrowBF16 rounds x to bfloat16 numbers, to nearest even.
func NarrowBF16(dst []uint16, x []float32, streaming bool) {
	x = x[:len(dst)]
	for i := narrowBF16Vectors(pointer(dst), pointer(x), len(dst), streaming); i < len(dst); i++ {
		dst[i] = narrowBF16(x[i])
	}
}

// widenF16 moves the exponent and fraction to their places in a float32, and corrects the exponent by a multiplication, which is exact
// for subnormal numbers too.
func widenF16(x uint16) float32 {
	magnitude := uint32(x&0x7fff) << 13
	y := math.Float32bits(math.Float32frombits(magnitude) * 0x1p112)
	if magnitude >= 0x7c00<<13 { // Inf and NaN
		y = magnitude | 0x7f800000
	}
	return math.Float32frombits(y | uint32(x&0x8000)<<16)
}

func narrowF16(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00
	case b >= 0x47800000: // 2^16 and more
		return sign | 0x7c00
	case b < 0x38800000: // less than the smallest normal number, 2^-14
		// The unit of 0.5 in float32 is that of the subnormal numbers, so that the addition rounds to it.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	// Half a unit carries into the exponent, up to infinity; a tie goes to the even number.
	return sign | uint16((b-112<<23+0xfff+b>>13&1)>>13)
}

func narrowBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
