package vm

import (
	"fmt"
	"math/bits"
	"sort"
)

// maxLiveness bounds the memory, in bits, of the liveness analysis. A kernel that exceeds it gets a slot for every register.
const maxLiveness = 1 << 28

// allocate assigns every virtual register a slot of its class. PTX uses a new register for every value. To keep a warp's registers in the
// processor's cache, values that are not live at the same time share a slot. (Diverged lanes do not interfere: each writes only its
// own element of a slot.)
func (d *decoder) allocate() error {
	p := d.prog
	var base [classes + 1]int32
	for c := range classes {
		base[c+1] = base[c] + d.next[c]
	}
	id := func(v vreg) int32 { return base[v.class] + v.n }
	total := int(base[classes])
	fixed := make([]bool, total)
	for _, s := range d.sets {
		fixed[base[s.class]+s.slot] = true
	}
	const never = -2
	start, end := make([]int32, total), make([]int32, total)
	for i := range start {
		start[i], end[i] = int32(2*len(d.nodes)+2), never
	}
	touch := func(v, at int32) { start[v], end[v] = min(start[v], at), max(end[v], at) }
	for i, n := range d.nodes {
		for _, r := range n.refs {
			at := int32(2 * i)
			if r.def {
				at++
			}
			touch(id(r.reg), at)
		}
	}
	var entry []int32 // registers that may be read before they are written
	if total*len(p.blocks) > maxLiveness {
		for v := range total {
			if end[v] != never {
				start[v], end[v] = -1, int32(2*len(d.nodes)+1)
				if !fixed[v] {
					entry = append(entry, int32(v))
				}
			}
		}
	} else {
		live := d.liveness(total, id, fixed)
		words := (total + 63) / 64
		for b := range p.blocks {
			for w := range words {
				for m := live.in[b*words+w]; m != 0; m &= m - 1 {
					touch(int32(w*64+bits.TrailingZeros64(m)), 2*p.blocks[b].first)
				}
				for m := live.out[b*words+w]; m != 0; m &= m - 1 {
					touch(int32(w*64+bits.TrailingZeros64(m)), 2*p.blocks[b].end-1)
				}
			}
		}
		for w := range words {
			for m := live.in[w]; m != 0; m &= m - 1 {
				v := int32(w*64 + bits.TrailingZeros64(m))
				start[v] = -1
				entry = append(entry, v)
			}
		}
	}
	slot := make([]int32, total)
	for c := range classes {
		n := d.scan(base[c], base[c+1], start, end, fixed, slot)
		for _, s := range d.sets {
			if s.class == c && end[base[c]+s.slot] != never {
				slot[base[c]+s.slot] = n
				n++
			}
		}
		// One more, for operands without a register to point to.
		if p.slots[c] = n + 1; p.slots[c] > maxSlots {
			return fmt.Errorf("%s needs more than %d registers at once", p.Name, maxSlots)
		}
	}
	for _, s := range d.sets {
		if v := base[s.class] + s.slot; end[v] != never {
			s.slot = slot[v]
			p.presets = append(p.presets, s)
		}
	}
	for _, v := range entry {
		c := c32
		for v >= base[c+1] {
			c++
		}
		p.poison = append(p.poison, preset{class: c, slot: slot[v]})
	}
	for _, n := range d.nodes {
		for _, r := range n.refs {
			*r.at = slot[id(r.reg)]
		}
	}
	return nil
}

type liveSets struct{ in, out []uint64 }

// liveness finds the registers that are live at the beginning and the end of each block.
func (d *decoder) liveness(total int, id func(vreg) int32, fixed []bool) liveSets {
	p := d.prog
	words, n := (total+63)/64, len(p.blocks)
	use, kill := make([]uint64, n*words), make([]uint64, n*words)
	live := liveSets{make([]uint64, n*words), make([]uint64, n*words)}
	for b, blk := range p.blocks {
		u, k := use[b*words:(b+1)*words], kill[b*words:(b+1)*words]
		for _, nd := range d.nodes[blk.first:blk.end] {
			for _, r := range nd.refs {
				if v := id(r.reg); !r.def && !fixed[v] && k[v/64]>>(v%64)&1 == 0 {
					u[v/64] |= 1 << (v % 64)
				}
			}
			partial := hasGuard(nd) // lanes whose guard is false keep their value
			for _, r := range nd.refs {
				v := id(r.reg)
				if !r.def {
					continue
				}
				if !partial {
					k[v/64] |= 1 << (v % 64)
				} else if k[v/64]>>(v%64)&1 == 0 {
					u[v/64] |= 1 << (v % 64)
				}
			}
		}
	}
	succ := make([][]int32, n)
	pred := make([][]int32, n)
	for b := range n {
		d.successors(b, func(to int32) {
			succ[b] = append(succ[b], to)
			pred[to] = append(pred[to], int32(b))
		})
	}
	queued := make([]bool, n)
	work := make([]int32, 0, n)
	for b := range n {
		work, queued[b] = append(work, int32(b)), true
	}
	for len(work) > 0 {
		b := int(work[len(work)-1])
		work = work[:len(work)-1]
		queued[b] = false
		in, out := live.in[b*words:(b+1)*words], live.out[b*words:(b+1)*words]
		for _, s := range succ[b] {
			for w, m := range live.in[int(s)*words : (int(s)+1)*words] {
				out[w] |= m
			}
		}
		changed := false
		for w := range in {
			v := use[b*words+w] | out[w]&^kill[b*words+w]
			if v != in[w] {
				in[w], changed = v, true
			}
		}
		if changed {
			for _, q := range pred[b] {
				if !queued[q] {
					work, queued[q] = append(work, q), true
				}
			}
		}
	}
	return live
}

// scan allocates slots to the registers lo … hi−1 of one class by a linear scan over their live ranges. It returns the number of slots.
func (d *decoder) scan(lo, hi int32, start, end []int32, fixed []bool, slot []int32) int32 {
	var order []int32
	for v := lo; v < hi; v++ {
		if end[v] >= 0 && !fixed[v] {
			order = append(order, v)
		}
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		return start[a] < start[b] || start[a] == start[b] && a < b
	})
	var free []int32
	var active lives
	var n int32
	for _, v := range order {
		for len(active) > 0 && active[0].end < start[v] {
			free = append(free, active.pop().slot)
		}
		if len(free) > 0 {
			slot[v] = free[len(free)-1]
			free = free[:len(free)-1]
		} else {
			slot[v] = n
			n++
		}
		active.push(life{end[v], slot[v]})
	}
	return n
}

// lives is a heap of the slots in use, by the end of their live range.
type lives []life

type life struct{ end, slot int32 }

func (h *lives) push(l life) {
	s := append(*h, l)
	i := len(s) - 1
	for i > 0 && s[(i-1)/2].end > s[i].end {
		s[(i-1)/2], s[i] = s[i], s[(i-1)/2]
		i = (i - 1) / 2
	}
	*h = s
}

func (h *lives) pop() life {
	s := *h
	top, n := s[0], len(s)-1
	s[0], s = s[n], s[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && s[c+1].end < s[c].end {
			c++
		}
		if s[i].end <= s[c].end {
			break
		}
		s[i], s[c] = s[c], s[i]
		i = c
	}
	*h = s
	return top
}
