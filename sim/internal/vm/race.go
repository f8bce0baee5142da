package vm

import (
	"fmt"
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// watch checks and records an access of the active lanes, whose offsets in the bank's memory are in w.addr. It reports reads of
// unwritten bytes, and races.
func (w *warp) watch(o *op, bk bank) {
	m, s, space := o.mem, bk.shadow, bk.space
	n := m.size()
	read, write := m.load || m.rmw != nil, !m.load || m.rmw != nil
	if m.rmw != nil {
		read = true
	}
	if read && s.missing > 0 {
		for k := w.mask; k != 0; k &= k - 1 {
			i := bits.TrailingZeros32(k)
			if !s.isWritten(w.addr[i], n) {
				w.unwritten(o, i, space)
				return
			}
		}
	}
	if write && s.missing > 0 {
		for k := w.mask; k != 0; k &= k - 1 {
			s.written(w.addr[bits.TrailingZeros32(k)], n)
		}
	}
	if space == ptx.Local {
		return
	}
	b := w.block.eye
	stamp := b.grid.stamp
	if space == ptx.Shared {
		stamp = b.stamp
	}
	me := epoch(b.order)<<blockShift | epoch(b.clock)<<clockShift
	if m.order != weak {
		me |= epochStrong
		if m.scope == scopeCTA {
			me |= epochCTA
		}
	}
	log := uint8(bits.TrailingZeros64(n))
	first := uint32(w.index * lanes)
	for k := w.mask; k != 0; {
		i := bits.TrailingZeros32(k)
		off, mask := w.addr[i], uint32(1)<<i
		k &= k - 1
		for ; !write && k != 0 && w.addr[bits.TrailingZeros32(k)] == off; k &= k - 1 { // lanes that read the same address
			mask |= k & -k
		}
		p := s.page(off, stamp, log, &b.grid.readers)
		at := (off & (pageBytes - 1)) >> p.grain
		u := first + uint32(i)
		e := me | epoch(u)<<threadShift
		for c := uint64(0); c < n>>p.grain; c++ {
			cl := &p.cells[at+c]
			other, from, lane := w.touch(o, bk, cl, off+c<<p.grain, u, e, mask, write)
			if other == 0 {
				continue
			}
			if write && m.rmw == nil && cl.read == 0 && w.sameValue(o, bk, i, cl.write) {
				cl.write, cl.writeAt = e, o.source
				continue
			}
			w.raced(o, lane, other, from, other == cl.write || other&epochStrong != 0 && other != cl.read, space)
			return
		}
	}
}

// sameValue reports whether a store writes the same value as the write that it conflicts with. Formally that is a race, but its
// outcome does not depend on the order: many threads setting one flag, for example.
func (w *warp) sameValue(o *op, b bank, lane int, other epoch) bool {
	m := o.mem
	if eye := w.block.eye; other.order() == eye.order && int(other.thread())/lanes == w.index {
		if k := int(other.thread()) % lanes; k < lane && w.mask>>k&1 == 1 && w.addr[k] == w.addr[lane] {
			for e := range m.vec { // another lane of the same store, which has not reached memory yet
				if w.getReg(m, e, k) != w.getReg(m, e, lane) {
					return false
				}
			}
			return true
		}
	}
	for e := range m.vec {
		v := w.getReg(m, e, lane)
		if m.bytes < 8 {
			v &= 1<<(8*m.bytes) - 1
		}
		if readLE(b.data[w.addr[lane]+uint64(e*m.bytes):], m.bytes) != v {
			return false
		}
	}
	return true
}

// touch checks an access of some lanes against a cell and records it. thread and e are those of the first lane; a write has only one.
// It returns the access that it races with, the location of that access in the program, and the lane.
func (w *warp) touch(o *op, bk bank, c *cell, at uint64, thread uint32, e epoch, mask uint32, write bool) (other epoch, from int32, lane int) {
	b := w.block.eye
	if c.write != 0 {
		for m := mask; m != 0; m &= m - 1 {
			lane := bits.TrailingZeros32(m)
			thread := uint32(w.index*lanes + lane)
			e := e.ofWarp() | epoch(lane)<<threadShift
			if w.conflicts(thread, c.write, e) {
				return c.write, c.writeAt, lane
			}
			if c.write&epochStrong != 0 {
				if r := w.strongWriters(o, bk, c, at, thread, e, write); r.e != 0 {
					return r.e, r.from, lane
				}
			}
		}
	}
	if !write {
		b.addReaders(c, e, mask, o.source)
		return 0, 0, 0
	}
	lane = int(thread) % lanes
	if c.read != 0 {
		if c.read.order() != 0 {
			if w.conflicts(thread, c.read, e) {
				return c.read, c.readFrom, lane
			}
		} else {
			for _, r := range b.grid.readers.lists[c.read] {
				if r.e.warp() == e.warp() {
					r.mask &^= 1 << lane
				}
				if together(r.e, e) {
					continue
				}
				if other := b.unknown(thread, r); other != 0 {
					return other, r.from, lane
				}
			}
			b.grid.readers.drop(c.read)
		}
	}
	c.write, c.writeAt, c.read = e, o.source, 0
	return 0, 0, 0
}

// conflicts reports whether an access of a thread is unordered with another thread's.
func (w *warp) conflicts(thread uint32, other, e epoch) bool {
	return other>>threadShift != e>>threadShift && !together(other, e) && !w.block.eye.knows(thread, other)
}

// strongWriters keeps track of the strong writes to a location before the last one: they may be concurrent with each other, but every
// weak access must be ordered after all of them. It records the last few, except for a write whose value an atomic operation
// has returned to its thread: that write precedes everything after the atomic operation (PTX's observation order), so that the thread
// which takes the last of several tickets is ordered after it. A red operation returns no value, so its thread learns nothing.
func (w *warp) strongWriters(o *op, bk bank, c *cell, at uint64, thread uint32, e epoch, write bool) writer {
	if bk.space == ptx.Global {
		at += w.region.Base
	}
	if e&epochStrong != 0 {
		if write && (o.mem.rmw == nil || !o.mem.load) && c.write>>threadShift != e>>threadShift {
			l := w.location(bk.space, at)
			if len(l.writers) < maxWriters {
				l.writers = append(l.writers, writer{c.write, c.writeAt})
			} else {
				l.writers[l.next%maxWriters] = writer{c.write, c.writeAt}
				l.next++
			}
		}
		return writer{}
	}
	list := w.block.eye.strong
	if bk.space != ptx.Shared {
		list = w.block.eye.grid.strong
	}
	for _, key := range [...]uint64{at, at &^ 3, at &^ 7} { // the cell may be narrower than their writes
		l := list[key]
		if l == nil {
			continue
		}
		for _, r := range l.writers {
			if r.e != 0 && w.conflicts(thread, r.e, e) {
				return r
			}
		}
	}
	return writer{}
}

// together reports whether two accesses are morally strong, in PTX's term: both strong, each in a scope that includes the other. Such
// accesses do not race.
func together(a, b epoch) bool {
	return a&b&epochStrong != 0 && ((a|b)&epochCTA == 0 || a.order() == b.order())
}

// unwritten reports a read of unwritten bytes.
func (w *warp) unwritten(o *op, lane int, space ptx.Space) {
	addr, where := w.addr[lane], fmt.Sprintf(".%v memory", space)
	if space == ptx.Global {
		addr += w.region.Base
		where = fmt.Sprintf("the allocation of %d bytes at %#x", len(w.region.Data), w.region.Base)
	} else if space == ptx.Local {
		addr -= uint64(lane) * w.prog.LocalBytes
	}
	w.fail(o, lane, Unwritten, addr, "%s of %d bytes of %s that nothing has written", verb(o), o.mem.size(), where)
}

// raced reports a race with another access.
func (w *warp) raced(o *op, lane int, other epoch, at int32, write bool, space ptx.Space) {
	what := "a read"
	if write {
		what = "a write"
	}
	line := ""
	if at >= 0 && int(at) < len(w.prog.Source) {
		s := w.prog.Source[at]
		line = fmt.Sprintf(", PTX line %d: %q", s.Line, s.Text)
	}
	g := w.block.grid
	number := g.order.at(uint64(other.order() - 1))
	addr := w.addr[lane]
	if space == ptx.Global {
		addr += w.region.Base
	}
	w.fail(o, lane, Race, addr, "race: %s of %d bytes of .%v memory conflicts with %s by thread %v of block %v%s, and no barrier, fence or atomic orders them",
		verb(o), o.mem.size(), space, what, triple(uint64(other.thread()), g.geo.Block), triple(number, g.geo.Grid), line)
}

// triple formats a linear index as coordinates.
func triple(n uint64, size [3]uint32) string {
	x, y := uint64(size[0]), uint64(size[1])
	return fmt.Sprintf("(%d,%d,%d)", n%x, n/x%y, n/(x*y))
}
