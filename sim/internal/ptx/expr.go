package ptx

import "math"

// constant reads a constant expression.
func (p *parser) constant() (value, error) {
	cond, err := p.binary(0)
	if err != nil {
		return cond, err
	}
	if ok, err := p.accept("?"); err != nil || !ok {
		return cond, err
	}
	if p.depth++; p.depth > maxDepth {
		return cond, p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	a, err := p.constant()
	if err != nil {
		return a, err
	}
	if err := p.expect(":"); err != nil {
		return a, err
	}
	b, err := p.constant()
	if err != nil {
		return b, err
	}
	if cond.float || cond.single {
		return cond, p.fail("the condition of ?: must be an integer")
	}
	if cond.bits != 0 {
		return a, nil
	}
	return b, nil
}

// levels are the binary operators by precedence, lowest first.
var levels = [...][]string{{"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"==", "!="}, {"<", "<=", ">", ">="}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) binary(level int) (value, error) {
	if level == len(levels) {
		return p.unary()
	}
	a, err := p.binary(level + 1)
	for err == nil {
		op := ""
		for _, o := range levels[level] {
			if p.is(o) {
				op = o
			}
		}
		if op == "" {
			return a, nil
		}
		if err = p.advance(); err != nil {
			break
		}
		var b value
		if b, err = p.binary(level + 1); err != nil {
			break
		}
		a, err = p.apply(op, a, b)
	}
	return a, err
}

func (p *parser) unary() (value, error) {
	if p.depth++; p.depth > maxDepth {
		return value{}, p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.tok.kind == tNumber:
		return p.literal()
	case p.tok.kind == tIdent && p.tok.text == "WARP_SZ":
		return integer(32), p.advance()
	case p.is("("):
		if err := p.advance(); err != nil {
			return value{}, err
		}
		cast := ""
		if p.isDot("s64") || p.isDot("u64") {
			cast = p.tok.text
			if err := p.advance(); err != nil {
				return value{}, err
			}
		}
		var v value
		var err error
		if cast == "" {
			if v, err = p.constant(); err != nil {
				return v, err
			}
		}
		if err := p.expect(")"); err != nil {
			return v, err
		}
		if cast == "" {
			return v, nil
		}
		if v, err = p.unary(); err != nil {
			return v, err
		}
		if v.float || v.single {
			return v, p.fail("a cast of a floating-point value is not supported")
		}
		v.signed = cast == "s64"
		return v, nil
	case p.is("-"), p.is("+"), p.is("~"), p.is("!"):
		op := p.tok.text
		if err := p.advance(); err != nil {
			return value{}, err
		}
		v, err := p.unary()
		if err != nil {
			return v, err
		}
		switch {
		case op == "+":
		case op == "-" && v.single:
			v.bits ^= 1 << 31
		case op == "-" && v.float:
			v.bits ^= 1 << 63
		case op == "-":
			v.bits, v.signed = -v.bits, true
		case v.float || v.single:
			return v, p.fail("%s does not apply to a floating-point value", op)
		case op == "~":
			v.bits = ^v.bits
		case op == "!":
			v = truth(v.bits == 0)
		}
		return v, nil
	}
	return value{}, p.fail("a constant expected, found %v", p.tok)
}

func (p *parser) apply(op string, a, b value) (value, error) {
	if a.single || b.single {
		return a, p.fail("%s does not apply to values written 0f…", op)
	}
	if a.float != b.float {
		return a, p.fail("%s mixes an integer and a floating-point value", op)
	}
	if a.float {
		x, y := math.Float64frombits(a.bits), math.Float64frombits(b.bits)
		switch op {
		case "+":
			x += y
		case "-":
			x -= y
		case "*":
			x = float64(x * y)
		case "/":
			x /= y
		default:
			return a, p.fail("%s does not apply to floating-point values", op)
		}
		return value{bits: math.Float64bits(x), float: true}, nil
	}
	signed := a.signed && b.signed
	x, y := a.bits, b.bits
	less := func(x, y uint64) bool {
		if signed {
			return int64(x) < int64(y)
		}
		return x < y
	}
	v := value{signed: signed}
	switch op {
	case "||":
		return truth(x != 0 || y != 0), nil
	case "&&":
		return truth(x != 0 && y != 0), nil
	case "==":
		return truth(x == y), nil
	case "!=":
		return truth(x != y), nil
	case "<":
		return truth(less(x, y)), nil
	case "<=":
		return truth(!less(y, x)), nil
	case ">":
		return truth(less(y, x)), nil
	case ">=":
		return truth(!less(x, y)), nil
	case "|":
		v.bits = x | y
	case "^":
		v.bits = x ^ y
	case "&":
		v.bits = x & y
	case "<<":
		v.bits, v.signed = x<<y, a.signed
	case ">>":
		v.signed = a.signed
		if a.signed {
			v.bits = uint64(int64(x) >> y)
		} else {
			v.bits = x >> y
		}
	case "+":
		v.bits = x + y
	case "-":
		v.bits = x - y
	case "*":
		v.bits = x * y
	default: // / %
		switch {
		case y == 0:
			return a, p.fail("division by zero")
		case signed && int64(y) == -1: // the one quotient that overflows
			v.bits = -x
			if op == "%" {
				v.bits = 0
			}
		case signed && op == "/":
			v.bits = uint64(int64(x) / int64(y))
		case signed:
			v.bits = uint64(int64(x) % int64(y))
		case op == "/":
			v.bits = x / y
		default:
			v.bits = x % y
		}
	}
	return v, nil
}
