package vectors

import "fmt"

// Operations on bits, written as loops over bits, as the PTX manual defines them.

func bit(v uint64, i int) uint64 { return v >> i & 1 }

func bitOps() []Case {
	d := draw(2)
	var list []Case
	perBit := func(name string, n int, types []string, f func(v []uint64) uint64) {
		for _, t := range types {
			args := []string{t, t, t}[:n]
			inst := (name + "." + t + " $0, $1, $2, $3")
			list = append(list, compute(inst[:len(inst)-4*(3-n)], t, 50, rows(30, &d, args...), func(v []uint64) []uint64 {
				var r uint64
				for i := range widths[t] {
					b := make([]uint64, n)
					for k := range b {
						b[k] = bit(v[k], i)
					}
					r |= f(b) << i
				}
				return one(r)
			}, args...))
		}
	}
	words := []string{"b16", "b32", "b64"}
	with := append([]string{"pred"}, words...)
	perBit("and", 2, with, func(v []uint64) uint64 { return v[0] * v[1] })
	perBit("or", 2, with, func(v []uint64) uint64 { return max(v[0], v[1]) })
	perBit("xor", 2, with, func(v []uint64) uint64 { return (v[0] + v[1]) % 2 })
	perBit("not", 1, with, func(v []uint64) uint64 { return 1 - v[0] })
	for _, lut := range []int{0x80, 0xfe, 0x96, 0xca, 0xe8, 0x01, 0x1b} {
		list = append(list, compute(fmt.Sprintf("lop3.b32 $0, $1, $2, $3, %d", lut), "b32", 50, rows(20, &d, "b32", "b32", "b32"), func(v []uint64) []uint64 {
			var r uint64
			for i := range 32 {
				at := bit(v[0], i)<<2 | bit(v[1], i)<<1 | bit(v[2], i)
				r |= bit(uint64(lut), int(at)) << i
			}
			return one(r)
		}, "b32", "b32", "b32"))
	}
	for _, t := range words {
		list = append(list, compute("cnot."+t+" $0, $1", t, 50, rows(12, &d, t), func(v []uint64) []uint64 {
			if v[0] == 0 {
				return one(1)
			}
			return one(0)
		}, t))
	}
	list = append(list, shifts(&d)...)
	list = append(list, counts(&d)...)
	list = append(list, fields(&d)...)
	return append(list, permutes(&d)...)
}

// withAmounts replaces some operands by shift amounts, including amounts beyond the width.
func withAmounts(in [][]uint64, at int, d *draw) [][]uint64 {
	for i, r := range in {
		if i%3 != 0 {
			r[at] = d.next() % 72
		}
	}
	return in
}

func shifts(d *draw) []Case {
	var list []Case
	for _, t := range []string{"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64"} {
		n := widths[t]
		ops := []string{"shr"}
		if t[0] == 'b' {
			ops = []string{"shl", "shr"}
		}
		for _, op := range ops {
			list = append(list, compute(op+"."+t+" $0, $1, $2", t, 50, withAmounts(rows(48, d, t, "u32"), 1, d), func(v []uint64) []uint64 {
				var r uint64
				for i := range n {
					from := int64(i) - int64(v[1])
					if op == "shr" {
						from = int64(i) + int64(v[1])
					}
					switch {
					case from >= 0 && from < int64(n):
						r |= bit(v[0], int(from)) << i
					case op == "shr" && t[0] == 's':
						r |= bit(v[0], n-1) << i
					}
				}
				return one(r)
			}, t, "u32"))
		}
	}
	for _, dir := range []string{"l", "r"} {
		for _, mode := range []string{"clamp", "wrap"} {
			list = append(list, compute("shf."+dir+"."+mode+".b32 $0, $1, $2, $3", "b32", 50, withAmounts(rows(48, d, "b32", "b32", "u32"), 2, d), func(v []uint64) []uint64 {
				n := int(v[2] & 31)
				if mode == "clamp" {
					n = int(min(v[2], 32))
				}
				var r uint64
				for i := range 32 {
					from := i + n // in the 64 bits b:a
					if dir == "l" {
						from = 32 + i - n
					}
					if from < 32 {
						r |= bit(v[0], from) << i
					} else {
						r |= bit(v[1], from-32) << i
					}
				}
				return one(r)
			}, "b32", "b32", "u32"))
		}
	}
	return list
}

func counts(d *draw) []Case {
	var list []Case
	for _, t := range []string{"b32", "b64"} {
		n := widths[t]
		list = append(list, compute("popc."+t+" $0, $1", "u32", 50, rows(30, d, t), func(v []uint64) []uint64 {
			var c uint64
			for i := range n {
				c += bit(v[0], i)
			}
			return one(c)
		}, t), compute("clz."+t+" $0, $1", "u32", 50, rows(30, d, t), func(v []uint64) []uint64 {
			var c uint64
			for i := n - 1; i >= 0 && bit(v[0], i) == 0; i-- {
				c++
			}
			return one(c)
		}, t), compute("brev."+t+" $0, $1", t, 50, rows(30, d, t), func(v []uint64) []uint64 {
			var r uint64
			for i := range n {
				r |= bit(v[0], i) << (n - 1 - i)
			}
			return one(r)
		}, t))
	}
	for _, t := range []string{"u32", "s32", "u64", "s64"} {
		n := widths[t]
		for _, shift := range []string{"", ".shiftamt"} {
			list = append(list, compute("bfind"+shift+"."+t+" $0, $1", "u32", 50, rows(36, d, t), func(v []uint64) []uint64 {
				sign := uint64(0)
				if t[0] == 's' {
					sign = bit(v[0], n-1)
				}
				for i := n - 1; i >= 0; i-- {
					if bit(v[0], i) != sign {
						if shift != "" {
							return one(uint64(n - 1 - i))
						}
						return one(uint64(i))
					}
				}
				return one(0xffffffff)
			}, t))
		}
	}
	in := rows(60, d, "b32", "u32", "s32")
	for _, r := range in {
		r[1] %= 32
		r[2] = uint64(uint32(int32(d.next()%9) - 4))
	}
	return append(list, compute("fns.b32 $0, $1, $2, $3", "u32", 50, in, func(v []uint64) []uint64 {
		mask, base, n := v[0], int(v[1]), int32(v[2])
		if n == 0 {
			if bit(mask, base) == 1 {
				return one(uint64(base))
			}
			return one(0xffffffff)
		}
		step := 1
		if n < 0 {
			step, n = -1, -n
		}
		for i := base; i >= 0 && i < 32; i += step {
			if bit(mask, i) == 1 {
				if n--; n == 0 {
					return one(uint64(i))
				}
			}
		}
		return one(0xffffffff)
	}, "b32", "u32", "s32"))
}

func fields(d *draw) []Case {
	var list []Case
	positions := func(in [][]uint64, at int) [][]uint64 {
		for i, r := range in {
			if i%4 != 0 {
				r[at], r[at+1] = d.next()%70, d.next()%70
			}
		}
		return in
	}
	for _, t := range []string{"u32", "s32", "u64", "s64"} {
		msb := widths[t] - 1
		list = append(list, compute("bfe."+t+" $0, $1, $2, $3", t, 50, positions(rows(80, d, t, "u32", "u32"), 1), func(v []uint64) []uint64 {
			pos, n := int(v[1]&0xff), int(v[2]&0xff)
			sbit := uint64(0)
			if t[0] == 's' && n > 0 {
				sbit = bit(v[0], min(pos+n-1, msb))
			}
			var r uint64
			for i := 0; i <= msb; i++ {
				b := sbit
				if i < n && pos+i <= msb {
					b = bit(v[0], pos+i)
				}
				r |= b << i
			}
			return one(r)
		}, t, "u32", "u32"))
	}
	for _, t := range []string{"b32", "b64"} {
		msb := widths[t] - 1
		list = append(list, compute("bfi."+t+" $0, $1, $2, $3, $4", t, 50, positions(rows(80, d, t, t, "u32", "u32"), 2), func(v []uint64) []uint64 {
			pos, n := int(v[2]&0xff), int(v[3]&0xff)
			r := v[1]
			for i := 0; i < n && pos+i <= msb; i++ {
				r = r&^(1<<(pos+i)) | bit(v[0], i)<<(pos+i)
			}
			return one(r)
		}, t, t, "u32", "u32"))
	}
	for _, mode := range []string{"clamp", "wrap"} {
		amount := func(v uint64) int {
			if mode == "clamp" {
				return int(min(v, 32))
			}
			return int(v & 31)
		}
		for _, t := range []string{"u32", "s32"} {
			list = append(list, compute("szext."+mode+"."+t+" $0, $1, $2", t, 70, withAmounts(rows(40, d, t, "u32"), 1, d), func(v []uint64) []uint64 {
				n := amount(v[1])
				var r uint64
				for i := range 32 {
					switch {
					case i < n:
						r |= bit(v[0], i) << i
					case t == "s32" && n > 0:
						r |= bit(v[0], n-1) << i
					}
				}
				return one(r)
			}, t, "u32"))
		}
		list = append(list, compute("bmsk."+mode+".b32 $0, $1, $2", "b32", 70, withAmounts(withAmounts(rows(40, d, "u32", "u32"), 0, d), 1, d), func(v []uint64) []uint64 {
			pos, n := amount(v[0]), amount(v[1])
			var r uint64
			for i := pos; i < pos+n && i < 32; i++ {
				r |= 1 << i
			}
			return one(r)
		}, "u32", "u32"))
	}
	return list
}

// permutes are cases of prmt, by the manual's table of which byte goes where.
func permutes(d *draw) []Case {
	table := map[string][4][4]int{ // by the selector, from the most significant byte down
		"f4e":  {{3, 2, 1, 0}, {4, 3, 2, 1}, {5, 4, 3, 2}, {6, 5, 4, 3}},
		"b4e":  {{5, 6, 7, 0}, {6, 7, 0, 1}, {7, 0, 1, 2}, {0, 1, 2, 3}},
		"rc8":  {{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}},
		"ecl":  {{3, 2, 1, 0}, {3, 2, 1, 1}, {3, 2, 2, 2}, {3, 3, 3, 3}},
		"ecr":  {{0, 0, 0, 0}, {1, 1, 1, 0}, {2, 2, 1, 0}, {3, 2, 1, 0}},
		"rc16": {{1, 0, 1, 0}, {3, 2, 3, 2}, {1, 0, 1, 0}, {3, 2, 3, 2}},
	}
	bytes := func(a, b uint64) (list [8]uint64) {
		for i := range 4 {
			list[i], list[4+i] = a>>(8*i)&0xff, b>>(8*i)&0xff
		}
		return list
	}
	list := []Case{compute("prmt.b32 $0, $1, $2, $3", "b32", 50, rows(50, d, "b32", "b32", "u32"), func(v []uint64) []uint64 {
		src := bytes(v[0], v[1])
		var r uint64
		for i := range 4 {
			sel := v[2] >> (4 * i) & 0xf
			x := src[sel&7]
			if sel&8 != 0 { // the sign of the byte, eight times
				x = 0xff * (x >> 7)
			}
			r |= x << (8 * i)
		}
		return one(r)
	}, "b32", "b32", "u32")}
	for _, mode := range []string{"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"} {
		list = append(list, compute("prmt.b32."+mode+" $0, $1, $2, $3", "b32", 50, rows(20, d, "b32", "b32", "u32"), func(v []uint64) []uint64 {
			src := bytes(v[0], v[1])
			var r uint64
			for _, k := range table[mode][v[2]&3] {
				r = r<<8 | src[k]
			}
			return one(r)
		}, "b32", "b32", "u32"))
	}
	return list
}
