package vectors

// modes are the rounding modifiers.
var modes = []struct {
	name string
	mode byte
}{{"rn", 'n'}, {"rz", 'z'}, {"rm", 'm'}, {"rp", 'p'}}

// variant is a set of modifiers that an f32 instruction may have.
type variant struct {
	mods     string
	ftz, sat bool
}

func variants(typ string, sat bool) []variant {
	if typ != "f32" {
		return []variant{{}}
	}
	list := []variant{{}, {".ftz", true, false}}
	if sat {
		list = append(list, variant{".sat", false, true}, variant{".ftz.sat", true, true})
	}
	return list
}

// apply computes with the flushing and saturation of a variant.
func (f format) apply(w variant, v []uint64, op func(v []uint64) uint64) []uint64 {
	in := append([]uint64(nil), v...)
	if w.ftz {
		for i := range in {
			in[i] = f.flush(in[i])
		}
	}
	r := op(in)
	if w.ftz {
		r = f.flush(r)
	}
	if w.sat {
		r = f.saturate(r)
	}
	return one(r)
}

func floats() []Case {
	d := draw(3)
	var list []Case
	for _, t := range []string{"f32", "f64"} {
		f := formats[t]
		ops := []struct {
			name string
			n    int
			sat  bool
			f    func(v []uint64, mode byte) uint64
		}{
			{"add", 2, true, func(v []uint64, m byte) uint64 { return f.add(v[0], v[1], m) }},
			{"sub", 2, true, func(v []uint64, m byte) uint64 { return f.add(v[0], f.negate(v[1]), m) }},
			{"mul", 2, true, func(v []uint64, m byte) uint64 { return f.mul(v[0], v[1], m) }},
			{"fma", 3, true, func(v []uint64, m byte) uint64 { return f.fma(v[0], v[1], v[2], m) }},
			{"div", 2, false, func(v []uint64, m byte) uint64 { return f.div(v[0], v[1], m) }},
			{"rcp", 1, false, func(v []uint64, m byte) uint64 { return f.div(uint64(f.bias)<<f.mant, v[0], m) }},
			{"sqrt", 1, false, func(v []uint64, m byte) uint64 { return f.sqrt(v[0], m) }},
		}
		for _, op := range ops {
			args := []string{t, t, t}[:op.n]
			inst := ".$0, $1, $2, $3"
			inst = inst[1 : len(inst)-4*(3-op.n)]
			for _, m := range modes {
				for _, w := range variants(t, op.sat) {
					n := 64
					if w.mods != "" {
						n = 36
					}
					in := rows(n, &d, args...)
					if op.name == "fma" && w.mods == "" {
						in = append(in, f.twiceRounded(&d)...)
					}
					if w.mods == "" {
						in = append(in, f.ties(op.name, op.n)...)
					}
					list = append(list, compute(op.name+"."+m.name+w.mods+"."+t+" "+inst, t, 50, in, func(v []uint64) []uint64 {
						return f.apply(w, v, func(v []uint64) uint64 { return op.f(v, m.mode) })
					}, args...))
				}
			}
		}
		for _, w := range variants(t, false) {
			for _, name := range []string{"abs", "neg"} {
				list = append(list, compute(name+w.mods+"."+t+" $0, $1", t, 50, rows(30, &d, t), func(v []uint64) []uint64 {
					return f.apply(variant{ftz: w.ftz}, v, func(v []uint64) uint64 {
						if name == "neg" {
							return f.negate(v[0])
						}
						return v[0] &^ (1 << (f.bits - 1))
					})
				}, t))
			}
		}
		list = append(list, compute("copysign."+t+" $0, $1, $2", t, 50, rows(40, &d, t, t), func(v []uint64) []uint64 {
			return one(f.signed(f.neg(v[0]), v[1]&^(1<<(f.bits-1))))
		}, t, t))
	}
	// The forms without a rounding modifier, which nvcc emits, are the same as with .rn; mad is the same as fma.
	f := formats["f32"]
	list = append(list,
		compute("add.f32 $0, $1, $2", "f32", 50, rows(30, &d, "f32", "f32"), func(v []uint64) []uint64 { return one(f.add(v[0], v[1], 'n')) }, "f32", "f32"),
		compute("mad.rn.f32 $0, $1, $2, $3", "f32", 50, rows(30, &d, "f32", "f32", "f32"), func(v []uint64) []uint64 { return one(f.fma(v[0], v[1], v[2], 'n')) }, "f32", "f32", "f32"))
	return list
}

// ties returns operands whose exact result is at, or next to, the midpoint between two numbers.
func (f format) ties(name string, n int) [][]uint64 {
	one := uint64(f.bias) << f.mant
	ulp := one - uint64(f.mant)<<f.mant       // 2^-mant
	half := one - uint64(f.mant+1)<<f.mant    // half of it
	quarter := one - uint64(f.mant+2)<<f.mant // a quarter
	tiny := uint64(1)
	lists := map[string][][]uint64{
		"add":  {{one, half}, {one + 1, half}, {one, half + 1}, {one + 1, half - 1}, {one, quarter}, {one, tiny}, {one - 1, quarter}, {f.inf(false) - 1, half << 0}, {one, ulp}},
		"mul":  {{one + 1, one + 1}, {one + 3, one + 1<<(f.mant-1)}, {1<<f.mant + 1, one - 1<<f.mant}, {3, one - 1<<f.mant}, {1, one - 1<<f.mant}, {1, one - 1<<f.mant + 1}},
		"fma":  {{one, one, half}, {one + 1, one, half}, {one + 1, one + 1, f.negate(one + 2)}, {one, one, half + 1}, {one, one, tiny}, {one + 1, one - 1, f.negate(one)}, {half, half, one}, {f.inf(false) - 1, one + 1<<f.mant, f.negate(f.inf(false) - 1)}, {tiny, half, f.negate(tiny)}, {tiny, tiny, one}, {tiny, tiny, 0}},
		"div":  {{one, one + 2<<(f.mant-1) | 1<<(f.mant-1)}, {1, one + 1<<f.mant}, {3, one + 1<<f.mant}, {1<<f.mant + 1, one + 1<<f.mant}, {f.inf(false) - 1, one - 1}, {one + 1, one - 1}, {f.inf(false) - 1, 1}},
		"rcp":  {{f.inf(false) - 1}, {1}, {one + 1}, {one - 1}, {one + 1<<(f.mant-1)}},
		"sqrt": {{one + 1}, {one - 1}, {2}, {3}, {one + 1<<f.mant}, {f.inf(false) - 1}},
	}
	lists["sub"] = nil
	for _, r := range lists["add"] {
		lists["sub"] = append(lists["sub"], []uint64{r[0], f.negate(r[1])}, []uint64{r[0], r[1]})
	}
	return lists[name]
}

// twiceRounded finds operands of a fused multiply-add whose result is wrong if it is first rounded to a wider format (double rounding).
func (f format) twiceRounded(d *draw) [][]uint64 {
	if f.bits != 32 {
		return nil
	}
	wide := formats["f64"]
	var list [][]uint64
	one := uint64(f.bias) << f.mant
	for len(list) < 18 {
		// (1+x)·(1−x), scaled to half a unit in the last place of c, differs from a tie by less than float64 can represent next to c.
		// The last few have a subnormal sum.
		i := 1 + d.next()%8
		a, b := one-uint64(f.mant+1)<<f.mant+i, one-2*i
		c := one + d.next()%(1<<f.mant)
		if len(list) >= 12 {
			a, b = one-75<<f.mant+i, one-75<<f.mant-2*i // 2^-150
			c = 1<<8 + d.next()%(1<<f.mant-1<<9)
		}
		if d.next()%2 == 0 {
			a = f.negate(a)
		}
		exact := func(v uint64) uint64 { return wide.round(f.value(v), 'n', false) }
		s := wide.add(wide.mul(exact(a), exact(b), 'n'), exact(c), 'n')
		if f.round(wide.value(s), 'n', false) != f.fma(a, b, c, 'n') {
			list = append(list, []uint64{a, b, c})
		}
	}
	return list
}
