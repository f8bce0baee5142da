package vectors

import "math/big"

// num returns bits of an integer type as a number.
func num(typ string, v uint64) *big.Int {
	n := widths[typ]
	b := new(big.Int).SetUint64(v & (^uint64(0) >> (64 - n)))
	if typ[0] == 's' && b.Bit(n-1) == 1 {
		b.Sub(b, new(big.Int).Lsh(big.NewInt(1), uint(n)))
	}
	return b
}

// wrap keeps the lower bits of an integer.
func wrap(n int, b *big.Int) uint64 {
	m := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(n)), big.NewInt(1))
	return new(big.Int).And(b, m).Uint64()
}

// clamp limits an integer to a type.
func clamp(typ string, b *big.Int) uint64 {
	n := uint(widths[typ])
	lo, hi := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), n)
	if typ[0] == 's' {
		hi.Rsh(hi, 1)
		lo.Neg(hi)
	}
	hi.Sub(hi, big.NewInt(1))
	if b.Cmp(lo) < 0 {
		b = lo
	} else if b.Cmp(hi) > 0 {
		b = hi
	}
	return wrap(int(n), b)
}

type bigOp func(a, b, c *big.Int) *big.Int

func plus(a, b, _ *big.Int) *big.Int  { return new(big.Int).Add(a, b) }
func minus(a, b, _ *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
func times(a, b, _ *big.Int) *big.Int { return new(big.Int).Mul(a, b) }

func integers() []Case {
	d := draw(1)
	var list []Case
	// three applies an operation of up to three operands of a type and keeps the lower bits.
	emit := func(inst string, n, sm int, out, in string, f func(v []*big.Int) uint64) {
		types := []string{in, in, in}[:n]
		list = append(list, compute(inst, out, sm, rows(56, &d, types...), func(v []uint64) []uint64 {
			var b []*big.Int
			for _, x := range v {
				b = append(b, num(in, x))
			}
			return one(f(b))
		}, types...))
	}
	simple := func(name string, n int, types []string, f bigOp) {
		for _, t := range types {
			inst := name + "." + t + " $0, $1, $2, $3"
			inst = inst[:len(inst)-4*(3-n)]
			emit(inst, n, 50, t, t, func(v []*big.Int) uint64 {
				for len(v) < 3 {
					v = append(v, new(big.Int))
				}
				return wrap(widths[t], f(v[0], v[1], v[2]))
			})
		}
	}
	all := []string{"u16", "u32", "u64", "s16", "s32", "s64"}
	simple("add", 2, all, plus)
	simple("sub", 2, all, minus)
	simple("mul.lo", 2, all, times)
	simple("mad.lo", 3, all, func(a, b, c *big.Int) *big.Int { return plus(times(a, b, nil), c, nil) })
	for _, t := range all {
		n := uint(widths[t])
		hi := func(a, b *big.Int) *big.Int { return new(big.Int).Rsh(times(a, b, nil), n) }
		simple("mul.hi", 2, []string{t}, func(a, b, _ *big.Int) *big.Int { return hi(a, b) })
		simple("mad.hi", 3, []string{t}, func(a, b, c *big.Int) *big.Int { return plus(hi(a, b), c, nil) })
		simple("min", 2, []string{t}, func(a, b, _ *big.Int) *big.Int {
			if a.Cmp(b) < 0 {
				return a
			}
			return b
		})
		simple("max", 2, []string{t}, func(a, b, _ *big.Int) *big.Int {
			if a.Cmp(b) > 0 {
				return a
			}
			return b
		})
		simple("sad", 3, []string{t}, func(a, b, c *big.Int) *big.Int { return plus(c, new(big.Int).Abs(minus(a, b, nil)), nil) })
		list = append(list, division(t, "div", &d), division(t, "rem", &d))
	}
	simple("abs", 1, []string{"s16", "s32", "s64"}, func(a, _, _ *big.Int) *big.Int { return new(big.Int).Abs(a) })
	simple("neg", 1, []string{"s16", "s32", "s64"}, func(a, _, _ *big.Int) *big.Int { return new(big.Int).Neg(a) })
	emit("add.sat.s32 $0, $1, $2", 2, 50, "s32", "s32", func(v []*big.Int) uint64 { return clamp("s32", plus(v[0], v[1], nil)) })
	emit("sub.sat.s32 $0, $1, $2", 2, 50, "s32", "s32", func(v []*big.Int) uint64 { return clamp("s32", minus(v[0], v[1], nil)) })
	emit("mad.hi.sat.s32 $0, $1, $2, $3", 3, 50, "s32", "s32", func(v []*big.Int) uint64 {
		return clamp("s32", plus(new(big.Int).Rsh(times(v[0], v[1], nil), 32), v[2], nil))
	})
	for _, w := range [][2]string{{"u16", "u32"}, {"s16", "s32"}, {"u32", "u64"}, {"s32", "s64"}} {
		in, out := w[0], w[1]
		emit("mul.wide."+in+" $0, $1, $2", 2, 50, out, in, func(v []*big.Int) uint64 { return wrap(widths[out], times(v[0], v[1], nil)) })
		list = append(list, compute("mad.wide."+in+" $0, $1, $2, $3", out, 50, rows(56, &d, in, in, out), func(v []uint64) []uint64 {
			return one(wrap(widths[out], plus(times(num(in, v[0]), num(in, v[1]), nil), num(out, v[2]), nil)))
		}, in, in, out))
	}
	list = append(list, mul24(&d)...)
	list = append(list, carries(&d)...)
	return append(list, dots(&d)...)
}

// division leaves out division by zero, whose result PTX does not specify.
func division(t, name string, d *draw) Case {
	var in [][]uint64
	for _, r := range rows(70, d, t, t) {
		if r[1] != 0 {
			in = append(in, r)
		}
	}
	return compute(name+"."+t+" $0, $1, $2", t, 50, in, func(v []uint64) []uint64 {
		q, r := new(big.Int).QuoRem(num(t, v[0]), num(t, v[1]), new(big.Int)) // truncated, as in C
		if name == "rem" {
			q = r
		}
		return one(wrap(widths[t], q))
	}, t, t)
}

func mul24(d *draw) []Case {
	var list []Case
	for _, t := range []string{"u32", "s32"} {
		cut := func(v uint64) *big.Int {
			b := num("u32", v&(1<<24-1))
			if t == "s32" && b.Bit(23) == 1 {
				b.Sub(b, big.NewInt(1<<24))
			}
			return b
		}
		for _, half := range []string{"lo", "hi"} {
			product := func(v []uint64) *big.Int {
				p := times(cut(v[0]), cut(v[1]), nil)
				if half == "hi" {
					p.Rsh(p, 16)
				}
				return num(t, wrap(32, p))
			}
			list = append(list, compute("mul24."+half+"."+t+" $0, $1, $2", t, 50, rows(50, d, t, t), func(v []uint64) []uint64 {
				return one(wrap(32, product(v)))
			}, t, t), compute("mad24."+half+"."+t+" $0, $1, $2, $3", t, 50, rows(50, d, t, t, t), func(v []uint64) []uint64 {
				return one(wrap(32, plus(product(v), num(t, v[2]), nil)))
			}, t, t, t))
		}
	}
	return append(list, compute("mad24.hi.sat.s32 $0, $1, $2, $3", "s32", 50, rows(50, d, "s32", "s32", "s32"), func(v []uint64) []uint64 {
		cut := func(x uint64) *big.Int { return num("s32", uint64(int64(x<<40)>>40)) }
		p := times(cut(v[0]), cut(v[1]), nil)
		return one(clamp("s32", plus(p.Rsh(p, 16), num("s32", v[2]), nil)))
	}, "s32", "s32", "s32"))
}

// carries are cases of sums and products of several words: two instructions with a carry between them.
func carries(d *draw) []Case {
	var list []Case
	for _, t := range []string{"u32", "u64", "s32", "s64"} {
		n := widths[t]
		u := "u" + t[1:]
		wide := func(lo, hi uint64) *big.Int {
			return plus(num(u, lo), new(big.Int).Lsh(num(u, hi), uint(n)), nil)
		}
		both := func(b *big.Int) []uint64 {
			return []uint64{wrap(n, b), wrap(n, new(big.Int).Rsh(b, uint(n)))}
		}
		in := rows(50, d, t, t, t, t)
		list = append(list,
			compute("add.cc."+t+" $0, $2, $4; addc."+t+" $1, $3, $5", t+" "+t, 50, in, func(v []uint64) []uint64 {
				return both(plus(wide(v[0], v[1]), wide(v[2], v[3]), nil))
			}, t, t, t, t),
			compute("sub.cc."+t+" $0, $2, $4; subc."+t+" $1, $3, $5", t+" "+t, 50, in, func(v []uint64) []uint64 {
				return both(minus(wide(v[0], v[1]), wide(v[2], v[3]), nil))
			}, t, t, t, t))
		if t[0] == 'u' { // a·b + (c, d), the double word
			list = append(list, compute("mad.lo.cc."+t+" $0, $2, $3, $4; madc.hi."+t+" $1, $2, $3, $5", t+" "+t, 50, in, func(v []uint64) []uint64 {
				return both(plus(times(num(t, v[0]), num(t, v[1]), nil), wide(v[2], v[3]), nil))
			}, t, t, t, t))
		}
	}
	// Three words, so that addc.cc and subc.cc have a carry both in and out.
	for _, op := range []string{"add", "sub"} {
		f := plus
		if op == "sub" {
			f = minus
		}
		inst := op + ".cc.u32 $0, $3, $6; " + op + "c.cc.u32 $1, $4, $7; " + op + "c.u32 $2, $5, $8"
		list = append(list, compute(inst, "u32 u32 u32", 50, rows(50, d, "u32", "u32", "u32", "u32", "u32", "u32"), func(v []uint64) []uint64 {
			word := func(v []uint64) *big.Int {
				b := new(big.Int)
				for i := 2; i >= 0; i-- {
					b.Lsh(b, 32)
					b.Add(b, num("u32", v[i]))
				}
				return b
			}
			r := f(word(v[:3]), word(v[3:]), nil)
			return []uint64{wrap(32, r), wrap(32, new(big.Int).Rsh(r, 32)), wrap(32, new(big.Int).Rsh(r, 64))}
		}, "u32", "u32", "u32", "u32", "u32", "u32"))
	}
	return list
}

// dots are cases of sums of products of bytes.
func dots(d *draw) []Case {
	var list []Case
	field := func(typ string, v uint64, i, n int) *big.Int {
		b := new(big.Int).SetUint64(v >> (i * n) & (1<<n - 1))
		if typ == "s32" && b.Bit(n-1) == 1 {
			b.Sub(b, big.NewInt(1<<n))
		}
		return b
	}
	for _, at := range []string{"u32", "s32"} {
		for _, bt := range []string{"u32", "s32"} {
			out := "u32"
			if at == "s32" || bt == "s32" {
				out = "s32"
			}
			in := rows(40, d, at, bt, out)
			list = append(list, compute("dp4a."+at+"."+bt+" $0, $1, $2, $3", out, 61, in, func(v []uint64) []uint64 {
				s := num(out, v[2])
				for i := range 4 {
					s = plus(s, times(field(at, v[0], i, 8), field(bt, v[1], i, 8), nil), nil)
				}
				return one(wrap(32, s))
			}, at, bt, out))
			for h, half := range []string{"lo", "hi"} {
				list = append(list, compute("dp2a."+half+"."+at+"."+bt+" $0, $1, $2, $3", out, 61, in, func(v []uint64) []uint64 {
					s := num(out, v[2])
					for i := range 2 {
						s = plus(s, times(field(at, v[0], i, 16), field(bt, v[1], 2*h+i, 8), nil), nil)
					}
					return one(wrap(32, s))
				}, at, bt, out))
			}
		}
	}
	return list
}
