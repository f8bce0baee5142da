package vm

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// isFloat says whether an instruction is of a floating-point type.
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

// floatModsOf reads [.rnd][.ftz][.sat or .relu].type and says what does not go together.
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
		return f, fmt.Errorf(".ftz does not go with %v", f.t)
	case f.sat && (f.t == ptx.F64 || f.t == ptx.BF16 || f.t == ptx.BF16x2):
		return f, fmt.Errorf(".sat does not go with %v", f.t)
	case half(f.t) && f.given && f.mode != ieee.RN:
		return f, fmt.Errorf("this rounding does not go with %v", f.t)
	}
	return f, nil
}

func half(t ptx.Type) bool {
	return t == ptx.F16 || t == ptx.F16x2 || t == ptx.BF16 || t == ptx.BF16x2
}

// halfFormat is the format of a half type, and whether two are packed.
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

// needHalf is an error where the target has no arithmetic of a half type.
func (d *decoder) needHalf(t ptx.Type, bfVersion, bfSM int) error {
	if t == ptx.F16 || t == ptx.F16x2 {
		return d.need(42, 53)
	}
	return d.need(bfVersion, bfSM)
}

var arithmetic = []ptx.Type{ptx.F32, ptx.F64, ptx.F16, ptx.F16x2, ptx.BF16, ptx.BF16x2}

// floatAdd is add and sub.
func (d *decoder) floatAdd(in *ptx.Inst) error {
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if f.relu {
		return fmt.Errorf("modifier .relu is not known here")
	}
	minus, mode := in.Op == "sub", f.mode
	switch {
	case half(f.t):
		if err := d.needHalf(f.t, 78, 90); err != nil {
			return err
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 2, halves(fm, packed, f.ftz, f.sat, func(a, b, _ float64) uint64 {
			if minus {
				b = -b
			}
			return ieee.AddSmall(fm, a, b, ieee.RN)
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		if minus {
			return d.plain(f.t, in, 2, fn64(subF64))
		}
		return d.plain(f.t, in, 2, fn64(addF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 {
			if minus {
				b = -b
			}
			return ieee.Add64(a, b, mode)
		}))
	case mode == ieee.RN && !f.ftz && !f.sat && minus:
		return d.plain(f.t, in, 2, fn32(subF32))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 2, fn32(addF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, f.sat, func(a, b, _ float32) float32 {
		if minus {
			b = -b
		}
		return ieee.Add32(a, b, mode)
	}))
}

func (d *decoder) floatMul(in *ptx.Inst) error {
	if in.Op == "mad" {
		return d.fma(in)
	}
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if f.relu {
		return fmt.Errorf("modifier .relu is not known here")
	}
	mode := f.mode
	switch {
	case half(f.t):
		if err := d.needHalf(f.t, 78, 90); err != nil {
			return err
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 2, halves(fm, packed, f.ftz, f.sat, func(a, b, _ float64) uint64 {
			return fm.From(float64(a*b), ieee.RN)
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 2, fn64(mulF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 { return ieee.Mul64(a, b, mode) }))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 2, fn32(mulF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, f.sat, func(a, b, _ float32) float32 { return ieee.Mul32(a, b, mode) }))
}

func decodeFma(d *decoder, in *ptx.Inst) error { return d.fma(in) }

// fma is fma, and mad of floats, which is the same since sm_20.
func (d *decoder) fma(in *ptx.Inst) error {
	f, err := d.floatModsOf(arithmetic...)
	if err != nil {
		return err
	}
	if !f.given {
		return fmt.Errorf("a rounding is missing")
	}
	if f.relu && !half(f.t) || f.relu && f.sat {
		return fmt.Errorf("modifier .relu is not known here")
	}
	mode := f.mode
	switch {
	case half(f.t) && in.Op == "mad":
		return fmt.Errorf("type %v is not supported here", f.t)
	case half(f.t):
		if err := d.needHalf(f.t, 70, 80); err != nil {
			return err
		}
		if f.relu {
			if err := d.need(70, 80); err != nil {
				return err
			}
		}
		fm, packed := halfFormat(f.t)
		return d.plain(f.t, in, 3, halves(fm, packed, f.ftz, f.sat, func(a, b, c float64) uint64 {
			v := ieee.FMASmall(fm, a, b, c, ieee.RN)
			if f.relu {
				v = relu(fm, v)
			}
			return v
		}))
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 3, fn64(fmaF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 3, floats64(func(a, b, c float64) float64 { return ieee.FMA64(a, b, c, mode) }))
	case mode == ieee.RN && !f.ftz && !f.sat:
		return d.plain(f.t, in, 3, fn32(fmaF32))
	}
	return d.plain(f.t, in, 3, floats32(f.ftz, f.sat, func(a, b, c float32) float32 { return ieee.FMA32(a, b, c, mode) }))
}

// relu makes negative values and NaN +0… NaN stays NaN.
func relu(f ieee.Format, v uint64) uint64 {
	if x := f.To(v); x == x && math.Signbit(x) {
		return 0
	}
	return v
}

// floatDiv is div.
func (d *decoder) floatDiv(in *ptx.Inst) error {
	if in.Op == "rem" {
		return fmt.Errorf("type is not supported here")
	}
	if how := d.m.oneOf("approx", "full"); how != "" {
		return d.approximate(in, 2, func(a, b float64) float64 { return a / b })
	}
	f, err := d.floatModsOf(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if !f.given || f.sat || f.relu {
		return fmt.Errorf("div needs a rounding and takes no saturation")
	}
	mode := f.mode
	switch {
	case f.t == ptx.F64 && mode == ieee.RN:
		return d.plain(f.t, in, 2, fn64(divF64))
	case f.t == ptx.F64:
		return d.plain(f.t, in, 2, floats64(func(a, b, _ float64) float64 { return ieee.Div64(a, b, mode) }))
	case mode == ieee.RN && !f.ftz:
		return d.plain(f.t, in, 2, fn32(divF32))
	}
	return d.plain(f.t, in, 2, floats32(f.ftz, false, func(a, b, _ float32) float32 { return ieee.Div32(a, b, mode) }))
}

// decodeRoot is rcp and sqrt.
func decodeRoot(d *decoder, in *ptx.Inst) error {
	rcp := in.Op == "rcp"
	if d.m.has("approx") {
		return d.approximate(in, 1, func(a, _ float64) float64 {
			if rcp {
				return 1 / a
			}
			return math.Sqrt(a)
		})
	}
	f, err := d.floatModsOf(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if !f.given || f.sat || f.relu {
		return fmt.Errorf("%s needs a rounding and takes no saturation", in.Op)
	}
	mode := f.mode
	if f.t == ptx.F64 {
		return d.plain(f.t, in, 1, floats64(func(a, _, _ float64) float64 {
			if rcp {
				return ieee.Div64(1, a, mode)
			}
			return ieee.Sqrt64(a, mode)
		}))
	}
	return d.plain(f.t, in, 1, floats32(f.ftz, false, func(a, _, _ float32) float32 {
		if rcp {
			return ieee.Div32(1, a, mode)
		}
		return ieee.Sqrt32(a, mode)
	}))
}

// floatSign is abs and neg: they act on the sign bit alone, of NaN too.
func (d *decoder) floatSign(in *ptx.Inst) error {
	ftz := d.m.has("ftz")
	t, err := d.m.typ(arithmetic...)
	if err != nil {
		return err
	}
	abs := in.Op == "abs"
	if half(t) {
		if abs {
			err = d.needHalf(t, 70, 80)
			if t == ptx.F16 || t == ptx.F16x2 {
				err = d.need(65, 53)
			}
		} else {
			err = d.needHalf(t, 70, 80)
			if t == ptx.F16 || t == ptx.F16x2 {
				err = d.need(60, 53)
			}
		}
		if err != nil {
			return err
		}
	}
	switch {
	case ftz && t != ptx.F32 && t != ptx.F16 && t != ptx.F16x2:
		return fmt.Errorf(".ftz does not go with %v", t)
	case t == ptx.F64 && abs:
		return d.plain(t, in, 1, fn64(absB64))
	case t == ptx.F64:
		return d.plain(t, in, 1, fn64(negB64))
	case t == ptx.F32 && !ftz && abs:
		return d.plain(t, in, 1, fn32(absB32))
	case t == ptx.F32 && !ftz:
		return d.plain(t, in, 1, fn32(negB32))
	}
	var sign, exp uint32 = 1 << 31, 0x7f800000
	packed := false
	if half(t) {
		var fm ieee.Format
		fm, packed = halfFormat(t)
		sign, exp = 1<<15, uint32(expMask(fm))
	}
	one := func(v uint32) uint32 {
		if ftz && v&exp == 0 {
			v &= sign
		}
		if abs {
			return v &^ sign
		}
		return v ^ sign
	}
	return d.plain(t, in, 1, fn32(func(d, a, _, _ *lane32) {
		for i := range d {
			if packed {
				d[i] = one(a[i]&0xffff) | one(a[i]>>16)<<16
			} else {
				d[i] = one(a[i])
			}
		}
	}))
}

func (d *decoder) floatMinMax(in *ptx.Inst) error {
	ftz, nan, xor := d.m.has("ftz"), d.m.has("NaN"), d.m.has("xorsign")
	if xor && !d.m.has("abs") {
		return fmt.Errorf(".xorsign needs .abs")
	}
	t, err := d.m.typ(arithmetic...)
	if err != nil {
		return err
	}
	switch {
	case t == ptx.F64 && (ftz || nan || xor), ftz && (t == ptx.BF16 || t == ptx.BF16x2):
		return fmt.Errorf("a modifier does not go with %v", t)
	case xor:
		err = d.need(72, 86)
	case nan, half(t):
		err = d.need(70, 80)
	}
	if err != nil {
		return err
	}
	pick := ieee.Min64
	if in.Op == "max" {
		pick = ieee.Max64
	}
	f := func(a, b, _ float64) float64 { return pick(a, b, nan) }
	if xor {
		return d.xorMinMax(t, in, ftz, f)
	}
	switch {
	case t == ptx.F64:
		return d.plain(t, in, 2, floats64(f))
	case half(t):
		fm, packed := halfFormat(t)
		return d.plain(t, in, 2, halves(fm, packed, ftz, false, func(a, b, _ float64) uint64 { return fm.From(f(a, b, 0), ieee.RN) }))
	}
	return d.plain(t, in, 2, floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b), 0)) }))
}

// xorMinMax compares magnitudes and gives the result the product of the signs, those of NaN included: they are taken from the
// bits, for not every processor keeps the sign of a NaN in a conversion.
func (d *decoder) xorMinMax(t ptx.Type, in *ptx.Inst, ftz bool, f func(a, b, _ float64) float64) error {
	if t == ptx.F32 {
		g := floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b), 0)) })
		return d.plain(t, in, 2, fn32(func(d, a, b, c *lane32) {
			var x, y, r lane32
			absB32(&x, a, nil, nil)
			absB32(&y, b, nil, nil)
			g(&r, &x, &y, c)
			for i := range d {
				d[i] = r[i]&^(1<<31) | (a[i]^b[i])&(1<<31)
			}
		}))
	}
	fm, packed := halfFormat(t)
	g := halves(fm, packed, ftz, false, func(a, b, _ float64) uint64 { return fm.From(f(a, b, 0), ieee.RN) })
	signs := uint32(1 << 15)
	if packed {
		signs |= 1 << 31
	}
	return d.plain(t, in, 2, fn32(func(d, a, b, c *lane32) {
		var x, y, r lane32
		for i := range a {
			x[i], y[i] = a[i]&^signs, b[i]&^signs
		}
		g(&r, &x, &y, c)
		for i := range d {
			d[i] = r[i]&^signs | (a[i]^b[i])&signs
		}
	}))
}

// decodeTestp asks for a property of a value.
func decodeTestp(d *decoder, in *ptx.Inst) error {
	what := d.m.oneOf("finite", "infinite", "number", "notanumber", "normal", "subnormal")
	if what == "" {
		return fmt.Errorf("a property is missing")
	}
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if err := args(in, 2); err != nil {
		return err
	}
	dst, err := d.dst(ptx.Pred, in.Args[0])
	if err != nil {
		return err
	}
	a, err := d.src(t, in.Args[1])
	if err != nil {
		return err
	}
	smallest := math.Ldexp(1, -126)
	if t == ptx.F64 {
		smallest = math.Ldexp(1, -1022)
	}
	test := func(x float64) bool {
		finite := x-x == 0
		switch what {
		case "finite":
			return finite
		case "infinite":
			return math.IsInf(x, 0)
		case "number":
			return x == x
		case "notanumber":
			return x != x
		case "normal":
			return finite && math.Abs(x) >= smallest
		}
		return x != 0 && math.Abs(x) < smallest
	}
	if t == ptx.F64 {
		d.emitFn(fnCmp64(func(a, _ *lane64) (m uint32) {
			for i, v := range a {
				if test(f64of(v)) {
					m |= 1 << i
				}
			}
			return m
		}), dst, a)
		return nil
	}
	d.emitFn(fnCmp32(func(a, _ *lane32) (m uint32) {
		for i, v := range a {
			if test(float64(f32of(v))) {
				m |= 1 << i
			}
		}
		return m
	}), dst, a)
	return nil
}

// decodeCopysign gives the second operand the sign of the first.
func decodeCopysign(d *decoder, in *ptx.Inst) error {
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	sign := uint64(1) << (t.Bits() - 1)
	return d.plain(t, in, 2, ints(t, func(a, b, _ uint64) uint64 { return b&^sign | a&sign }))
}

// approximate is an instruction whose result PTX only bounds. GPUs differ in its bits, so it runs only where that is wanted, and
// then gives the exact result rounded to nearest (transcendental functions: Go's, computed in float64).
func (d *decoder) approximate(in *ptx.Inst, n int, f func(a, b float64) float64) error {
	if !d.module.Approximate {
		return fmt.Errorf("an approximate instruction, whose bits differ among GPUs (the option Approximate lets it run)")
	}
	ftz := d.m.has("ftz")
	t, err := d.m.typ(ptx.F32, ptx.F64)
	if err != nil {
		return err
	}
	if ftz && in.Op == "tanh" {
		return fmt.Errorf("modifier .ftz is not known here")
	}
	if t == ptx.F64 {
		if in.Op != "rsqrt" && (in.Op != "rcp" || !ftz) {
			return fmt.Errorf("type %v is not supported here", t)
		}
		return d.plain(t, in, n, floats64(func(a, b, _ float64) float64 { return f(a, b) }))
	}
	return d.plain(t, in, n, floats32(ftz, false, func(a, b, _ float32) float32 { return float32(f(float64(a), float64(b))) }))
}

func decodeTranscendental(d *decoder, in *ptx.Inst) error {
	if !d.m.has("approx") {
		return fmt.Errorf(".approx is missing")
	}
	f := map[string]func(float64) float64{
		"sin": math.Sin, "cos": math.Cos, "lg2": math.Log2, "ex2": math.Exp2, "tanh": math.Tanh,
		"rsqrt": func(x float64) float64 { return 1 / math.Sqrt(x) },
	}[in.Op]
	return d.approximate(in, 1, func(a, _ float64) float64 { return f(a) })
}
