package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// mods are an instruction's modifiers while they are read, in order. What is left at the end is an error, so that no modifier
// is passed over in silence.
type mods struct {
	in   *ptx.Inst
	rest []string
}

func modsOf(in *ptx.Inst) *mods { return &mods{in, in.Mods} }

// has passes over a modifier if it comes next.
func (m *mods) has(name string) bool {
	if len(m.rest) > 0 && m.rest[0] == name {
		m.rest = m.rest[1:]
		return true
	}
	return false
}

// oneOf passes over a modifier of a list if one comes next, and returns it.
func (m *mods) oneOf(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return ""
}

// typ reads a type, which must be one of the given.
func (m *mods) typ(allowed ...ptx.Type) (ptx.Type, error) {
	if len(m.rest) == 0 {
		return 0, fmt.Errorf("a type is missing")
	}
	t, ok := ptx.TypeNamed(m.rest[0])
	if !ok {
		return 0, fmt.Errorf("modifier .%s is not known here", m.rest[0])
	}
	for _, a := range allowed {
		if a == t {
			m.rest = m.rest[1:]
			return t, nil
		}
	}
	return 0, fmt.Errorf("type %v is not supported here", t)
}

// peek is the type that comes next, if one does.
func (m *mods) peek() ptx.Type {
	if len(m.rest) > 0 {
		if t, ok := ptx.TypeNamed(m.rest[0]); ok {
			return t
		}
	}
	return ptx.NoType
}

// done is an error if modifiers are left.
func (m *mods) done() error {
	if len(m.rest) > 0 {
		return fmt.Errorf("modifier .%s is not known here", m.rest[0])
	}
	return nil
}

// args checks the number of operands.
func args(in *ptx.Inst, n int) error {
	if len(in.Args) != n {
		return fmt.Errorf("%d operands, expected %d", len(in.Args), n)
	}
	return nil
}

var (
	int16to64 = []ptx.Type{ptx.U16, ptx.U32, ptx.U64, ptx.S16, ptx.S32, ptx.S64}
	int32to64 = []ptx.Type{ptx.U32, ptx.U64, ptx.S32, ptx.S64}
	bits16to  = []ptx.Type{ptx.B16, ptx.B32, ptx.B64}
)
