package ptx

import (
	"math"
	"strconv"
	"strings"
)

// value is the value of a constant expression.
type value struct {
	bits   uint64 // an integer, the bits of a double, or (single) those of a float
	float  bool   // a double
	single bool   // written 0fXXXXXXXX
	signed bool
}

func integer(v int64) value { return value{bits: uint64(v), signed: true} }

func truth(b bool) value {
	if b {
		return integer(1)
	}
	return integer(0)
}

// literal reads a number token.
func (p *parser) literal() (value, error) {
	s := p.tok.text
	bad := func() (value, error) { return value{}, p.fail("%q is not a number", s) }
	if len(s) > 1 && s[0] == '0' {
		switch s[1] {
		case 'f', 'F':
			n, err := strconv.ParseUint(s[2:], 16, 32)
			if err != nil || len(s) != 10 {
				return bad()
			}
			return value{bits: n, single: true}, p.advance()
		case 'd', 'D':
			n, err := strconv.ParseUint(s[2:], 16, 64)
			if err != nil || len(s) != 18 {
				return bad()
			}
			return value{bits: n, float: true}, p.advance()
		}
	}
	if !strings.HasPrefix(s, "0x") && !strings.HasPrefix(s, "0X") && strings.ContainsAny(s, ".eE") {
		if strings.ContainsAny(s, "xXpP_") {
			return bad()
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return bad()
		}
		return value{bits: math.Float64bits(f), float: true}, p.advance()
	}
	digits, base := s, 10
	digits, unsigned := strings.CutSuffix(digits, "U")
	switch {
	case strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0X"):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0b") || strings.HasPrefix(digits, "0B"):
		digits, base = digits[2:], 2
	case len(digits) > 1 && digits[0] == '0':
		digits, base = digits[1:], 8
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return bad()
	}
	return value{bits: n, signed: !unsigned && n <= math.MaxInt64}, p.advance()
}

// offset reads the offset of an address: +8, +-8.
func (p *parser) offset() (int64, error) {
	if err := p.advance(); err != nil {
		return 0, err
	}
	v, err := p.unary()
	if err != nil {
		return 0, err
	}
	if v.float || v.single {
		return 0, p.fail("an offset must be an integer")
	}
	return int64(v.bits), nil
}
