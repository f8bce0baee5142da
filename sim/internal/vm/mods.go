package vm

import (
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// mods are an instruction's modifiers while they are read. Like ptxas, the decoder takes them in any order, with two exceptions: the
// types keep theirs, and what is part of the instruction's name (mul.lo, cvta.to, bar.red) comes first. What is left at the end is
// an error, so that no modifier is passed over in silence.
type mods struct {
	in   *ptx.Inst
	rest []string
}

func modsOf(in *ptx.Inst) *mods { return &mods{in, slices.Clone(in.Mods)} }

// take passes over the modifier at a place.
func (m *mods) take(i int) { m.rest = slices.Delete(m.rest, i, i+1) }

// has passes over a modifier if it is there.
func (m *mods) has(name string) bool {
	i := slices.Index(m.rest, name)
	if i >= 0 {
		m.take(i)
	}
	return i >= 0
}

// oneOf passes over a modifier of a list if one is there, and returns it. A second one of the list is left.
func (m *mods) oneOf(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return ""
}

// name passes over a modifier of a list that is part of the instruction's name: only if it comes next.
func (m *mods) name(names ...string) string {
	if len(m.rest) > 0 && slices.Contains(names, m.rest[0]) {
		n := m.rest[0]
		m.take(0)
		return n
	}
	return ""
}

// nextType is where the next type is and which; −1 where no types are left.
func (m *mods) nextType() (int, ptx.Type) {
	for i, name := range m.rest {
		if t, ok := ptx.TypeNamed(name); ok {
			return i, t
		}
	}
	return -1, ptx.NoType
}

// typ reads the next type, which must be one of the given.
func (m *mods) typ(allowed ...ptx.Type) (ptx.Type, error) {
	i, t := m.nextType()
	switch {
	case i < 0 && len(m.rest) > 0:
		return 0, m.done()
	case i < 0:
		return 0, fmt.Errorf("a type is missing")
	case !slices.Contains(allowed, t):
		return 0, fmt.Errorf("type %v is not supported here", t)
	}
	m.take(i)
	return t, nil
}

// peek is the next type, if one is left.
func (m *mods) peek() ptx.Type {
	_, t := m.nextType()
	return t
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
