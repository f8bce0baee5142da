package vm

import "math/bits"

// each calls f for every lane of a group of splits, in the order of lanes.
func (w *warp) each(group []*split, f func(o *op, i int)) {
	var at [lanes]*op
	var all uint32
	for _, g := range group {
		for k := g.mask; k != 0; k &= k - 1 {
			at[bits.TrailingZeros32(k)] = g.op
		}
		all |= g.mask
	}
	for ; all != 0; all &= all - 1 {
		i := bits.TrailingZeros32(all)
		f(at[i], i)
	}
}

// shuffle executes shfl for a group of lanes.
func (w *warp) shuffle(group []*split, have uint32, mode string) {
	var v lane32
	if len(group) == 1 {
		v = w.r32[group[0].op.a]
	} else {
		w.each(group, func(o *op, i int) { v[i] = w.r32[o.a][i] })
	}
	for _, g := range group {
		o := g.op
		d, b, c := &w.r32[o.d], &w.r32[o.b], &w.r32[o.c]
		for k := g.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k) & (lanes - 1)
			j, in := shuffleSource(mode, uint32(i), b[i], c[i])
			if have>>j&1 == 0 {
				w.mask = g.mask
				w.failLane(o, i, Undefined, "%s reads lane %d, which does not execute it (executing lanes %#08x)", o.sync.what, j, have)
				return
			}
			d[i] = v[j]
			if o.sync.pred >= 0 {
				w.setPredLane(o.sync.pred, i, in)
			}
		}
	}
}

// shuffleSource returns the lane that a lane reads, or the lane itself if that one is outside its segment, and whether it is inside.
func shuffleSource(mode string, lane, b, c uint32) (j uint32, in bool) {
	b, clamp, seg := b&31, c&31, c>>8&31
	top := lane&seg | clamp&^seg
	low := lane & seg
	switch mode {
	case "up":
		j = lane - b
		in = int32(j) >= int32(top)
	case "down":
		j = lane + b
		in = j <= top
	case "bfly":
		j = lane ^ b
		in = j <= top
	default:
		j = low | b&^seg
		in = j <= top
	}
	if !in {
		j = lane
	}
	return j & 31, in
}
