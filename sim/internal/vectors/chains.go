package vectors

import (
	"fmt"
	"math/big"
	"strings"
)

// link is an instruction, with operands a, b and c, that sets or uses the carry flag. The flag of a difference is the carry of
// a + ^b + 1, as in the hardware, not the borrow, so that an addition can use it as well.
type link struct {
	op       string // without a carry in; with one, a c is appended
	operands int
	// sum returns the sum that the instruction computes, without the carry in. first means that there is no carry in.
	sum func(t string, first bool, a, b, c uint64) *big.Int
}

var links = []link{
	{"add", 2, func(t string, _ bool, a, b, _ uint64) *big.Int { return plus(bare(t, a), bare(t, b), nil) }},
	{"sub", 2, func(t string, first bool, a, b, _ uint64) *big.Int {
		s := plus(bare(t, a), bare(t, ^b), nil)
		if first {
			s.Add(s, big.NewInt(1))
		}
		return s
	}},
	{"mad.lo", 3, func(t string, _ bool, a, b, c uint64) *big.Int {
		return plus(bare(t, wrap(widths[t], times(num(t, a), num(t, b), nil))), bare(t, c), nil)
	}},
	{"mad.hi", 3, func(t string, _ bool, a, b, c uint64) *big.Int {
		hi := times(num(t, a), num(t, b), nil)
		return plus(bare(t, wrap(widths[t], hi.Rsh(hi, uint(widths[t])))), bare(t, c), nil)
	}},
}

// bare returns the bits of a value as an unsigned integer.
func bare(t string, v uint64) *big.Int { return num("u"+t[1:], v) }

// chains are cases of three instructions with a carry from each to the next, in all combinations.
func chains() []Case {
	d := draw(8)
	var list []Case
	for _, t := range []string{"u32", "s32", "u64", "s64"} {
		for i, first := range links {
			for j, second := range links {
				chain := []link{first, second, links[(i+j)%len(links)]}
				var text []string
				for k, l := range chain {
					name, half, _ := strings.Cut(l.op, ".")
					if half != "" {
						half = "." + half
					}
					if k > 0 {
						name += "c"
					}
					if k < 2 {
						half += ".cc"
					}
					inst := fmt.Sprintf("%s%s.%s $%d, $%d, $%d", name, half, t, k, 3+k, 3+(k+1)%3)
					if l.operands == 3 {
						inst += fmt.Sprintf(", $%d", 3+(k+2)%3)
					}
					text = append(text, inst)
				}
				list = append(list, compute(strings.Join(text, "; "), strings.Join([]string{t, t, t}, " "), 50, rows(20, &d, t, t, t), func(v []uint64) (out []uint64) {
					carry := new(big.Int)
					for k, l := range chain {
						s := plus(l.sum(t, k == 0, v[k], v[(k+1)%3], v[(k+2)%3]), carry, nil)
						out = append(out, wrap(widths[t], s))
						carry.Rsh(s, uint(widths[t]))
					}
					return out
				}, t, t, t))
			}
		}
	}
	return list
}
