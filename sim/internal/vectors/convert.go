package vectors

import "math/big"

func conversions() []Case {
	d := draw(5)
	var list []Case
	ints := []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"}
	floats := []string{"f16", "f32", "f64"}
	for _, from := range ints {
		for _, to := range ints {
			if from == to {
				continue
			}
			list = append(list, compute("cvt."+to+"."+from+" $0, $1", to, 50, rows(24, &d, from), func(v []uint64) []uint64 {
				return one(wrap(widths[to], num(from, v[0])))
			}, from))
			if fits(from, to) {
				continue
			}
			list = append(list, compute("cvt.sat."+to+"."+from+" $0, $1", to, 50, rows(24, &d, from), func(v []uint64) []uint64 {
				return one(clamp(to, num(from, v[0])))
			}, from))
		}
		for _, to := range floats {
			f := formats[to]
			for _, m := range modes {
				in := rows(20, &d, from)
				for i := range 12 { // around the largest integers that the format represents exactly
					w := uint64(1)<<(f.mant+1) + uint64(i) - 4
					in = append(in, []uint64{w << (i % 3 * 4) & (^uint64(0) >> (64 - widths[from]))})
				}
				list = append(list, compute("cvt."+m.name+"."+to+"."+from+" $0, $1", to, 53, in, func(v []uint64) []uint64 {
					return one(f.round(new(big.Rat).SetInt(num(from, v[0])), m.mode, false))
				}, from))
			}
		}
	}
	list = append(list, toInts(&d, ints, floats)...)
	list = append(list, betweenFloats(&d, floats)...)
	return append(list, packs(&d)...)
}

// fits reports whether a type holds all values of another.
func fits(from, to string) bool {
	n, m := widths[from], widths[to]
	if from[0] == to[0] {
		return m >= n
	}
	return to[0] == 's' && m > n
}

// boundaries returns values of a float format close to the limits of an integer type, and halfway between integers.
func (f format) boundaries(to string) [][]uint64 {
	n := widths[to]
	var list [][]uint64
	for _, e := range []int{n - 1, n} {
		v := f.round(scale(big.NewRat(1, 1), e), 'n', false)
		for _, x := range []uint64{v, v - 1, v + 1, f.negate(v), f.negate(v + 1), f.negate(v - 1)} {
			list = append(list, []uint64{x})
		}
	}
	for _, k := range []int64{1, 3, 5, 7, 251, 255, 509, 511} {
		v := f.round(big.NewRat(k, 2), 'n', false)
		list = append(list, []uint64{v}, []uint64{f.negate(v)}, []uint64{v + 1}, []uint64{v - 1})
	}
	return list
}

func toInts(d *draw, ints, floats []string) []Case {
	var list []Case
	for _, from := range floats {
		f := formats[from]
		for _, to := range ints {
			for _, m := range []struct {
				name string
				mode byte
			}{{"rni", 'n'}, {"rzi", 'z'}, {"rmi", 'm'}, {"rpi", 'p'}} {
				for _, w := range variants(from, false) {
					in := rows(26, d, from)
					if w.mods == "" {
						in = append(in, f.boundaries(to)...)
					}
					list = append(list, compute("cvt."+m.name+w.mods+"."+to+"."+from+" $0, $1", to, 53, in, func(v []uint64) []uint64 {
						x := v[0]
						if w.ftz {
							x = f.flush(x)
						}
						n := widths[to]
						switch {
						case f.isNaN(x) && (from == "f64" || n == 64):
							return one(1 << (n - 1))
						case f.isNaN(x):
							return one(0)
						case f.isInf(x):
							big := new(big.Int).Lsh(big.NewInt(1), 100)
							if f.neg(x) {
								big.Neg(big)
							}
							return one(clamp(to, big))
						}
						return one(clamp(to, integral(f.value(x), m.mode)))
					}, from))
				}
			}
		}
	}
	return list
}

func betweenFloats(d *draw, floats []string) []Case {
	var list []Case
	to := func(f, g format, v uint64, mode byte) uint64 {
		switch {
		case f.isNaN(v):
			return g.nan()
		case f.isInf(v):
			return g.inf(f.neg(v))
		}
		return g.round(f.value(v), mode, f.neg(v))
	}
	whole := func(f format, v uint64, mode byte) uint64 {
		if f.isNaN(v) || f.isInf(v) {
			return v
		}
		return f.round(new(big.Rat).SetInt(integral(f.value(v), mode)), 'n', f.neg(v))
	}
	for _, a := range floats {
		for _, b := range floats {
			f, g := formats[a], formats[b]
			ms := modes
			switch {
			case widths[a] < widths[b]:
				ms = ms[:1]
			case a == b:
				continue
			}
			for _, m := range ms {
				rnd := m.name + "."
				if widths[a] < widths[b] {
					rnd = ""
				}
				in := append(rows(40, d, a), f.halfway(g)...)
				list = append(list, compute("cvt."+rnd+b+"."+a+" $0, $1", b, 53, in, func(v []uint64) []uint64 { return one(to(f, g, v[0], m.mode)) }, a))
				if a == "f32" || b == "f32" {
					list = append(list, compute("cvt."+rnd+"ftz."+b+"."+a+" $0, $1", b, 53, in, func(v []uint64) []uint64 {
						x := v[0]
						if a == "f32" {
							x = f.flush(x)
						}
						r := to(f, g, x, m.mode)
						if b == "f32" {
							r = g.flush(r)
						}
						return one(r)
					}, a))
				}
				list = append(list, compute("cvt."+rnd+"sat."+b+"."+a+" $0, $1", b, 53, in, func(v []uint64) []uint64 { return one(g.saturate(to(f, g, v[0], m.mode))) }, a))
			}
		}
		f := formats[a]
		for _, m := range []struct {
			name string
			mode byte
		}{{"rni", 'n'}, {"rzi", 'z'}, {"rmi", 'm'}, {"rpi", 'p'}} {
			list = append(list, compute("cvt."+m.name+"."+a+"."+a+" $0, $1", a, 53, append(rows(30, d, a), f.boundaries("u8")...), func(v []uint64) []uint64 {
				return one(whole(f, v[0], m.mode))
			}, a))
		}
	}
	f, b := formats["f32"], formats["bf16"]
	for _, m := range modes[:2] {
		in := append(rows(40, d, "f32"), f.halfway(b)...)
		list = append(list,
			compute("cvt."+m.name+".bf16.f32 $0, $1", "bf16", 80, in, func(v []uint64) []uint64 { return one(to(f, b, v[0], m.mode)) }, "f32"),
			compute("cvt."+m.name+".relu.bf16.f32 $0, $1", "bf16", 80, in, func(v []uint64) []uint64 { return one(b.relu(to(f, b, v[0], m.mode))) }, "f32"),
			compute("cvt."+m.name+".relu.f16.f32 $0, $1", "f16", 80, in, func(v []uint64) []uint64 {
				g := formats["f16"]
				return one(g.relu(to(f, g, v[0], m.mode)))
			}, "f32"))
	}
	list = append(list, compute("cvt.f32.bf16 $0, $1", "f32", 90, rows(30, d, "bf16"), func(v []uint64) []uint64 { return one(to(b, f, v[0], 'n')) }, "bf16"))
	// tf32 has the range of f32 and 10 bits of fraction, in the upper bits of an f32.
	short := format{bits: 19, mant: 10, bias: 127}
	for _, m := range []struct {
		name string
		mode byte
		sm   int
	}{{"rna", 'a', 80}, {"rn", 'n', 90}, {"rz", 'z', 90}} {
		list = append(list, compute("cvt."+m.name+".tf32.f32 $0, $1", "tf32", m.sm, append(rows(30, d, "f32"), f.halfway(short)...), func(v []uint64) []uint64 {
			return one(to(f, short, v[0], m.mode) << 13)
		}, "f32"))
	}
	return list
}

// halfway returns values of a format at, or next to, the midpoint between two values of a narrower one.
func (f format) halfway(g format) [][]uint64 {
	if g.mant >= f.mant {
		return nil
	}
	half := uint64(1) << (f.mant - g.mant - 1)
	one := uint64(f.bias) << f.mant
	var list [][]uint64
	for _, base := range []uint64{one, one + 2*half, one - 3<<f.mant + 6*half, f.round(scale(big.NewRat(1, 1), 1-g.bias), 'n', false),
		f.round(scale(big.NewRat(3, 1), -g.bias-g.mant), 'n', false), f.round(scale(big.NewRat(1, 1), -g.bias-g.mant), 'n', false), f.round(scale(big.NewRat(1, 1), g.bias+1), 'z', false) - 2*half} {
		for _, v := range []uint64{base + half, base + half - 1, base + half + 1, base, base + 2*half - 1} {
			list = append(list, []uint64{v}, []uint64{f.negate(v)})
		}
	}
	return list
}

// packs put two numbers into one register.
func packs(d *draw) []Case {
	var list []Case
	f := formats["f32"]
	narrow := func(g format, v uint64, mode byte) uint64 {
		switch {
		case f.isNaN(v):
			return g.nan()
		case f.isInf(v):
			return g.inf(f.neg(v))
		}
		return g.round(f.value(v), mode, f.neg(v))
	}
	for _, t := range []string{"f16", "bf16"} {
		g := formats[t]
		for _, m := range modes[:2] {
			for _, relu := range []string{"", ".relu"} {
				list = append(list, compute("cvt."+m.name+relu+"."+t+"x2.f32 $0, $1, $2", t+"x2", 80, rows(40, d, "f32", "f32"), func(v []uint64) []uint64 {
					hi, lo := narrow(g, v[0], m.mode), narrow(g, v[1], m.mode)
					if relu != "" {
						hi, lo = g.relu(hi), g.relu(lo)
					}
					return one(hi<<16 | lo)
				}, "f32", "f32"))
			}
		}
	}
	for _, t := range []string{"u8", "s8", "u16", "s16"} {
		n := widths[t]
		if n == 16 {
			list = append(list, compute("cvt.pack.sat."+t+".s32 $0, $1, $2", "b32", 72, rows(40, d, "s32", "s32"), func(v []uint64) []uint64 {
				return one(clamp(t, num("s32", v[0]))<<16 | clamp(t, num("s32", v[1])))
			}, "s32", "s32"))
			continue
		}
		list = append(list, compute("cvt.pack.sat."+t+".s32.b32 $0, $1, $2, $3", "b32", 72, rows(40, d, "s32", "s32", "b32"), func(v []uint64) []uint64 {
			return one((v[2]<<16 | clamp(t, num("s32", v[0]))<<8 | clamp(t, num("s32", v[1]))) & 0xffffffff)
		}, "s32", "s32", "b32"))
	}
	return list
}
