package ptx

import "fmt"

// block reads statements in braces; the current token is the opening brace.
func (p *parser) block() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.depth > 1 { // the function's own scope has its parameters already
		p.scope = newScope(p.scope)
		defer func(s *scope) { p.scope = s }(p.scope.outer)
	}
	if err := p.advance(); err != nil {
		return err
	}
	for !p.is("}") {
		if p.tok.kind == tEOF {
			return p.fail("the text ends inside function %s", p.fn.Name)
		}
		if err := p.statement(); err != nil {
			return err
		}
	}
	if l := p.scope.close(p.forward); l != nil {
		return p.undefined(l)
	}
	return p.advance()
}

// undefined returns the error for an undeclared name. It names the first instruction that uses it.
func (p *parser) undefined(l *Label) error {
	for _, in := range p.fn.Insts {
		for _, a := range in.Args {
			if a.Label == nil || a.Label.Name != l.Name || in.Line != l.line {
				continue
			}
			what := "label "
			if in.Op != "bra" && in.Op != "brx" {
				what = ""
			}
			return &Error{Line: in.Line, Instruction: in.String(), Msg: fmt.Sprintf("%s%s is not defined", what, l.Name)}
		}
	}
	return p.failAt(l.line, "label %s is not defined", l.Name)
}

func (p *parser) statement() error {
	switch {
	case p.is("{"):
		return p.block()
	case p.is(";"):
		return p.advance()
	case p.tok.kind == tDot:
		switch p.tok.text {
		case "reg":
			return p.registers()
		case "local", "shared", "param", "global", "const":
			return p.variables(false)
		case "pragma":
			return p.pragma()
		case "loc":
			return p.location()
		}
		return p.fail("the directive .%s is not supported in a function", p.tok.text)
	case p.is("@"):
		return p.instruction(p.tok.line, p.lex.pos-1)
	case p.tok.kind == tIdent:
		start := p.lex.pos - len(p.tok.text)
		first := p.tok
		if err := p.advance(); err != nil {
			return err
		}
		if !p.is(":") {
			return p.operation(&Inst{Line: first.line, Op: first.text}, start)
		}
		return p.labelled(first)
	}
	return p.fail("an instruction expected, found %v", p.tok)
}

// labelled defines a label; the current token is its colon.
func (p *parser) labelled(name token) error {
	if err := p.advance(); err != nil {
		return err
	}
	l := p.scope.labels[name.text]
	if l != nil && l.defined {
		return p.failAt(name.line, "label %s is defined twice", name.text)
	}
	if l == nil {
		l = &Label{Name: name.text, line: name.line}
		p.scope.labels[name.text] = l
	}
	l.defined, l.Index = true, len(p.fn.Insts)
	if !p.isDot("branchtargets") {
		if p.isDot("callprototype") || p.isDot("calltargets") {
			return p.fail(".%s: calls through a register are not supported", p.tok.text)
		}
		return nil
	}
	if err := p.advance(); err != nil {
		return err
	}
	for {
		line := p.tok.line
		target, err := p.ident("a label")
		if err != nil {
			return err
		}
		l.Targets = append(l.Targets, p.scope.label(target, line))
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect(";")
		}
	}
}

// registers reads .reg .b32 %r<10>, %x;
func (p *parser) registers() error {
	h, err := p.declHead()
	if err != nil {
		return err
	}
	for {
		line := p.tok.line
		name, err := p.ident("the name of a register")
		if err != nil {
			return err
		}
		many, err := p.accept("<")
		if err != nil {
			return err
		}
		if many {
			// A bare number: in an expression the closing bracket would be a comparison.
			n, err := p.literal()
			if err != nil {
				return err
			}
			if n.float || n.single {
				return p.fail("the number of registers must be an integer")
			}
			if _, twice := p.scope.families[name]; twice {
				return p.failAt(line, "%s is declared twice", name)
			}
			p.scope.families[name] = family{h.typ, n.bits}
			if err := p.expect(">"); err != nil {
				return err
			}
		} else {
			if p.scope.regs[name] != nil || p.scope.vars[name] != nil {
				return p.failAt(line, "%s is declared twice", name)
			}
			p.scope.regs[name] = &Reg{Name: name, Type: h.typ, Index: -1}
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect(";")
		}
	}
}
