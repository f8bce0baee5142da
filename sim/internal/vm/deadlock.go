package vm

import (
	"fmt"
	"math/bits"
	"strings"
)

// deadlock reports a warp operation or barrier that can never complete.
func (b *block) deadlock() {
	for _, w := range b.warps {
		for _, s := range w.splits {
			if s.state != waitWarp {
				continue
			}
			lane := bits.TrailingZeros32(s.mask)
			member := w.r32[s.op.sync.member][lane]
			w.mask = s.mask
			w.failLane(s.op, lane, Deadlock, "%s waits for lanes %#08x of its member mask %#08x, which never execute it%s",
				s.op.sync.what, member&w.live&^s.mask, member, w.whereabouts(member&w.live&^s.mask))
			b.fault = w.fault
			return
		}
	}
	for id := range b.bars {
		bar := &b.bars[id]
		if len(bar.waiters) == 0 {
			continue
		}
		p := bar.waiters[0]
		need := bar.count
		if !bar.counted {
			need = b.threads
		}
		p.w.mask = p.s.mask
		p.w.failLane(p.s.op, bits.TrailingZeros32(p.s.mask), Deadlock, "barrier %d waits for %d threads, but only %d arrive", id, need, bar.arrived)
		b.fault = p.w.fault
		return
	}
	b.fault = &Fault{Kind: Deadlock, Msg: "no thread can run", Kernel: b.grid.prog.Name, Block: b.id}
}

// whereabouts describes where lanes are.
func (w *warp) whereabouts(mask uint32) string {
	var parts []string
	for _, s := range w.splits {
		if m := s.mask & mask; m != 0 && s.op != nil && s.op.source >= 0 {
			parts = append(parts, fmt.Sprintf("lanes %#08x are at line %d", m, w.prog.Source[s.op.source].Line))
		}
	}
	for _, j := range w.joins {
		if m := j.arrived & mask; m != 0 {
			first := w.prog.code[w.prog.blocks[j.block].first]
			if first.source >= 0 {
				parts = append(parts, fmt.Sprintf("lanes %#08x wait for them at line %d", m, w.prog.Source[first.source].Line))
			}
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
