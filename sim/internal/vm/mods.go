package vm

import (
	"fmt"
	"slices"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// mods holds the modifiers of an instruction that have not been read yet. Like ptxas, the decoder accepts them in any order, with two
// exceptions: types must be in order, and modifiers that are part of the instruction's name (mul.lo, cvta.to, bar.red) must come first.
// Modifiers left at the end are an error, so that none is silently ignored.
type mods struct {
	in   *ptx.Inst
	rest []string
}

func modsOf(in *ptx.Inst) *mods { return &mods{in, slices.Clone(in.Mods)} }

// take consumes the i-th of the modifiers left.
func (m *mods) take(i int) { m.rest = slices.Delete(m.rest, i, i+1) }

// has consumes a modifier and reports whether it was there.
func (m *mods) has(name string) bool {
	i := slices.Index(m.rest, name)
	if i >= 0 {
		m.take(i)
	}
	return i >= 0
}

// oneOf consumes and returns the first modifier of a list that is there, or "". Others of the list are left.
func (m *mods) oneOf(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return ""
}

// name is oneOf for modifiers that are part of the instruction's name: the modifier must be the next one.
func (m *mods) name(names ...string) string {
	if len(m.rest) > 0 && slices.Contains(names, m.rest[0]) {
		n := m.rest[0]
		m.take(0)
		return n
	}
	return ""
}

// nextType returns the index of the next type and the type; −1 if there is none left.
func (m *mods) nextType() (int, ptx.Type) {
	for i, name := range m.rest {
		if t, ok := ptx.TypeNamed(name); ok {
			return i, t
		}
	}
	return -1, ptx.NoType
}

// typ reads the next type, which must be one of those allowed.
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

// peek returns the next type, if there is one left.
func (m *mods) peek() ptx.Type {
	_, t := m.nextType()
	return t
}

// done returns an error if there are modifiers left.
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
