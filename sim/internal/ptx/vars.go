package ptx

import (
	"encoding/binary"
	"math"
)

// head is the part of a declaration before the names: .shared .align 16 .v2 .f32
type head struct {
	space Space
	align int
	vec   int
	typ   Type
	line  int
}

// declHead reads the head of a declaration; the current token is its space.
func (p *parser) declHead() (h head, err error) {
	h = head{vec: 1, line: p.tok.line}
	if p.isDot("reg") {
		h.space = RegSpace
	} else if s, ok := SpaceNamed(p.tok.text); ok && p.tok.kind == tDot {
		h.space = s
	} else {
		return h, p.fail("a state space expected, found %v", p.tok)
	}
	if err := p.advance(); err != nil {
		return h, err
	}
	for p.tok.kind == tDot {
		switch name := p.tok.text; name {
		case "align":
			if err := p.advance(); err != nil {
				return h, err
			}
			if h.align, err = p.alignment(); err != nil {
				return h, err
			}
			continue
		case "v2":
			h.vec = 2
		case "v4":
			h.vec = 4
		case "ptr": // .ptr .global .align 16: what a pointer parameter points to
			if err := p.advance(); err != nil {
				return h, err
			}
			if _, ok := SpaceNamed(p.tok.text); ok && p.tok.kind == tDot {
				if err := p.advance(); err != nil {
					return h, err
				}
			}
			if p.isDot("align") {
				if err := p.advance(); err != nil {
					return h, err
				}
				if _, err := p.alignment(); err != nil {
					return h, err
				}
			}
			continue
		default:
			t, ok := TypeNamed(name)
			if !ok || h.typ != NoType {
				return h, p.fail(".%s is not supported in a declaration", name)
			}
			h.typ = t
		}
		if err := p.advance(); err != nil {
			return h, err
		}
	}
	switch {
	case h.typ == NoType:
		return h, p.fail("a type expected, found %v", p.tok)
	case h.typ == B128 || h.vec > 1 && h.space == RegSpace:
		return h, p.fail("registers of 128 bits and of vector types are not supported")
	case h.typ == Pred && h.space != RegSpace:
		return h, p.fail("a predicate cannot be kept in .%v", h.space)
	case h.align == 0:
		h.align = max(h.typ.Bytes()*h.vec, 1)
	}
	return h, nil
}

func (p *parser) alignment() (int, error) {
	v, err := p.constant()
	if err != nil {
		return 0, err
	}
	if v.float || v.bits == 0 || v.bits > 1<<16 || v.bits&(v.bits-1) != 0 {
		return 0, p.fail("an alignment must be a power of two up to 65536")
	}
	return int(v.bits), nil
}

// declared reads one name of a declaration, with its dimensions.
func (p *parser) declared(h head) (*Var, error) {
	v := &Var{Space: h.space, Type: h.typ, Align: h.align, Line: p.tok.line, Bytes: int64(h.typ.Bytes() * h.vec), Array: h.vec > 1}
	var err error
	if v.Name, err = p.ident("a name"); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		if open, err := p.accept("["); err != nil {
			return nil, err
		} else if !open {
			return v, nil
		}
		v.Array = true
		if end, err := p.accept("]"); err != nil {
			return nil, err
		} else if end {
			if !first {
				return nil, p.fail("only the first dimension of %s may be left open", v.Name)
			}
			v.Unsized = true
			continue
		}
		n, err := p.constant()
		if err != nil {
			return nil, err
		}
		if n.float || n.signed && int64(n.bits) < 0 || n.bits > maxBytes || int64(n.bits)*v.Bytes > maxBytes {
			return nil, p.fail("%s is too large", v.Name)
		}
		v.Bytes *= int64(n.bits)
		if err := p.expect("]"); err != nil {
			return nil, err
		}
	}
}

// variables reads a declaration of variables in module or function scope.
func (p *parser) variables(extern bool) error {
	h, err := p.declHead()
	if err != nil {
		return err
	}
	for {
		v, err := p.declared(h)
		if err != nil {
			return err
		}
		v.Extern = extern
		if open, err := p.accept("="); err != nil {
			return err
		} else if open {
			if h.space != Global && h.space != Const {
				return p.failAt(v.Line, "%s: a variable in .%v has no initial value", v.Name, h.space)
			}
			if err := p.initial(v, h); err != nil {
				return err
			}
		}
		if err := p.declare(v); err != nil {
			return err
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect(";")
		}
	}
}

func (p *parser) declare(v *Var) error {
	if old := p.scope.vars[v.Name]; old != nil && p.scope == p.global && old.Space == v.Space && (old.Extern || v.Extern) {
		if old.Extern && !v.Extern { // a definition after its declaration
			keep := *v
			*old = keep
		}
		return nil
	}
	if p.scope.vars[v.Name] != nil || p.scope.regs[v.Name] != nil || p.scope == p.global && p.funcs[v.Name] != nil {
		return p.failAt(v.Line, "%s is declared twice", v.Name)
	}
	if v.Unsized {
		switch {
		case v.Space == Shared && v.Extern:
		case v.Init != nil:
			elem := int64(max(v.Type.Bytes(), 1))
			if v.Bytes > elem {
				elem = v.Bytes
			}
			v.Bytes = (int64(len(v.Init)) + elem - 1) / elem * elem
			v.Unsized = false
		default:
			return p.failAt(v.Line, "%s has no size", v.Name)
		}
	}
	p.scope.vars[v.Name] = v
	if p.scope == p.global {
		p.module.Vars = append(p.module.Vars, v)
	} else if p.fn != nil && v.Space != RegSpace {
		p.fn.Locals = append(p.fn.Locals, v)
	}
	return nil
}

// initial reads a variable's initial value: one expression, or a list in braces, which may be nested.
func (p *parser) initial(v *Var, h head) error {
	if !p.is("{") {
		return p.element(v, h)
	}
	if p.depth++; p.depth > maxDepth {
		return p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	if err := p.advance(); err != nil {
		return err
	}
	for {
		if end, err := p.accept("}"); err != nil || end {
			return err
		}
		if err := p.initial(v, h); err != nil {
			return err
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect("}")
		}
	}
}

func (p *parser) element(v *Var, h head) error {
	size := h.typ.Bytes()
	if limit := v.Bytes; !v.Unsized && int64(len(v.Init)+size) > limit {
		return p.fail("%s: more initial values than it holds", v.Name)
	}
	at := int64(len(v.Init))
	var bits uint64
	if p.tok.kind == tIdent && p.tok.text != "WARP_SZ" {
		fix := Fixup{Offset: at, Bytes: size, Line: p.tok.line}
		name, err := p.ident("a name")
		if err != nil {
			return err
		}
		if fix.Generic = name == "generic" && p.is("("); fix.Generic {
			if err := p.advance(); err != nil {
				return err
			}
			if name, err = p.ident("a name"); err != nil {
				return err
			}
			if err := p.expect(")"); err != nil {
				return err
			}
		}
		fix.Symbol = name
		if p.is("+") {
			if fix.Addend, err = p.offset(); err != nil {
				return err
			}
		}
		if size != 8 {
			return p.failAt(fix.Line, "%s: an address needs 8 bytes, .%s has %d", v.Name, typeNames[h.typ], size)
		}
		v.Fixups = append(v.Fixups, fix)
	} else {
		c, err := p.constant()
		if err != nil {
			return err
		}
		switch {
		case h.typ == F32 && c.single:
			bits = c.bits
		case h.typ == F32 && c.float:
			bits = uint64(math.Float32bits(float32(math.Float64frombits(c.bits))))
		case h.typ == F64 && c.float, h.typ != F32 && h.typ != F64 && !c.float && !c.single:
			bits = c.bits
		default:
			return p.fail("%s: the value does not fit the type .%s", v.Name, typeNames[h.typ])
		}
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], bits)
	v.Init = append(v.Init, word[:size]...)
	return nil
}
