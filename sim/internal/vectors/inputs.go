package vectors

import (
	"fmt"
	"strings"
)

// draw is a generator private to this package, so that the vectors never change.
type draw uint64

func (d *draw) next() uint64 {
	*d = *d*6364136223846793005 + 1442695040888963407
	x := uint64(*d)
	return x ^ x>>29
}

// specials returns the special values of a type.
func specials(typ string) []uint64 {
	n := widths[typ]
	if f, ok := formats[typ]; ok {
		one := uint64(f.bias) << f.mant
		s := []uint64{0, f.signed(true, 0), one, f.signed(true, one), one + 1, one - 1, 1, f.signed(true, 1),
			1<<f.mant - 1, 1 << f.mant, f.signed(true, 1<<f.mant), 1<<f.mant + 1, f.inf(false) - 1, f.signed(true, f.inf(false)-1),
			f.inf(false), f.inf(true), f.nan(), one + 1<<(f.mant-1), one - 1<<f.mant, one + 3<<f.mant, f.signed(true, one+1<<f.mant|1),
			one + uint64(f.mant+1)<<f.mant, one + uint64(f.mant)<<f.mant | 1, one - uint64(f.mant+1)<<f.mant, (one - uint64(f.mant+1)<<f.mant) + 1}
		return s
	}
	mask := ^uint64(0) >> (64 - n)
	top := uint64(1) << (n - 1)
	return []uint64{0, 1, 2, 3, 7, 31, 32, uint64(n), mask, mask - 1, top, top - 1, top + 1, 0x55555555_55555555 & mask, 0x80, 0xff}
}

// sample returns k values of a type: the special ones, and random ones.
func sample(typ string, k int, d *draw) []uint64 {
	switch typ {
	case "pred":
		return []uint64{0, 1}
	case "f16x2", "bf16x2":
		one := sample(typ[:len(typ)-2], k, d)
		list := make([]uint64, k)
		for i := range list {
			list[i] = one[i%len(one)] | one[(5*i+3)%len(one)]<<16
		}
		return list
	}
	list := specials(typ)
	mask := ^uint64(0) >> (64 - widths[typ])
	f, isFloat := formats[typ]
	for len(list) < k {
		v := d.next() & mask
		if isFloat && d.next()%2 == 0 { // near one, where sums cancel and products round
			v = f.signed(v>>(f.bits-1)&1 == 1, uint64(f.bias-3)<<f.mant+d.next()%(6<<f.mant))
		}
		list = append(list, v)
	}
	return list[:k]
}

// rows returns rows of operands of some types: combinations of their special values, and random ones.
func rows(n int, d *draw, types ...string) [][]uint64 {
	const pool = 40
	var pools [][]uint64
	for _, t := range types {
		pools = append(pools, sample(t, pool, d))
	}
	var list [][]uint64
	for i := range n {
		var row []uint64
		for k, p := range pools {
			at := i
			switch k { // coprime strides, to combine the values in many ways
			case 1:
				at = 7*i + i/len(p)
			case 2:
				at = 11*i + 5*(i/len(p)) + 2
			case 3:
				at = 13*i + 1
			}
			if i >= 2*n/3 {
				at = int(d.next() % uint64(len(p)))
			}
			row = append(row, p[at%len(p)])
		}
		list = append(list, row)
	}
	return list
}

// compute computes a case: f returns the results of a row of operands.
func compute(inst, outs string, sm int, in [][]uint64, f func(v []uint64) []uint64, types ...string) Case {
	c := Case{Inst: inst, SM: sm, Types: append(strings.Fields(outs), types...)}
	c.Outs = len(strings.Fields(outs))
	seen := map[string]bool{}
	for _, row := range in {
		key := fmt.Sprint(row)
		if seen[key] {
			continue
		}
		seen[key] = true
		c.Rows = append(c.Rows, append(f(row), row...))
	}
	return c
}

func one(v uint64) []uint64 { return []uint64{v} }
