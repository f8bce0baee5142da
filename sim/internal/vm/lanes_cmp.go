package vm

import "github.com/smoothl1/smoothl1/sim/internal/ptx"

// Comparisons return a mask. Those of float32 and float64 that nvcc emits are written out, without branches, which would be
// unpredictable.

func ltF32(a, b *lane32) (m uint32) {
	for i := range a {
		m |= boolBit(f32of(a[i]) < f32of(b[i])) << i
	}
	return m
}

func leF32(a, b *lane32) (m uint32) {
	for i := range a {
		m |= boolBit(f32of(a[i]) <= f32of(b[i])) << i
	}
	return m
}

func eqF32(a, b *lane32) (m uint32) {
	for i := range a {
		m |= boolBit(f32of(a[i]) == f32of(b[i])) << i
	}
	return m
}

func ltF64(a, b *lane64) (m uint32) {
	for i := range a {
		m |= boolBit(f64of(a[i]) < f64of(b[i])) << i
	}
	return m
}

func leF64(a, b *lane64) (m uint32) {
	for i := range a {
		m |= boolBit(f64of(a[i]) <= f64of(b[i])) << i
	}
	return m
}

func eqF64(a, b *lane64) (m uint32) {
	for i := range a {
		m |= boolBit(f64of(a[i]) == f64of(b[i])) << i
	}
	return m
}

// order is a set of outcomes of comparing two values.
type order uint8

const (
	less order = 1 << iota
	equal
	greater
	unordered
)

// orders are the outcomes that a comparison accepts.
var orders = map[string]order{
	"eq": equal, "ne": less | greater, "lt": less, "le": less | equal, "gt": greater, "ge": greater | equal,
	"equ": equal | unordered, "neu": less | greater | unordered, "ltu": less | unordered, "leu": less | equal | unordered,
	"gtu": greater | unordered, "geu": greater | equal | unordered,
	"num": less | equal | greater, "nan": unordered,
	"lo": less, "ls": less | equal, "hi": greater, "hs": greater | equal,
}

func orderF(a, b float64) order {
	switch {
	case a < b:
		return less
	case a == b:
		return equal
	case a > b:
		return greater
	}
	return unordered
}

func orderI(t ptx.Type, a, b uint64) order {
	if t.Signed() {
		switch {
		case int64(a) < int64(b):
			return less
		case a == b:
			return equal
		}
		return greater
	}
	switch {
	case a < b:
		return less
	case a == b:
		return equal
	}
	return greater
}

// compare returns the lane function of a comparison, of type fnCmp32 or fnCmp64.
func compare(t ptx.Type, accept order, ftz bool) any {
	if f := compareFast(t, accept, ftz); f != nil {
		return f
	}
	value := valueOf(t, ftz)
	outcome := func(a, b uint64) order { return orderI(t, extend(t, a), extend(t, b)) }
	if t.Float() {
		outcome = func(a, b uint64) order { return orderF(value(a), value(b)) }
	}
	if t.Bits() == 64 {
		return fnCmp64(func(a, b *lane64) (m uint32) {
			for i := range a {
				if outcome(a[i], b[i])&accept != 0 {
					m |= 1 << i
				}
			}
			return m
		})
	}
	return fnCmp32(func(a, b *lane32) (m uint32) {
		for i := range a {
			if outcome(uint64(a[i]), uint64(b[i]))&accept != 0 {
				m |= 1 << i
			}
		}
		return m
	})
}

// compareFast returns a written-out comparison, perhaps with operands swapped or result negated, or nil.
func compareFast(t ptx.Type, accept order, ftz bool) any {
	if ftz {
		return nil
	}
	switch t {
	case ptx.F32:
		switch accept {
		case less:
			return fnCmp32(ltF32)
		case less | equal:
			return fnCmp32(leF32)
		case equal:
			return fnCmp32(eqF32)
		case greater:
			return fnCmp32(func(a, b *lane32) uint32 { return ltF32(b, a) })
		case greater | equal:
			return fnCmp32(func(a, b *lane32) uint32 { return leF32(b, a) })
		case less | greater | unordered:
			return fnCmp32(func(a, b *lane32) uint32 { return ^eqF32(a, b) })
		}
	case ptx.F64:
		switch accept {
		case less:
			return fnCmp64(ltF64)
		case less | equal:
			return fnCmp64(leF64)
		case equal:
			return fnCmp64(eqF64)
		case greater:
			return fnCmp64(func(a, b *lane64) uint32 { return ltF64(b, a) })
		case greater | equal:
			return fnCmp64(func(a, b *lane64) uint32 { return leF64(b, a) })
		case less | greater | unordered:
			return fnCmp64(func(a, b *lane64) uint32 { return ^eqF64(a, b) })
		}
	}
	return nil
}
