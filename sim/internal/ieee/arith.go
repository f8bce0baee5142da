package ieee

import (
	"math"
	"math/big"
)

// sum returns a + b rounded to odd, which may be infinite or NaN. An exact zero has the sign that IEEE 754 prescribes for the mode.
func sum(a, b float64, mode Mode) float64 {
	s := a + b
	if s == 0 {
		return zero(s, a, b, mode)
	}
	if s-s != 0 {
		return s
	}
	// The exact rounding error of the sum, by Knuth's TwoSum.
	bb := s - a
	e := (a - (s - bb)) + (b - bb)
	return odd(s, sign(e))
}

// zero gives an exact zero sum its sign: that of both operands if they agree, or else minus only when rounding downwards.
func zero(s, a, b float64, mode Mode) float64 {
	if mode == RM && math.Signbit(a) != math.Signbit(b) {
		return math.Copysign(0, -1)
	}
	return s
}

func Add32(a, b float32, mode Mode) float32 {
	return Narrow(sum(float64(a), float64(b), mode), mode)
}

func Mul32(a, b float32, mode Mode) float32 {
	return Narrow(float64(float64(a)*float64(b)), mode) // 48 bits: the product is exact
}

// FMA32 returns a·b + c, rounded once.
func FMA32(a, b, c float32, mode Mode) float32 {
	p := float64(float64(a) * float64(b)) // exact
	if mode == RN {
		// Double rounding is wrong only if the first rounding gives, or may have given, the midpoint between two float32.
		s := p + float64(c)
		u := math.Float64bits(s)
		if e := u >> 52 & 0x7ff; u&(1<<29-1) != 1<<28 && e > 1023-126 {
			return float32(s)
		}
	}
	return Narrow(sum(p, float64(c), mode), mode)
}

func Div32(a, b float32, mode Mode) float32 {
	if mode == RN {
		return a / b
	}
	x, y := float64(a), float64(b)
	q := x / y
	if q-q != 0 || q == 0 {
		return float32(q)
	}
	return Narrow(odd(q, sign(math.FMA(-q, y, x))*sign(y)), mode)
}

func Sqrt32(a float32, mode Mode) float32 {
	x := float64(a)
	s := math.Sqrt(x)
	if mode == RN || s-s != 0 || s == 0 {
		return float32(s) // double rounding is harmless: 53 bits suffice
	}
	return Narrow(odd(s, sign(math.FMA(-s, s, x))), mode)
}

// The directed roundings of float64 correct the result rounded to nearest by the sign of its error, computed exactly
// with big floats: they are rare, and need not be fast.

func exact(x float64) *big.Float { return new(big.Float).SetPrec(53).SetFloat64(x) }

// wide is enough for the sum of any float64 and any product of two.
const wide = 4400

func finite(xs ...float64) bool {
	for _, x := range xs {
		if x-x != 0 {
			return false
		}
	}
	return true
}

// against returns the sign of e − r; r may be infinite.
func against(e *big.Float, r float64) int {
	if math.IsInf(r, 0) {
		return -sign(r)
	}
	return e.Cmp(exact(r))
}

func Add64(a, b float64, mode Mode) float64 {
	r := a + b
	if mode == RN || !finite(a, b) {
		return r
	}
	if r == 0 {
		return zero(r, a, b, mode)
	}
	return direct64(r, against(new(big.Float).SetPrec(wide).Add(exact(a), exact(b)), r), mode)
}

func Mul64(a, b float64, mode Mode) float64 {
	r := float64(a * b)
	if mode == RN || !finite(a, b) || a == 0 || b == 0 {
		return r
	}
	return direct64(r, against(new(big.Float).SetPrec(wide).Mul(exact(a), exact(b)), r), mode)
}

func FMA64(a, b, c float64, mode Mode) float64 {
	r := math.FMA(a, b, c)
	if mode == RN || !finite(a, b, c) {
		return r
	}
	p := new(big.Float).SetPrec(wide).Mul(exact(a), exact(b))
	s := new(big.Float).SetPrec(wide).Add(p, exact(c))
	if s.Sign() == 0 {
		product := math.Copysign(1, a) * math.Copysign(1, b)
		return zero(r, product, c, mode)
	}
	return direct64(r, against(s, r), mode)
}

func Div64(a, b float64, mode Mode) float64 {
	r := a / b
	if mode == RN || !finite(a, b) || a == 0 || b == 0 {
		return r
	}
	if math.IsInf(r, 0) {
		return direct64(r, -sign(r), mode)
	}
	// The sign of a/b − r is that of a − r·b, negated if b is negative.
	rb := new(big.Float).SetPrec(wide).Mul(exact(r), exact(b))
	return direct64(r, exact(a).Cmp(rb)*sign(b), mode)
}

func Sqrt64(a float64, mode Mode) float64 {
	r := math.Sqrt(a)
	if mode == RN || !finite(r) || r == 0 {
		return r
	}
	rr := new(big.Float).SetPrec(wide).Mul(exact(r), exact(r))
	return direct64(r, exact(a).Cmp(rr), mode)
}

// FMASmall returns a·b + c, rounded once, for values of a format of at most 24 bits of significand.
func FMASmall(f Format, a, b, c float64, mode Mode) uint64 {
	return f.From(sum(float64(a*b), c, mode), mode)
}

// AddSmall returns a + b for such formats.
func AddSmall(f Format, a, b float64, mode Mode) uint64 { return f.From(sum(a, b, mode), mode) }
