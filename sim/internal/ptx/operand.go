package ptx

// operand reads one operand. In a call, parentheses hold a list.
func (p *parser) operand(call bool) (Operand, error) {
	start := p.lex.pos - len(p.tok.text)
	o, err := p.single(call)
	if err != nil {
		return o, err
	}
	if p.is("|") { // p|q
		if err := p.advance(); err != nil {
			return o, err
		}
		second, err := p.single(false)
		if err != nil {
			return o, err
		}
		o = Operand{Kind: PairOperand, Elems: []Operand{o, second}}
	}
	end := p.lex.pos - len(p.tok.text)
	if start < 0 || end < start {
		return o, nil
	}
	o.text = squeeze(p.lex.src[start:end])
	return o, nil
}

// String returns the operand as written.
func (o Operand) String() string { return o.text }

func (p *parser) single(call bool) (Operand, error) {
	switch {
	case p.is("["):
		return p.address()
	case p.is("{"):
		return p.list(VecOperand, "}")
	case p.is("(") && call:
		return p.list(ListOperand, ")")
	case p.is("!") && p.predicateNext():
		if err := p.advance(); err != nil {
			return Operand{}, err
		}
		o, err := p.named()
		if err == nil && (o.Kind != RegOperand || o.Reg.Type != Pred) {
			return o, p.fail("! applies to predicates")
		}
		o.Not = true
		return o, err
	case p.tok.kind == tIdent && p.tok.text != "WARP_SZ":
		return p.named()
	}
	v, err := p.constant()
	if err != nil {
		return Operand{}, err
	}
	o := Operand{Kind: IntOperand, Bits: v.bits}
	if v.single {
		o.Kind = F32Operand
	} else if v.float {
		o.Kind = F64Operand
	}
	return o, nil
}

// predicateNext reports whether the ! at hand negates a predicate rather than a number.
func (p *parser) predicateNext() bool {
	ahead := p.lex
	t, err := ahead.next()
	return err == nil && t.kind == tIdent && t.text != "WARP_SZ"
}

// list reads operands up to a closing bracket.
func (p *parser) list(kind OperandKind, end string) (Operand, error) {
	o := Operand{Kind: kind}
	if err := p.advance(); err != nil {
		return o, err
	}
	for !p.is(end) {
		if p.is("{") || p.is("[") {
			return o, p.fail("an operand of a list expected, found %v", p.tok)
		}
		e, err := p.single(false)
		if err != nil {
			return o, err
		}
		o.Elems = append(o.Elems, e)
		if more, err := p.accept(","); err != nil {
			return o, err
		} else if !more && !p.is(end) {
			return o, p.fail("\",\" or %q expected, found %v", end, p.tok)
		}
	}
	return o, p.advance()
}

// named reads a register, special register, variable, function or label.
func (p *parser) named() (Operand, error) {
	line := p.tok.line
	name, err := p.ident("a name")
	if err != nil {
		return Operand{}, err
	}
	if name == "_" {
		return Operand{Kind: SinkOperand}, nil
	}
	if r := p.scope.reg(name); r != nil {
		if p.tok.kind == tDot {
			return Operand{}, p.fail("parts of registers (%s.%s) are not supported", name, p.tok.text)
		}
		return Operand{Kind: RegOperand, Reg: p.use(r)}, nil
	}
	if name[0] == '%' {
		if p.tok.kind == tDot {
			name += "." + p.tok.text
			if err := p.advance(); err != nil {
				return Operand{}, err
			}
		}
		if !special(name) {
			return Operand{}, p.failAt(line, "register %s is not declared", name)
		}
		return Operand{Kind: SpecialOperand, Special: name}, nil
	}
	if v := p.scope.variable(name); v != nil {
		o := Operand{Kind: VarOperand, Var: v}
		if p.is("+") {
			o.Offset, err = p.offset()
		}
		return o, err
	}
	if p.funcs[name] != nil || p.fn.Name == name {
		return Operand{Kind: FuncOperand, Func: name}, nil
	}
	return Operand{Kind: LabelOperand, Label: p.scope.label(name, line)}, nil
}

// address reads [base], [base+offset] or [number].
func (p *parser) address() (Operand, error) {
	if err := p.advance(); err != nil {
		return Operand{}, err
	}
	o := Operand{Kind: AddrOperand}
	if p.tok.kind == tIdent && p.tok.text != "WARP_SZ" {
		line := p.tok.line
		name, err := p.ident("a name")
		if err != nil {
			return o, err
		}
		if r := p.scope.reg(name); r != nil {
			o.Reg = p.use(r)
		} else if v := p.scope.variable(name); v != nil {
			o.Var = v
		} else if name[0] == '%' {
			return o, p.failAt(line, "register %s is not declared", name)
		} else {
			return o, p.failAt(line, "%s is neither a register nor a variable", name)
		}
		if p.is("+") {
			if o.Offset, err = p.offset(); err != nil {
				return o, err
			}
		}
	} else {
		v, err := p.constant()
		if err != nil {
			return o, err
		}
		if v.float || v.single {
			return o, p.fail("an address must be an integer")
		}
		o.Offset = int64(v.bits)
	}
	return o, p.expect("]")
}

// vectors are the special registers with parts .x, .y, .z (and .w, which is 0 or 1).
var vectors = map[string]bool{"%tid": true, "%ntid": true, "%ctaid": true, "%nctaid": true}

var scalars = map[string]bool{
	"%laneid": true, "%warpid": true, "%nwarpid": true, "%smid": true, "%nsmid": true, "%gridid": true,
	"%lanemask_eq": true, "%lanemask_le": true, "%lanemask_lt": true, "%lanemask_ge": true, "%lanemask_gt": true,
	"%clock": true, "%clock_hi": true, "%clock64": true, "%globaltimer": true, "%globaltimer_lo": true, "%globaltimer_hi": true,
	"%dynamic_smem_size": true, "%total_smem_size": true,
}

// special reports whether a name is a known special register.
func special(name string) bool {
	if scalars[name] {
		return true
	}
	n := len(name)
	return n > 2 && name[n-2] == '.' && (name[n-1] >= 'w' && name[n-1] <= 'z') && vectors[name[:n-2]]
}
