package vm

import (
	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// formatOf is the format of a float type.
func formatOf(t ptx.Type) ieee.Format {
	switch t {
	case ptx.F16:
		return ieee.Half
	case ptx.BF16:
		return ieee.BFloat
	case ptx.F32:
		return ieee.Single
	}
	return ieee.Double
}

// convert returns the function of a conversion, from the bits of one type to those of the other.
func convert(c cvt) func(v uint64) uint64 {
	toF, fromF := c.to.Float(), c.from.Float()
	switch {
	case !toF && !fromF:
		return convertInts(c)
	case toF && !fromF:
		f := formatOf(c.to)
		return func(v uint64) uint64 {
			r := f.FromInt(extend(c.from, v), c.from.Signed(), c.mode)
			return saturate(c, r)
		}
	}
	value := valueOf(c.from, c.ftz && c.from == ptx.F32)
	if !toF {
		width, signed, single := uint(c.to.Bits()), c.to.Signed(), c.from != ptx.F64
		return func(v uint64) uint64 { return ieee.ToInt(value(v), c.integral, width, signed, single) }
	}
	f := formatOf(c.to)
	return func(v uint64) uint64 {
		x := value(v)
		if c.hasInt {
			x = ieee.Integral(x, c.integral)
		}
		r := f.From(x, c.mode)
		if c.ftz && c.to == ptx.F32 {
			r = uint64(b32of(ieee.Flush32(f32of(uint32(r)))))
		}
		if c.relu {
			r = relu(f, r)
		}
		return saturate(c, r)
	}
}

// saturate applies .sat to a float result.
func saturate(c cvt, r uint64) uint64 {
	if !c.sat {
		return r
	}
	f := formatOf(c.to)
	return f.From(ieee.Sat64(f.To(r)), ieee.RN)
}

// convertInts changes the width of an integer; .sat clamps to the new type's range.
func convertInts(c cvt) func(v uint64) uint64 {
	if !c.sat {
		return func(v uint64) uint64 { return extend(c.from, v) }
	}
	n := c.to.Bits()
	return func(v uint64) uint64 {
		x := extend(c.from, v)
		switch {
		case c.to.Signed():
			hi := int64(1)<<(n-1) - 1
			if c.from.Signed() {
				return uint64(min(max(int64(x), -hi-1), hi))
			}
			return min(x, uint64(hi))
		case c.from.Signed() && int64(x) < 0:
			return 0
		}
		return min(x, ^uint64(0)>>(64-n))
	}
}
