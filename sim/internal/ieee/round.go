// Package ieee provides arithmetic that Go's operators lack: IEEE 754 arithmetic in the four rounding directions, a fused multiply-add
// of float32 that is rounded once, halves, conversions among all widths, and PTX's minimum and maximum.
//
// The sign and payload of a NaN result are unspecified.
package ieee

import (
	"math"
	"math/bits"
)

// Mode is a rounding direction.
type Mode uint8

const (
	RN  Mode = iota // to nearest, ties to even
	RZ              // towards zero
	RM              // towards minus infinity
	RP              // towards plus infinity
	RNA             // to nearest, ties away from zero
)

// Format is a binary floating-point format of up to 64 bits.
type Format struct {
	Bits uint // of a value
	Mant uint // of the fraction
	Emin int  // exponent of the smallest normal number
	Emax int  // exponent of the largest
}

var (
	Half     = Format{16, 10, -14, 15}
	BFloat   = Format{16, 7, -126, 127}
	TFloat32 = Format{19, 10, -126, 127} // kept in the upper bits of a float32
	Single   = Format{32, 23, -126, 127}
	Double   = Format{64, 52, -1022, 1023}
)

func (f Format) inf() uint64  { return uint64(f.Emax-f.Emin+2) << f.Mant }
func (f Format) nan() uint64  { return f.inf() + (1<<f.Mant - 1) } // like GPUs, all ones
func (f Format) sign() uint64 { return 1 << (f.Bits - 1) }

// Pack rounds (-1)^negative · m · 2^e to a format. If sticky, the value to round is larger in magnitude by a nonzero amount less than
// one unit of m.
func (f Format) Pack(negative bool, m uint64, e int, sticky bool, mode Mode) uint64 {
	var s uint64
	if negative {
		s = f.sign()
	}
	if m == 0 && !sticky {
		return s
	}
	if m == 0 { // only something less than 2^e
		m, e = 1, e-1
	}
	lead := bits.LeadingZeros64(m)
	m, e = m<<lead, e-lead
	exp := e + 63 // of the leading bit
	drop := 63 - f.Mant
	var biased uint64
	if exp >= f.Emin {
		if exp > f.Emax {
			return s | f.overflow(negative, mode)
		}
		biased = uint64(exp - f.Emin) // the leading bit of the significand adds the 1
	} else {
		drop += uint(f.Emin - exp)
	}
	var kept, rest uint64 // rest: the dropped bits, from bit 63 down
	switch {
	case drop < 64:
		kept, rest = m>>drop, m<<(64-drop)
	case drop == 64:
		rest = m
	default:
		rest, sticky = 0, true
		if drop-64 < 64 {
			rest = m >> (drop - 64)
		}
	}
	v := biased<<f.Mant + kept
	if rest == 0 && !sticky {
		return s | v
	}
	up := false
	const half = 1 << 63
	switch mode {
	case RN:
		up = rest > half || rest == half && (sticky || v&1 == 1)
	case RNA:
		up = rest >= half
	case RM:
		up = negative
	case RP:
		up = !negative
	}
	if up {
		v++ // a carry into the exponent is right, up to infinity
	}
	return s | v
}

func (f Format) overflow(negative bool, mode Mode) uint64 {
	if mode == RZ || mode == RM && !negative || mode == RP && negative {
		return f.inf() - 1
	}
	return f.inf()
}

// From rounds a float64 to a format.
func (f Format) From(x float64, mode Mode) uint64 {
	b := math.Float64bits(x)
	negative := b>>63 == 1
	m, e := b&(1<<52-1), int(b>>52&0x7ff)
	switch {
	case e == 0x7ff && m != 0:
		return f.nan()
	case e == 0x7ff:
		if negative {
			return f.sign() | f.inf()
		}
		return f.inf()
	case e == 0:
		e = 1
	default:
		m |= 1 << 52
	}
	return f.Pack(negative, m, e-1075, false, mode)
}

// To widens a value of a format to float64, exactly.
func (f Format) To(v uint64) float64 {
	negative := v&f.sign() != 0
	m, e := v&(1<<f.Mant-1), int(v&(f.sign()-1)>>f.Mant)
	var x float64
	switch {
	case e == f.Emax-f.Emin+2 && m != 0:
		return math.NaN()
	case e == f.Emax-f.Emin+2:
		x = math.Inf(1)
	case e == 0:
		x = math.Ldexp(float64(m), f.Emin-int(f.Mant))
	default:
		x = math.Ldexp(float64(m|1<<f.Mant), e-1+f.Emin-int(f.Mant))
	}
	if negative {
		return -x
	}
	return x
}

// Narrow rounds a float64 to float32.
func Narrow(x float64, mode Mode) float32 {
	y := float32(x)
	if mode == RN || x != x {
		return y
	}
	delta := 0
	if d := float64(y); d < x {
		delta = 1
	} else if d > x {
		delta = -1
	}
	return direct32(y, delta, mode)
}

// direct32 turns a result r rounded to nearest into one rounded in a direction; delta is the sign of the exact result − r.
func direct32(r float32, delta int, mode Mode) float32 {
	b := math.Float32bits(r)
	switch down, up := step(delta, mode, b>>31 == 1); {
	case up:
		return math.Float32frombits(uint32(next(uint64(b), 1<<31, true)))
	case down:
		return math.Float32frombits(uint32(next(uint64(b), 1<<31, false)))
	}
	return r
}

func direct64(r float64, delta int, mode Mode) float64 {
	b := math.Float64bits(r)
	switch down, up := step(delta, mode, b>>63 == 1); {
	case up:
		return math.Float64frombits(next(b, 1<<63, true))
	case down:
		return math.Float64frombits(next(b, 1<<63, false))
	}
	return r
}

// step tells whether rounding in a direction gives the lower or the upper neighbor of the result rounded to nearest.
func step(delta int, mode Mode, negative bool) (down, up bool) {
	switch {
	case delta < 0 && (mode == RM || mode == RZ && !negative):
		return true, false
	case delta > 0 && (mode == RP || mode == RZ && negative):
		return false, true
	}
	return false, false
}

// next returns the neighbor above or below. The neighbors of a zero are the smallest subnormals, whatever its sign; a zero that is
// reached keeps the sign of b.
func next(b, sign uint64, up bool) uint64 {
	negative := b&sign != 0
	if b&^sign == 0 {
		if up {
			return 1
		}
		return sign | 1
	}
	if up != negative {
		return b + 1
	}
	return b - 1
}

// odd returns r + δ rounded to odd, where δ has the sign delta and is less than one unit in the last place of r. Rounding that to
// a format with at least two bits less gives the same result as rounding the exact sum.
func odd(r float64, delta int) float64 {
	b := math.Float64bits(r)
	if delta == 0 || b&1 == 1 {
		return r
	}
	return math.Float64frombits(next(b, 1<<63, delta > 0))
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
