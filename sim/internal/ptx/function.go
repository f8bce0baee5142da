package ptx

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

// same reports whether two functions have results and parameters of the same sizes.
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

// performance reads the directives between the parameters and the body.
func (p *parser) performance() error {
	for p.tok.kind == tDot {
		name := p.tok.text
		if name == "pragma" {
			if err := p.pragma(); err != nil {
				return err
			}
			continue
		}
		if err := p.advance(); err != nil {
			return err
		}
		switch name {
		case "noreturn":
		case "maxntid", "reqntid", "reqnctapercluster":
			n, err := p.sizes(name)
			if err != nil {
				return err
			}
			switch name {
			case "maxntid":
				p.fn.MaxThreads = n
			case "reqntid":
				p.fn.ReqThreads = n
			default:
				if n != [3]int{1, 1, 1} {
					return p.fail("function %s: clusters of more than one block are not supported", p.fn.Name)
				}
			}
		case "explicitcluster":
		case "minnctapersm", "maxnctapersm", "maxnreg", "maxclusterrank", "abi_preserve", "abi_preserve_control": // hints to the compiler
			if _, err := p.constant(); err != nil {
				return err
			}
		default:
			return p.fail("the directive .%s of function %s is not supported", name, p.fn.Name)
		}
	}
	return nil
}

// sizes reads the one to three sizes of a directive; those left out are 1.
func (p *parser) sizes(directive string) ([3]int, error) {
	n := [3]int{1, 1, 1}
	for i := 0; ; i++ {
		v, err := p.constant()
		if err != nil {
			return n, err
		}
		if i == 3 || v.float || v.single || v.bits == 0 || v.bits > 1<<20 {
			return n, p.fail(".%s needs one to three sizes", directive)
		}
		n[i] = int(v.bits)
		if more, err := p.accept(","); err != nil || !more {
			return n, err
		}
	}
}

// body reads a function's body.
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
	done := map[*Label]bool{} // many branches may share one long list
	for _, in := range f.Insts {
		for i := range in.Args {
			if l := in.Args[i].Label; l != nil {
				l = resolve(l)
				in.Args[i].Label = l
				if len(l.Targets) == 0 || done[l] {
					continue
				}
				done[l] = true
				for j := range l.Targets {
					l.Targets[j] = resolve(l.Targets[j])
				}
			}
		}
	}
	return nil
}
