package ptx

import (
	"fmt"
	"strings"
)

// function reads .entry or .func, declared or defined.
func (p *parser) function(linkage string) error {
	f := &Func{Entry: p.tok.text == "entry", Line: p.tok.line}
	if err := p.advance(); err != nil {
		return err
	}
	p.fn, p.scope, p.forward = f, newScope(p.global), map[*Label]*Label{}
	defer func() { p.fn, p.scope = nil, p.global }()
	var err error
	if p.is("(") {
		if f.Entry {
			return p.fail("a kernel has no result")
		}
		if f.Rets, err = p.params(); err != nil {
			return err
		}
	}
	if f.Name, err = p.ident("the name of a function"); err != nil {
		return err
	}
	if p.is("(") {
		if f.Params, err = p.params(); err != nil {
			return err
		}
	}
	if err := p.performance(); err != nil {
		return err
	}
	old := p.funcs[f.Name]
	if p.global.vars[f.Name] != nil || old != nil && (old.Entry != f.Entry || !same(old, f)) {
		return p.failAt(f.Line, "%s is declared twice, and differently", f.Name)
	}
	if semi, err := p.accept(";"); err != nil {
		return err
	} else if semi {
		f.Declared = true
		if old == nil {
			p.funcs[f.Name] = f
			p.module.Funcs = append(p.module.Funcs, f)
		}
		return nil
	}
	if linkage == "extern" {
		return p.failAt(f.Line, "%s is external and has a body", f.Name)
	}
	if old != nil && !old.Declared {
		return p.failAt(f.Line, "%s is defined twice", f.Name)
	}
	if err := p.body(f); err != nil {
		return err
	}
	if old != nil {
		*old = *f
		return nil
	}
	p.funcs[f.Name] = f
	p.module.Funcs = append(p.module.Funcs, f)
	return nil
}

// same says whether two functions have results and parameters of the same sizes.
func same(a, b *Func) bool {
	if len(a.Rets) != len(b.Rets) || len(a.Params) != len(b.Params) {
		return false
	}
	for i := range a.Rets {
		if a.Rets[i].Bytes != b.Rets[i].Bytes {
			return false
		}
	}
	for i := range a.Params {
		if a.Params[i].Bytes != b.Params[i].Bytes {
			return false
		}
	}
	return true
}

// params reads (.param .u64 a, .param .f32 b).
func (p *parser) params() ([]*Var, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	var list []*Var
	for !p.is(")") {
		h, err := p.declHead()
		if err != nil {
			return nil, err
		}
		if h.space != Param && (h.space != RegSpace || p.fn.Entry) {
			return nil, p.failAt(h.line, "a parameter in .%v", h.space)
		}
		v, err := p.declared(h)
		if err != nil {
			return nil, err
		}
		switch {
		case v.Unsized:
			return nil, p.failAt(v.Line, "parameter %s has no size", v.Name)
		case p.scope.vars[v.Name] != nil || p.scope.regs[v.Name] != nil:
			return nil, p.failAt(v.Line, "parameter %s is declared twice", v.Name)
		case v.Bytes > 1<<16:
			return nil, p.failAt(v.Line, "parameter %s is too large: %d bytes", v.Name, v.Bytes)
		case h.space == RegSpace:
			p.fn.RegParams = true
			p.scope.regs[v.Name] = &Reg{Name: v.Name, Type: v.Type, Index: -1}
		default:
			p.scope.vars[v.Name] = v
		}
		list = append(list, v)
		if more, err := p.accept(","); err != nil {
			return nil, err
		} else if !more && !p.is(")") {
			return nil, p.fail("\",\" or \")\" expected, found %v", p.tok)
		}
	}
	return list, p.advance()
}

// performance reads what may stand between the parameters and the body.
func (p *parser) performance() error {
	for p.tok.kind == tDot {
		name := p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
		switch name {
		case "noreturn":
		case "pragma":
			p.tok = token{tDot, "pragma", p.tok.line}
			if err := p.pragma(); err != nil {
				return err
			}
		case "maxntid", "reqntid":
			var n [3]int
			n[0], n[1], n[2] = 1, 1, 1
			for i := 0; ; i++ {
				v, err := p.constant()
				if err != nil {
					return err
				}
				if i == 3 || v.float || v.single || v.bits == 0 || v.bits > 1<<20 {
					return p.fail(".%s needs one to three sizes", name)
				}
				n[i] = int(v.bits)
				if more, err := p.accept(","); err != nil {
					return err
				} else if !more {
					break
				}
			}
			if name == "maxntid" {
				p.fn.MaxThreads = n
			} else {
				p.fn.ReqThreads = n
			}
		case "minnctapersm", "maxnctapersm", "maxnreg": // advice to a compiler
			if _, err := p.constant(); err != nil {
				return err
			}
		default:
			return p.fail("the directive .%s of function %s is not supported", name, p.fn.Name)
		}
	}
	return nil
}

// body reads a function's braces.
func (p *parser) body(f *Func) error {
	if !p.is("{") {
		return p.fail("the body of %s expected, found %v", f.Name, p.tok)
	}
	if err := p.block(); err != nil {
		return err
	}
	resolve := func(l *Label) *Label {
		for p.forward[l] != nil {
			l = p.forward[l]
		}
		return l
	}
	for _, in := range f.Insts {
		for i := range in.Args {
			if l := in.Args[i].Label; l != nil {
				l = resolve(l)
				in.Args[i].Label = l
				for j := range l.Targets {
					l.Targets[j] = resolve(l.Targets[j])
				}
			}
		}
	}
	return nil
}

// block reads statements between braces; the current token is the opening one.
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

// undefined is the error of a name that nothing declares: of the first instruction that has it.
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

// location passes over .loc file line column [, function_name label [+ n]] [, inlined_at file line column].
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

// instruction reads a guard and the operation behind it.
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
		return p.fail("%s is no predicate", name)
	}
	in.Guard = p.use(r)
	if in.Op, err = p.ident("an instruction"); err != nil {
		return err
	}
	return p.operation(in, start)
}

// operation reads modifiers and operands; the instruction's name is passed.
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
