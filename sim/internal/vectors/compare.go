package vectors

import "strings"

// relation returns the order of two values: -1, 0, 1, or 2 for unordered.
func relation(t string, a, b uint64) int {
	f, ok := formats[t]
	if !ok {
		return num(t, a).Cmp(num(t, b))
	}
	if f.isNaN(a) || f.isNaN(b) {
		return 2
	}
	rank := func(v uint64) int64 { // an integer in the order of the values, the same for both zeros
		m := int64(v &^ (1 << (f.bits - 1)))
		if f.neg(v) {
			return -m
		}
		return m
	}
	switch x, y := rank(a), rank(b); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// holds reports whether a comparison is true for a relation.
func holds(cmp string, r int) bool {
	unordered := strings.HasSuffix(cmp, "u") && len(cmp) == 3
	switch base := strings.TrimSuffix(cmp, "u"); {
	case cmp == "num":
		return r != 2
	case cmp == "nan":
		return r == 2
	case r == 2:
		return unordered
	default:
		return map[string]bool{"eq": r == 0, "ne": r != 0, "lt": r < 0, "le": r <= 0, "gt": r > 0, "ge": r >= 0,
			"lo": r < 0, "ls": r <= 0, "hi": r > 0, "hs": r >= 0}[base]
	}
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func comparisons() []Case {
	d := draw(6)
	var list []Case
	ordered := strings.Fields("eq ne lt le gt ge")
	floating := strings.Fields("eq ne lt le gt ge equ neu ltu leu gtu geu num nan")
	for _, t := range strings.Fields("b16 b32 b64 u16 u32 u64 s16 s32 s64 f16 f32 f64 bf16") {
		cmps := ordered
		sm := 50
		_, isFloat := formats[t]
		switch {
		case t[0] == 'b' && !isFloat:
			cmps = ordered[:2]
		case t[0] == 'u':
			cmps = append(ordered[:6:6], "lo", "ls", "hi", "hs")
		case isFloat:
			cmps = floating
		}
		if t == "f16" {
			sm = 53
		} else if t == "bf16" {
			sm = 90
		}
		for _, cmp := range cmps {
			list = append(list, compute("setp."+cmp+"."+t+" $0, $1, $2", "pred", sm, near(rows(40, &d, t, t)), func(v []uint64) []uint64 {
				return one(truth(holds(cmp, relation(t, v[0], v[1]))))
			}, t, t))
		}
	}
	list = append(list, combined(&d)...)
	list = append(list, selections(&d)...)
	return append(list, extremes(&d)...)
}

// near makes some pairs equal or adjacent.
func near(in [][]uint64) [][]uint64 {
	for i, r := range in {
		switch i % 6 {
		case 1:
			r[1] = r[0]
		case 3:
			if r[0] > 0 {
				r[1] = r[0] - 1
			}
		}
	}
	return in
}

// combined are comparisons with a boolean operation, two results, or a number as result.
func combined(d *draw) []Case {
	var list []Case
	boolean := map[string]func(a, b bool) bool{
		"and": func(a, b bool) bool { return a && b }, "or": func(a, b bool) bool { return a || b }, "xor": func(a, b bool) bool { return a != b },
	}
	for _, t := range []string{"s32", "u64", "f32", "f64"} {
		list = append(list, compute("setp.lt."+t+" $0|$1, $2, $3", "pred pred", 50, near(rows(30, d, t, t)), func(v []uint64) []uint64 {
			b := holds("lt", relation(t, v[0], v[1]))
			return []uint64{truth(b), truth(!b)}
		}, t, t))
		for _, op := range []string{"and", "or", "xor"} {
			for _, not := range []string{"", "!"} {
				in := near(rows(30, d, t, t, "pred"))
				for i, r := range in {
					r[2] = uint64(i/2) % 2
				}
				list = append(list, compute("setp.ge."+op+"."+t+" $0|$1, $2, $3, "+not+"$4", "pred pred", 50, in, func(v []uint64) []uint64 {
					b, c := holds("ge", relation(t, v[0], v[1])), (v[2] == 1) != (not == "!")
					return []uint64{truth(boolean[op](b, c)), truth(boolean[op](!b, c))}
				}, t, t, "pred"))
			}
		}
	}
	f := formats["f32"]
	list = append(list, compute("setp.lt.ftz.f32 $0, $1, $2", "pred", 50, rows(40, d, "f32", "f32"), func(v []uint64) []uint64 {
		return one(truth(holds("lt", relation("f32", f.flush(v[0]), f.flush(v[1])))))
	}, "f32", "f32"))
	for _, t := range []string{"f16x2", "bf16x2"} {
		elem, sm := strings.TrimSuffix(t, "x2"), 53
		if t == "bf16x2" {
			sm = 90
		}
		list = append(list, compute("setp.le."+t+" $0|$1, $2, $3", "pred pred", sm, near(rows(40, d, t, t)), func(v []uint64) []uint64 {
			return []uint64{truth(holds("le", relation(elem, v[0]&0xffff, v[1]&0xffff))), truth(holds("le", relation(elem, v[0]>>16, v[1]>>16)))}
		}, t, t))
	}
	for _, t := range []string{"s32", "u32", "f32", "f64", "b64"} {
		list = append(list, compute("set.ne.u32."+t+" $0, $1, $2", "u32", 50, near(rows(30, d, t, t)), func(v []uint64) []uint64 {
			return one(0xffffffff * truth(holds("ne", relation(t, v[0], v[1]))))
		}, t, t), compute("set.eq.f32."+t+" $0, $1, $2", "f32", 50, near(rows(30, d, t, t)), func(v []uint64) []uint64 {
			return one(0x3f800000 * truth(holds("eq", relation(t, v[0], v[1]))))
		}, t, t))
	}
	list = append(list, compute("set.gt.and.u32.s32 $0, $1, $2, !$3", "u32", 50, rows(30, d, "s32", "s32", "pred"), func(v []uint64) []uint64 {
		return one(0xffffffff * truth(holds("gt", relation("s32", v[0], v[1])) && v[2] == 0))
	}, "s32", "s32", "pred"))
	for _, t := range []string{"f32", "f64"} {
		f := formats[t]
		for _, p := range []struct {
			what string
			test func(v uint64) bool
		}{
			{"finite", func(v uint64) bool { return f.exp(v) != f.expMax() }}, {"infinite", f.isInf}, {"notanumber", f.isNaN},
			{"number", func(v uint64) bool { return !f.isNaN(v) }}, {"subnormal", f.isSub},
			{"normal", func(v uint64) bool { return f.exp(v) != 0 && f.exp(v) != f.expMax() }},
		} {
			list = append(list, compute("testp."+p.what+"."+t+" $0, $1", "pred", 50, rows(30, d, t), func(v []uint64) []uint64 { return one(truth(p.test(v[0]))) }, t))
		}
	}
	return list
}

func selections(d *draw) []Case {
	var list []Case
	for _, t := range strings.Fields("b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64") {
		for _, not := range []string{"", "!"} {
			list = append(list, compute("selp."+t+" $0, $1, $2, "+not+"$3", t, 50, rows(16, d, t, t, "pred"), func(v []uint64) []uint64 {
				if (v[2] == 1) != (not == "!") {
					return one(v[0])
				}
				return one(v[1])
			}, t, t, "pred"))
		}
		list = append(list, compute("slct."+t+".s32 $0, $1, $2, $3", t, 50, rows(20, d, t, t, "s32"), func(v []uint64) []uint64 {
			if bit(v[2], 31) == 0 {
				return one(v[0])
			}
			return one(v[1])
		}, t, t, "s32"), compute("slct."+t+".f32 $0, $1, $2, $3", t, 50, rows(30, d, t, t, "f32"), func(v []uint64) []uint64 {
			if r := relation("f32", v[2], 0); r == 0 || r == 1 {
				return one(v[0])
			}
			return one(v[1])
		}, t, t, "f32"))
	}
	return list
}

// extremes are min and max of floats.
func extremes(d *draw) []Case {
	var list []Case
	for _, t := range strings.Fields("f32 f64 f16 f16x2 bf16 bf16x2") {
		elem := strings.TrimSuffix(t, "x2")
		f := formats[elem]
		mods := []string{""}
		if t != "f64" {
			mods = append(mods, ".NaN", ".xorsign.abs", ".NaN.xorsign.abs")
			if elem != "bf16" {
				mods = append(mods, ".ftz", ".ftz.NaN")
			}
		}
		for _, name := range []string{"min", "max"} {
			for _, mod := range mods {
				sm := 50
				if mod != "" && mod != ".ftz" || elem != "f32" && elem != "f64" {
					sm = 80
				}
				if strings.Contains(mod, "xorsign") {
					sm = 86
				}
				list = append(list, compute(name+mod+"."+t+" $0, $1, $2", t, sm, near(rows(60, d, t, t)), func(v []uint64) []uint64 {
					return one(pairwise(t, v, func(v []uint64) uint64 { return f.extreme(name, mod, v[0], v[1]) }))
				}, t, t))
			}
		}
	}
	return list
}

func (f format) extreme(name, mod string, a, b uint64) uint64 {
	if strings.Contains(mod, "ftz") {
		a, b = f.flush(a), f.flush(b)
	}
	sign := f.neg(a) != f.neg(b)
	xor := strings.Contains(mod, "xorsign")
	if xor {
		a, b = a&^(1<<(f.bits-1)), b&^(1<<(f.bits-1))
	}
	var r uint64
	switch {
	case f.isNaN(a) && f.isNaN(b), strings.Contains(mod, "NaN") && (f.isNaN(a) || f.isNaN(b)):
		return f.nan()
	case f.isNaN(a):
		r = b
	case f.isNaN(b):
		r = a
	default:
		// The bits of positive numbers increase with their values, those of negative ones decrease; -0 is below +0.
		rank := func(v uint64) int64 {
			m := int64(v &^ (1 << (f.bits - 1)))
			if f.neg(v) {
				return -m - 1
			}
			return m
		}
		if r = a; (rank(b) < rank(a)) == (name == "min") {
			r = b
		}
	}
	if xor {
		r = f.signed(sign, r)
	}
	return r
}
