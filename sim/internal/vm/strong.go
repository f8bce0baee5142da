package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// location is the strict mode's state of a memory location that strong accesses use: what a read of it acquires, and the values
// that other threads may still see.
type location struct {
	offer               // with the latest value
	past    []pastValue // older values, oldest first; the memory holds the latest
	fenced  []fencedSight
	writes  uint64   // strong writes so far
	readers *view    // what its readers knew; their .sc fences precede those of later writers
	writers []writer // the last few strong writes before the latest
	next    int      // ring index in writers, once that is full
}

// writer is a strong write and its instruction's index in Program.Source.
type writer struct {
	e    epoch
	from int32
}

// maxWriters bounds the recorded strong writes of a location before the latest.
const maxWriters = 8

// offer is what was released with a value.
type offer struct {
	order  uint32 // block of the writer
	block  *view  // at block scope
	device *view  // at device scope
	before *view  // what its writer and earlier ones knew; their .sc fences precede those of later readers
}

// pastValue is a value that a later strong write has replaced.
type pastValue struct {
	offer
	value uint64
	n     uint64 // ordinal of the write
	next  epoch  // the write that replaced it
}

// maxPast bounds the older values of a location that other threads may still see.
const maxPast = 4

// location returns the state of a memory location, which it creates if necessary.
func (w *warp) location(space ptx.Space, at uint64) *location {
	b := w.block.eye
	list := b.strong
	if space != ptx.Shared {
		list = b.grid.strong
	}
	l := list[at]
	if l == nil {
		l = &location{}
		list[at] = l
	}
	return l
}

// readStrong gives a thread that has read a strong value what was released with it: at once if the read acquires, or else at the thread's
// next fence.
func (w *warp) readStrong(m *access, l *location, from offer, lane int) {
	b := w.block.eye
	u := uint32(w.index*lanes + lane)
	t := &b.threads[u]
	acquires := m.order == acquire || m.order == acqRel
	if m.scope != scopeCTA || l.order == b.order || l.order == 0 {
		b.passRead(u, l, from)
	}
	switch {
	case from.order == b.order && acquires:
		b.learn(u, from.block)
	case from.order == b.order:
		t.pendingBlock = merge(t.pendingBlock, from.block)
	case m.scope == scopeCTA:
	case acquires:
		b.learn(u, from.device)
	default:
		t.pendingDevice = merge(t.pendingDevice, from.device)
	}
}

// writeStrong attaches to a strong write what its thread has released. If rmw, the write continues the release sequence of the one
// before it.
func (w *warp) writeStrong(m *access, l *location, lane int, rmw bool) {
	b := w.block.eye
	u := uint32(w.index*lanes + lane)
	t := &b.threads[u]
	block, device := b.viewOf(t.block, u), b.viewOf(t.device, u)
	if m.order == release || m.order == acqRel {
		now := b.viewOf(b.snap(u), u)
		block = merge(block, now)
		if m.scope != scopeCTA {
			device = merge(device, now)
		}
	}
	if m.scope == scopeCTA {
		device = nil
	}
	if rmw {
		if l.order == b.order || l.order == 0 {
			block = merge(block, l.block)
		} else {
			block = merge(block, l.device)
		}
		device = merge(device, l.device)
	}
	before := l.before
	if m.scope != scopeCTA || l.order == b.order || l.order == 0 {
		before = b.passWrite(u, l)
	}
	l.offer = offer{b.order, block, device, before}
}

// fencedSight is the number of strong writes of a location that had been seen at a .sc fence, and the fence's version.
type fencedSight struct {
	version uint64
	n       uint64
}

// sight returns the number of strong writes of a location that a thread is known to have seen.
func (b *observer) sight(thread uint32, l *location) uint64 {
	t := &b.threads[thread]
	n := t.saw[l]
	for _, v := range [...]*view{t.view, b.view} {
		if v != nil {
			n = max(n, v.seen[l])
		}
	}
	version := max(b.sc, t.sc)
	for _, f := range l.fenced {
		if f.version > version {
			break
		}
		n = max(n, f.n)
	}
	return n
}

// maxSaw bounds the locations recorded for a thread. Beyond it those locations lose their older values, so that there is nothing to
// record.
const maxSaw = 1 << 10

// saw records which value a thread has seen.
func (b *observer) saw(thread uint32, l *location, n uint64) {
	t := &b.threads[thread]
	if t.saw == nil || len(t.saw) >= maxSaw {
		for old := range t.saw {
			old.past = old.past[:0]
		}
		t.saw = map[*location]uint64{}
	}
	t.saw[l] = n
}

// replaced records the value that a strong write replaces.
func (w *warp) replaced(l *location, lane int, old uint64) {
	b := w.block.eye
	u := uint32(w.index*lanes + lane)
	e := epoch(b.order)<<blockShift | epoch(u)<<threadShift | epoch(b.clock)<<clockShift
	if len(l.past) == maxPast {
		copy(l.past, l.past[1:])
		l.past = l.past[:maxPast-1]
	}
	l.past = append(l.past, pastValue{l.offer, old, l.writes, e})
	l.writes++
}

// draw picks at random the value that a strong load sees: the latest, or an older one. A thread never sees a value older than one that
// it has seen, nor one that was replaced by a write that is ordered before the load (coherence).
func (w *warp) draw(m *access, l *location, lane int, latest uint64) (v uint64, stale bool) {
	b := w.block.eye
	u := uint32(w.index*lanes + lane)
	seen := b.sight(u, l)
	me := epoch(b.order)<<(blockShift-threadShift) | epoch(u)
	first := len(l.past)
	for i := len(l.past) - 1; i >= 0 && !w.block.grid.opts.LatestLoads; i-- {
		p := l.past[i]
		if p.n < seen || p.next>>threadShift == me || b.ordered(u, p.next) {
			break
		}
		first = i
	}
	if first == len(l.past) || w.block.rng.below(2) == 0 {
		w.readStrong(m, l, l.offer, lane)
		b.saw(u, l, l.writes)
		return latest, false
	}
	p := l.past[first+int(w.block.rng.below(uint32(len(l.past)-first)))]
	w.readStrong(m, l, p.offer, lane)
	b.saw(u, l, p.n)
	return p.value, true
}

// key returns the key of a lane's element among the locations: its address, or its offset in shared memory.
func (w *warp) key(b bank, lane, e int, m *access) uint64 {
	at := w.addr[lane] + uint64(e*m.bytes)
	if b.space == ptx.Global {
		at += w.region.Base
	}
	return at
}

// loadStrong is load for strong accesses in strict mode.
func (w *warp) loadStrong(o *op, b bank) {
	m := o.mem
	for k := w.mask; k != 0; k &= k - 1 {
		i := bits.TrailingZeros32(k)
		at := w.addr[i]
		stale := false
		for e := range m.vec {
			v := readLE(b.data[at+uint64(e*m.bytes):], m.bytes)
			if b.space != ptx.Local {
				var old bool
				v, old = w.draw(m, w.location(b.space, w.key(b, i, e, m)), i, v)
				stale = stale || old
			}
			w.setReg(m, e, i, v)
		}
		if stale {
			w.block.cover.addStale(o.source, 1)
		}
	}
}

// storeStrong is store for strong accesses in strict mode.
func (w *warp) storeStrong(o *op, b bank) {
	m := o.mem
	for k := w.mask; k != 0; k &= k - 1 {
		i := bits.TrailingZeros32(k)
		for e := range m.vec {
			p := b.data[w.addr[i]+uint64(e*m.bytes):]
			if b.space != ptx.Local {
				l := w.location(b.space, w.key(b, i, e, m))
				w.replaced(l, i, readLE(p, m.bytes))
				w.writeStrong(m, l, i, false)
			}
			writeLE(p, m.bytes, w.getReg(m, e, i))
		}
	}
	if m.order == release {
		w.block.eye.tick()
	}
}
