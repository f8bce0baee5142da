package vm

import (
	"github.com/smoothl1/smoothl1/sim/internal/ieee"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

func execAtom(w *warp, o *op) { w.atom(o, false) }

func execAtomFlush(w *warp, o *op) { w.atom(o, true) }

// atom executes an atomic operation lane by lane, in a random order.
func (w *warp) atom(o *op, flush bool) {
	m := o.mem
	lo, hi, or := w.addresses(o)
	if !w.aligned(o, or) {
		return
	}
	w.count(o, lo, hi)
	wide := m.bytes == 8
	turn, stride := w.block.rng.below(lanes), 2*w.block.rng.below(lanes/2)+1 // an odd stride visits every lane once
	all := w.mask
	for k := range uint32(lanes) {
		i := int(k*stride+turn) & (lanes - 1)
		if all>>i&1 == 0 {
			continue
		}
		w.mask = 1 << i
		bk, ok := w.place(o, i)
		if !ok {
			return
		}
		p := bk.data[w.addr[i]:]
		old := readLE(p, m.bytes)
		if bk.shadow != nil {
			if w.watch(o, bk); w.fault != nil {
				return
			}
			if bk.space != ptx.Local {
				l := w.location(bk.space, w.key(bk, i, 0, m))
				w.readStrong(m, l, l.offer, i)
				w.replaced(l, i, old)
				w.writeStrong(m, l, i, true)
			}
		}
		var b, c uint64
		if wide {
			b = w.r64[o.b][i]
		} else {
			b = uint64(w.r32[o.b][i])
		}
		if m.cas {
			if wide {
				c = w.r64[o.c][i]
			} else {
				c = uint64(w.r32[o.c][i])
			}
		}
		var v uint64
		if flush && bk.space == ptx.Global {
			sum := ieee.Flush32(f32of(uint32(old))) + ieee.Flush32(f32of(uint32(b)))
			v = uint64(b32of(ieee.Flush32(sum)))
		} else {
			v = m.rmw(old, b, c)
		}
		writeLE(p, m.bytes, v)
		if m.load {
			if wide {
				w.r64[o.d][i] = old
			} else {
				w.r32[o.d][i] = uint32(old)
			}
		}
	}
	w.mask = all
	if w.block.eye != nil && (m.order == release || m.order == acqRel) {
		w.block.eye.tick()
	}
}
