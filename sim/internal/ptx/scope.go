package ptx

import "strconv"

// A scope holds the names declared in one pair of braces.
type scope struct {
	outer    *scope
	regs     map[string]*Reg   // single registers, and used members of families
	families map[string]family // .reg .b32 %r<10>: by "%r"
	vars     map[string]*Var
	labels   map[string]*Label
}

type family struct {
	typ   Type
	count uint64
}

func newScope(outer *scope) *scope {
	return &scope{outer: outer, regs: map[string]*Reg{}, families: map[string]family{}, vars: map[string]*Var{}, labels: map[string]*Label{}}
}

// reg finds a register by its name, in this scope or those around it.
func (s *scope) reg(name string) *Reg {
	for ; s != nil; s = s.outer {
		if r := s.regs[name]; r != nil {
			return r
		}
		if r := s.member(name); r != nil {
			return r
		}
	}
	return nil
}

// member finds a register that a family of this scope declares: %r12 of %r<100>, but also of %r1<10>.
func (s *scope) member(name string) *Reg {
	if len(s.families) == 0 {
		return nil
	}
	const most = 20 // digits of a number that fits; bounds the loop, since a name may be as long as the text
	for i := len(name) - 1; i > 0 && i >= len(name)-most && digit(name[i]); i-- {
		if name[i] == '0' && i != len(name)-1 {
			continue // %r01 is not a member of %r<10>
		}
		f, ok := s.families[name[:i]]
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(name[i:], 10, 64); err == nil && n < f.count {
			r := &Reg{Name: name, Type: f.typ, Index: -1}
			s.regs[name] = r
			return r
		}
	}
	return nil
}

func (s *scope) variable(name string) *Var {
	for ; s != nil; s = s.outer {
		if v := s.vars[name]; v != nil {
			return v
		}
	}
	return nil
}

// label resolves a name to a label: one that is defined in this scope or around it, or else a new one to be defined later.
func (s *scope) label(name string, line int) *Label {
	for o := s; o != nil; o = o.outer {
		if l := o.labels[name]; l != nil && l.defined {
			return l
		}
	}
	l := s.labels[name]
	if l == nil {
		l = &Label{Name: name, line: line}
		s.labels[name] = l
	}
	return l
}

// close moves labels that are used but not defined in this scope to the scope around it. At the end of a function it returns the first
// label that was never defined, if any.
func (s *scope) close(forward map[*Label]*Label) *Label {
	var missing *Label
	for name, l := range s.labels {
		if l.defined {
			continue
		}
		if s.outer == nil || s.outer.outer == nil { // the outermost scope is the module's, which has no labels
			if missing == nil || l.line < missing.line || l.line == missing.line && l.Name < missing.Name {
				missing = l
			}
			continue
		}
		if o := s.outer.labels[name]; o != nil {
			forward[l] = o
		} else {
			s.outer.labels[name] = l
		}
	}
	return missing
}
