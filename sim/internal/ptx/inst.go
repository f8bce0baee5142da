package ptx

import "strings"

// location skips .loc file line column [, function_name label [+ n]] [, inlined_at file line column].
func (p *parser) location() error {
	if err := p.advance(); err != nil {
		return err
	}
	three := func() error {
		for range 3 {
			if p.tok.kind != tNumber {
				return p.fail("a number expected in .loc, found %v", p.tok)
			}
			if err := p.advance(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := three(); err != nil {
		return err
	}
	for {
		if more, err := p.accept(","); err != nil || !more {
			return err
		}
		attr, err := p.ident("function_name or inlined_at")
		if err != nil {
			return err
		}
		switch attr {
		case "function_name":
			if _, err := p.ident("a label"); err != nil {
				return err
			}
			if p.is("+") {
				if _, err := p.offset(); err != nil {
					return err
				}
			}
		case "inlined_at":
			if err := three(); err != nil {
				return err
			}
		default:
			return p.fail("%q has no meaning in .loc", attr)
		}
	}
}

// instruction reads a guard and the operation after it.
func (p *parser) instruction(line, start int) error {
	in := &Inst{Line: line}
	p.inst, p.instPos = true, start
	defer func() { p.inst = false }()
	if err := p.advance(); err != nil {
		return err
	}
	var err error
	if in.GuardNot, err = p.accept("!"); err != nil {
		return err
	}
	name, err := p.ident("a predicate")
	if err != nil {
		return err
	}
	r := p.scope.reg(name)
	if r == nil {
		return p.fail("register %s is not declared", name)
	}
	if r.Type != Pred {
		return p.fail("%s is not a predicate", name)
	}
	in.Guard = p.use(r)
	if in.Op, err = p.ident("an instruction"); err != nil {
		return err
	}
	return p.operation(in, start)
}

// operation reads modifiers and operands; the instruction's name has been read.
func (p *parser) operation(in *Inst, start int) error {
	p.inst, p.instPos = true, start
	defer func() { p.inst = false }()
	for p.tok.kind == tDot {
		in.Mods = append(in.Mods, p.tok.text)
		if err := p.advance(); err != nil {
			return err
		}
	}
	for !p.is(";") {
		if p.tok.kind == tEOF {
			return p.fail("the text ends inside an instruction")
		}
		a, err := p.operand(in.Op == "call")
		if err != nil {
			return err
		}
		in.Args = append(in.Args, a)
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more && !p.is(";") {
			return p.fail("\",\" or \";\" expected, found %v", p.tok)
		} else if more && p.is(";") {
			return p.fail("an operand expected, found %v", p.tok)
		}
	}
	in.text = p.lex.src[start : p.lex.pos-1]
	in.text = strings.TrimSpace(squeeze(in.text))
	p.fn.Insts = append(p.fn.Insts, in)
	return p.advance()
}

// use numbers a register at its first use.
func (p *parser) use(r *Reg) *Reg {
	if r.Index < 0 {
		r.Index = len(p.fn.Regs)
		p.fn.Regs = append(p.fn.Regs, r)
	}
	return r
}
