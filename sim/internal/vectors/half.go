package vectors

import "strings"

// halves are the instructions of f16 and bf16, single and in pairs.
func halves() []Case {
	d := draw(4)
	var list []Case
	for _, t := range []string{"f16", "f16x2", "bf16", "bf16x2"} {
		elem := strings.TrimSuffix(t, "x2")
		f, brain := formats[elem], elem == "bf16"
		ops := []struct {
			name, tail string
			n, sm      int
			relu       bool
			f          func(v []uint64) uint64
		}{
			{"add", "$0, $1, $2", 2, 53, false, func(v []uint64) uint64 { return f.add(v[0], v[1], 'n') }},
			{"sub", "$0, $1, $2", 2, 53, false, func(v []uint64) uint64 { return f.add(v[0], f.negate(v[1]), 'n') }},
			{"mul", "$0, $1, $2", 2, 53, false, func(v []uint64) uint64 { return f.mul(v[0], v[1], 'n') }},
			{"fma.rn", "$0, $1, $2, $3", 3, 53, false, func(v []uint64) uint64 { return f.fma(v[0], v[1], v[2], 'n') }},
			{"fma.rn.relu", "$0, $1, $2, $3", 3, 80, true, func(v []uint64) uint64 { return f.fma(v[0], v[1], v[2], 'n') }},
			{"abs", "$0, $1", 1, 53, false, func(v []uint64) uint64 { return v[0] &^ 0x8000 }},
			{"neg", "$0, $1", 1, 53, false, func(v []uint64) uint64 { return f.negate(v[0]) }},
		}
		for _, op := range ops {
			args := []string{t, t, t}[:op.n]
			ws := []variant{{}}
			if !brain {
				ws = append(ws, variant{".ftz", true, false})
				if op.n > 1 && !op.relu {
					ws = append(ws, variant{".sat", false, true}, variant{".ftz.sat", true, true})
				}
			}
			for _, w := range ws {
				sm := op.sm
				if brain {
					if sm = 80; op.n == 2 {
						sm = 90
					}
				}
				name := op.name
				if op.relu && w.ftz {
					name = "fma.rn.ftz.relu"
					w.mods = ""
				}
				in := rows(50, &d, args...)
				if t == elem && op.n > 1 {
					in = append(in, f.ties(strings.TrimSuffix(strings.TrimSuffix(op.name, ".relu"), ".rn"), op.n)...)
				}
				one := func(v []uint64) uint64 {
					return f.apply(w, v, func(v []uint64) uint64 {
						r := op.f(v)
						if op.relu {
							r = f.relu(r)
						}
						return r
					})[0]
				}
				list = append(list, compute(name+w.mods+"."+t+" "+op.tail, t, sm, in, func(v []uint64) []uint64 {
					return []uint64{pairwise(t, v, one)}
				}, args...))
			}
		}
	}
	return list
}

// relu replaces negative values by +0; a NaN stays.
func (f format) relu(v uint64) uint64 {
	if f.neg(v) && !f.isNaN(v) {
		return 0
	}
	return v
}

// pairwise applies a function to halves, or to each half of pairs.
func pairwise(t string, v []uint64, f func(v []uint64) uint64) uint64 {
	if !strings.HasSuffix(t, "x2") {
		return f(v)
	}
	lo, hi := make([]uint64, len(v)), make([]uint64, len(v))
	for i, x := range v {
		lo[i], hi[i] = x&0xffff, x>>16
	}
	return f(lo) | f(hi)<<16
}
