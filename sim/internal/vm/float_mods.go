package vm

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// isFloat reports whether an instruction is of a floating-point type.
func isFloat(m *mods) bool {
	for _, name := range m.rest {
		if t, ok := ptx.TypeNamed(name); ok && t.Float() {
			return true
		}
	}
	return false
}

// floatMods are the modifiers that most float instructions share.
type floatMods struct {
	mode     ieee.Mode
	given    bool // a rounding was written
	ftz, sat bool
	relu     bool
	t        ptx.Type
}

func rounding(m *mods, names ...string) (ieee.Mode, bool) {
	switch m.oneOf(names...) {
	case "rn":
		return ieee.RN, true
	case "rz":
		return ieee.RZ, true
	case "rm":
		return ieee.RM, true
	case "rp":
		return ieee.RP, true
	}
	return ieee.RN, false
}

// floatModsOf reads [.rnd][.ftz][.sat or .relu].type and rejects invalid combinations.
func (d *decoder) floatModsOf(types ...ptx.Type) (f floatMods, err error) {
	f.mode, f.given = rounding(d.m, "rn", "rz", "rm", "rp")
	f.ftz = d.m.has("ftz")
	f.sat = d.m.has("sat")
	f.relu = d.m.has("relu")
	if f.t, err = d.m.typ(types...); err != nil {
		return f, err
	}
	switch {
	case f.ftz && (f.t == ptx.F64 || f.t == ptx.BF16 || f.t == ptx.BF16x2):
		return f, fmt.Errorf(".ftz does not apply to %v", f.t)
	case f.sat && (f.t == ptx.F64 || f.t == ptx.BF16 || f.t == ptx.BF16x2):
		return f, fmt.Errorf(".sat does not apply to %v", f.t)
	case half(f.t) && f.given && f.mode != ieee.RN:
		return f, fmt.Errorf("this rounding does not apply to %v", f.t)
	}
	return f, nil
}

func half(t ptx.Type) bool {
	return t == ptx.F16 || t == ptx.F16x2 || t == ptx.BF16 || t == ptx.BF16x2
}

// halfFormat returns the format of a half type, and whether it is a packed pair.
func halfFormat(t ptx.Type) (ieee.Format, bool) {
	switch t {
	case ptx.F16:
		return ieee.Half, false
	case ptx.F16x2:
		return ieee.Half, true
	case ptx.BF16:
		return ieee.BFloat, false
	}
	return ieee.BFloat, true
}

// needHalf returns an error if the target has no arithmetic of a half type.
func (d *decoder) needHalf(t ptx.Type, bfVersion, bfSM int) error {
	if t == ptx.F16 || t == ptx.F16x2 {
		return d.need(42, 53)
	}
	return d.need(bfVersion, bfSM)
}

var arithmetic = []ptx.Type{ptx.F32, ptx.F64, ptx.F16, ptx.F16x2, ptx.BF16, ptx.BF16x2}
