package ieee

import "math"

// Flush32 replaces a subnormal by a zero of its sign (.ftz).
func Flush32(x float32) float32 {
	if b := math.Float32bits(x); b&0x7f800000 == 0 {
		return math.Float32frombits(b & 0x80000000)
	}
	return x
}

// Sat32 clamps to 0 … 1; NaN and −0 become +0 (.sat).
func Sat32(x float32) float32 {
	switch {
	case !(x > 0):
		return 0
	case x > 1:
		return 1
	}
	return x
}

// Sat64 clamps to 0 … 1; NaN and −0 become +0.
func Sat64(x float64) float64 {
	switch {
	case !(x > 0):
		return 0
	case x > 1:
		return 1
	}
	return x
}

// The minimum and maximum of PTX. If one operand is NaN, the result is the other one, or with nan set NaN; −0 is less than +0.

func Min64(a, b float64, nan bool) float64 {
	switch {
	case a != a || b != b:
		if nan || a != a && b != b {
			return math.NaN()
		}
		if a != a {
			return b
		}
		return a
	case a == b:
		return math.Float64frombits(math.Float64bits(a) | math.Float64bits(b)&(1<<63)) // equal operands differ only in the sign of zero
	case a < b:
		return a
	}
	return b
}

func Max64(a, b float64, nan bool) float64 {
	switch {
	case a != a || b != b:
		if nan || a != a && b != b {
			return math.NaN()
		}
		if a != a {
			return b
		}
		return a
	case a == b:
		return math.Float64frombits(math.Float64bits(a) & (math.Float64bits(b) | (1<<63 - 1)))
	case a > b:
		return a
	}
	return b
}

// Integral rounds to an integer, returned as a float64 with the sign of x.
func Integral(x float64, mode Mode) float64 {
	switch mode {
	case RZ:
		return math.Trunc(x)
	case RM:
		return math.Floor(x)
	case RP:
		return math.Ceil(x)
	}
	return math.RoundToEven(x)
}

// ToInt rounds to an integer of up to 64 bits, clamped to its range. single means that x is not of type f64. If neither x
// nor the integer has 64 bits, NaN becomes 0; otherwise it becomes the integer with only the top bit set.
func ToInt(x float64, mode Mode, width uint, signed, single bool) uint64 {
	if x != x {
		if single && width < 64 {
			return 0
		}
		return 1 << (width - 1)
	}
	x = Integral(x, mode)
	if signed {
		limit := math.Ldexp(1, int(width)-1)
		switch {
		case x >= limit:
			return 1<<(width-1) - 1
		case x < -limit:
			return ^uint64(0) << (width - 1)
		}
		return uint64(int64(x))
	}
	switch {
	case x <= 0:
		return 0
	case x >= math.Ldexp(1, int(width)):
		return ^uint64(0) >> (64 - width)
	case x >= 1<<63:
		return uint64(int64(x-(1<<63))) | 1<<63 // in Go, converting a value out of the range of int64 is implementation-dependent
	}
	return uint64(int64(x))
}

// FromInt rounds an integer to a format.
func (f Format) FromInt(v uint64, signed bool, mode Mode) uint64 {
	if signed && int64(v) < 0 {
		return f.Pack(true, -v, 0, false, mode)
	}
	return f.Pack(false, v, 0, false, mode)
}
