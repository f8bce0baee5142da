package vectors

import "math/big"

// format is a binary floating-point format.
type format struct {
	bits, mant int
	bias       int
}

var formats = map[string]format{
	"f16": {16, 10, 15}, "bf16": {16, 7, 127}, "f32": {32, 23, 127}, "f64": {64, 52, 1023},
	"tf32": {32, 23, 127}, // kept as an f32
}

func (f format) expMax() uint64       { return 1<<(f.bits-1-f.mant) - 1 }
func (f format) exp(v uint64) uint64  { return v >> f.mant & f.expMax() }
func (f format) frac(v uint64) uint64 { return v & (1<<f.mant - 1) }
func (f format) neg(v uint64) bool    { return v>>(f.bits-1)&1 == 1 }
func (f format) isNaN(v uint64) bool  { return f.exp(v) == f.expMax() && f.frac(v) != 0 }
func (f format) isInf(v uint64) bool  { return f.exp(v) == f.expMax() && f.frac(v) == 0 }
func (f format) isZero(v uint64) bool { return f.exp(v) == 0 && f.frac(v) == 0 }
func (f format) isSub(v uint64) bool  { return f.exp(v) == 0 && f.frac(v) != 0 }
func (f format) nan() uint64          { return 1<<(f.bits-1) - 1 }

func (f format) inf(neg bool) uint64 { return f.signed(neg, f.expMax()<<f.mant) }

func (f format) signed(neg bool, magnitude uint64) uint64 {
	if neg {
		magnitude |= 1 << (f.bits - 1)
	}
	return magnitude
}

// value returns the exact value of a finite number.
func (f format) value(v uint64) *big.Rat {
	m, e := f.frac(v), int(f.exp(v))
	if e > 0 {
		m |= 1 << f.mant
	} else {
		e = 1
	}
	r := scale(new(big.Rat).SetInt(new(big.Int).SetUint64(m)), e-f.bias-f.mant)
	if f.neg(v) {
		r.Neg(r)
	}
	return r
}

// scale multiplies by 2^e.
func scale(r *big.Rat, e int) *big.Rat {
	p := new(big.Int).Lsh(big.NewInt(1), uint(max(e, -e)))
	if e < 0 {
		return r.Mul(r, new(big.Rat).SetFrac(big.NewInt(1), p))
	}
	return r.Mul(r, new(big.Rat).SetInt(p))
}

// log2 returns e such that 2^e <= r < 2^(e+1), for r > 0.
func log2(r *big.Rat) int {
	e := r.Num().BitLen() - r.Denom().BitLen()
	if scale(new(big.Rat).Set(r), -e).Cmp(big.NewRat(1, 1)) < 0 {
		e--
	}
	return e
}

// integral rounds to an integer. Modes: n to nearest even, z to zero, m down, p up, a to nearest with ties away from zero.
func integral(r *big.Rat, mode byte) *big.Int {
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclid: rounds down for a positive denominator
	rest := new(big.Rat).Sub(r, new(big.Rat).SetInt(floor))
	up := new(big.Int).Add(floor, big.NewInt(1))
	if rest.Sign() == 0 {
		return floor
	}
	switch mode {
	case 'm':
		return floor
	case 'p':
		return up
	case 'z':
		if r.Sign() < 0 {
			return up
		}
		return floor
	}
	switch half := rest.Cmp(big.NewRat(1, 2)); {
	case half < 0:
		return floor
	case half > 0:
		return up
	}
	if mode == 'a' {
		if r.Sign() < 0 {
			return floor
		}
		return up
	}
	if floor.Bit(0) == 0 {
		return floor
	}
	return up
}

// round rounds a number to the format. negZero is the sign of an exact zero.
func (f format) round(r *big.Rat, mode byte, negZero bool) uint64 {
	if r.Sign() == 0 {
		return f.signed(negZero, 0)
	}
	neg := r.Sign() < 0
	emin := 1 - f.bias
	e := max(log2(new(big.Rat).Abs(r)), emin)
	// In units of the last place.
	q := integral(scale(new(big.Rat).Set(r), f.mant-e), mode)
	q.Abs(q)
	if q.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(f.mant+1))) >= 0 { // carried into the next binade
		q.Rsh(q, 1)
		e++
	}
	if e > f.bias { // beyond the largest
		if mode == 'z' || mode == 'm' && !neg || mode == 'p' && neg {
			return f.signed(neg, f.expMax()<<f.mant-1)
		}
		return f.inf(neg)
	}
	m := q.Uint64()
	if m>>f.mant == 0 {
		return f.signed(neg, m) // subnormal, or zero
	}
	return f.signed(neg, uint64(e+f.bias)<<f.mant|f.frac(m))
}

func (f format) flush(v uint64) uint64 {
	if f.isSub(v) {
		return f.signed(f.neg(v), 0)
	}
	return v
}

// saturate clamps to 0 … 1; NaN becomes 0.
func (f format) saturate(v uint64) uint64 {
	one := uint64(f.bias) << f.mant
	switch {
	case f.isNaN(v), f.neg(v):
		return 0
	case v > one:
		return one
	}
	return v
}

func (f format) add(a, b uint64, mode byte) uint64 {
	switch {
	case f.isNaN(a), f.isNaN(b), f.isInf(a) && f.isInf(b) && f.neg(a) != f.neg(b):
		return f.nan()
	case f.isInf(a):
		return a
	case f.isInf(b):
		return b
	}
	s := new(big.Rat).Add(f.value(a), f.value(b))
	negZero := mode == 'm'
	if f.neg(a) == f.neg(b) {
		negZero = f.neg(a)
	}
	return f.round(s, mode, negZero)
}

func (f format) negate(a uint64) uint64 { return a ^ 1<<(f.bits-1) }

func (f format) mul(a, b uint64, mode byte) uint64 {
	neg := f.neg(a) != f.neg(b)
	switch {
	case f.isNaN(a), f.isNaN(b), f.isInf(a) && f.isZero(b), f.isZero(a) && f.isInf(b):
		return f.nan()
	case f.isInf(a), f.isInf(b):
		return f.inf(neg)
	}
	return f.round(new(big.Rat).Mul(f.value(a), f.value(b)), mode, neg)
}

func (f format) div(a, b uint64, mode byte) uint64 {
	neg := f.neg(a) != f.neg(b)
	switch {
	case f.isNaN(a), f.isNaN(b), f.isInf(a) && f.isInf(b), f.isZero(a) && f.isZero(b):
		return f.nan()
	case f.isInf(a), f.isZero(b):
		return f.inf(neg)
	case f.isInf(b):
		return f.signed(neg, 0)
	}
	return f.round(new(big.Rat).Quo(f.value(a), f.value(b)), mode, neg)
}

func (f format) fma(a, b, c uint64, mode byte) uint64 {
	neg := f.neg(a) != f.neg(b)
	infinite := f.isInf(a) || f.isInf(b)
	switch {
	case f.isNaN(a), f.isNaN(b), f.isNaN(c), f.isInf(a) && f.isZero(b), f.isZero(a) && f.isInf(b), infinite && f.isInf(c) && f.neg(c) != neg:
		return f.nan()
	case infinite:
		return f.inf(neg)
	case f.isInf(c):
		return c
	}
	p := new(big.Rat).Mul(f.value(a), f.value(b))
	negZero := mode == 'm'
	if neg == f.neg(c) {
		negZero = neg
	}
	return f.round(p.Add(p, f.value(c)), mode, negZero)
}

func (f format) sqrt(a uint64, mode byte) uint64 {
	switch {
	case f.isZero(a):
		return a
	case f.isNaN(a), f.neg(a):
		return f.nan()
	case f.isInf(a):
		return a
	}
	// Compute the root with many more bits than needed; a remainder only means that it is inexact.
	const extra = 1400
	x := scale(f.value(a), 2*extra)
	n := new(big.Int).Div(x.Num(), x.Denom())
	root := new(big.Int).Sqrt(n)
	r := new(big.Rat).SetInt(root)
	if new(big.Rat).SetInt(new(big.Int).Mul(root, root)).Cmp(x) != 0 {
		r.Add(r, big.NewRat(1, 2))
	}
	return f.round(scale(r, -extra), mode, false)
}
