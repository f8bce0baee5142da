package vm

import "math/bits"

const barriers = 16

// barrier is one of a block's barriers.
type barrier struct {
	counted bool
	count   int // threads that must arrive, if the instruction specifies it
	arrived int
	red     string
	yes     int // threads whose predicate was true
	total   int
	waiters []pending
}

// arrive handles the arrival of a group of lanes at a barrier.
func (b *block) arrive(w *warp, s *split) {
	o := s.op
	w.mask = s.mask
	lane := bits.TrailingZeros32(s.mask)
	uniform := func(slot int32) (uint32, bool) {
		v := w.r32[slot][lane]
		for k := s.mask; k != 0; k &= k - 1 {
			if w.r32[slot][bits.TrailingZeros32(k)] != v {
				return v, false
			}
		}
		return v, true
	}
	id, ok := uniform(o.a)
	if !ok || id >= barriers {
		w.failLane(o, lane, IllegalShape, "barrier %d: want a number from 0 to %d, the same in all lanes of a warp", id, barriers-1)
		return
	}
	bar := &b.bars[id]
	count := 0
	if o.bar.counted {
		n, ok := uniform(o.b)
		if count = int(n); !ok || n == 0 || n%lanes != 0 || n > 1024 {
			w.failLane(o, lane, IllegalShape, "a barrier for %d threads: want a multiple of 32 up to 1024, the same in all lanes of a warp", n)
			return
		}
	}
	if bar.arrived > 0 && (bar.counted != o.bar.counted || bar.count != count || bar.red != o.bar.red && o.bar.wait) {
		w.failLane(o, lane, Undefined, "barrier %d is used with a different thread count or operation while threads wait at it", id)
		return
	}
	bar.counted, bar.count = o.bar.counted, count
	if o.bar.wait {
		bar.red = o.bar.red
	}
	n := bits.OnesCount32(s.mask)
	bar.arrived += n
	if o.bar.red != "" {
		bar.yes += bits.OnesCount32((w.preds[o.c] ^ o.bar.inv) & s.mask)
		bar.total += n
	}
	if b.eye != nil {
		b.eye.arrive(int(id), w.index*lanes, s.mask)
	}
	if o.bar.wait {
		s.state = waitBarrier
		bar.waiters = append(bar.waiters, pending{w, s})
		b.waiting++
	} else {
		w.enter(s, w.prog.blocks[s.block].next)
	}
	b.complete(int(id))
}

// complete opens a barrier at which all have arrived.
func (b *block) complete(id int) {
	bar := &b.bars[id]
	need := bar.count
	if !bar.counted {
		need = b.threads
	}
	if bar.arrived == 0 || bar.arrived < need {
		return
	}
	waiters := bar.waiters
	if b.eye != nil {
		if b.divergent(id); b.fault != nil {
			return
		}
		waiting := 0
		for _, p := range waiters {
			waiting += bits.OnesCount32(p.s.mask)
		}
		b.eye.open(id, waiting == b.grid.geo.Threads(), func(f func(first int, mask uint32)) {
			for _, p := range waiters {
				f(p.w.index*lanes, p.s.mask)
			}
		})
	}
	yes, total, red := bar.yes, bar.total, bar.red
	*bar = barrier{}
	b.waiting -= len(waiters)
	for _, p := range waiters {
		o := p.s.op
		if red != "" {
			p.w.mask = p.s.mask
			switch red {
			case "popc":
				for k := p.s.mask; k != 0; k &= k - 1 {
					p.w.r32[o.d][bits.TrailingZeros32(k)] = uint32(yes)
				}
			case "and":
				p.w.setPred(o.d, -boolBit(yes == total))
			case "or":
				p.w.setPred(o.d, -boolBit(yes > 0))
			}
		}
		p.w.enter(p.s, p.w.prog.blocks[p.s.block].next)
	}
	bar.waiters = waiters[:0]
}

// divergent reports, in strict mode, a barrier that threads of the block have exited without reaching, and a barrier that lanes of a
// warp reach at different instructions.
func (b *block) divergent(id int) {
	bar := &b.bars[id]
	if all := b.grid.geo.Threads(); !bar.counted && b.threads < all && len(bar.waiters) > 0 {
		p := bar.waiters[0]
		p.w.mask = p.s.mask
		p.w.failLane(p.s.op, bits.TrailingZeros32(p.s.mask), Divergence,
			"barrier %d: %d of the block's %d threads have left the kernel without reaching it%s", id, all-b.threads, all, b.firstLeft())
		b.fault = p.w.fault
		return
	}
	for i, p := range bar.waiters {
		for _, q := range bar.waiters[:i] {
			if p.w == q.w && p.s.op != q.s.op && (p.s.op.bar.aligned || q.s.op.bar.aligned) {
				p.w.mask = p.s.mask
				p.w.failLane(p.s.op, bits.TrailingZeros32(p.s.mask), Divergence,
					"barrier %d: lanes of a warp reach it at different instructions, here and at line %d", id, b.line(q.s.op))
				b.fault = p.w.fault
				return
			}
		}
	}
}

// firstLeft names the first thread that has exited.
func (b *block) firstLeft() string {
	for _, w := range b.warps {
		if out := w.initial &^ w.live; out != 0 {
			t := uint64(w.index*lanes + bits.TrailingZeros32(out))
			return ", the first of them " + triple(t, b.grid.geo.Block)
		}
	}
	return ""
}

func (b *block) line(o *op) int {
	if o.source < 0 {
		return 0
	}
	return b.grid.prog.Source[o.source].Line
}

func boolBit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// exited records that n threads have exited: barriers no longer wait for them.
func (b *block) exited(n int) {
	b.threads -= n
	if b.waiting == 0 {
		return
	}
	for i := range b.bars {
		if bar := &b.bars[i]; len(bar.waiters) > 0 && !bar.counted {
			b.complete(i)
		}
	}
}
