package vm

import (
	"math/bits"
	"slices"
	"sort"
)

// reader is a set of lanes of one warp that have read a cell since its last write, at one clock and one instruction. So a warp that
// reads one address takes one entry, not 32.
type reader struct {
	e    epoch  // that of the warp's lane 0
	mask uint32 // the lanes
	from int32
}

// warpShift shifts everything but block and warp out of an epoch.
const warpShift = threadShift + 5

func (e epoch) warp() uint64 { return uint64(e >> warpShift) }

// ofWarp returns the epoch with the thread replaced by lane 0 of its warp.
func (e epoch) ofWarp() epoch { return e &^ ((lanes - 1) << threadShift) }

// manyReaders bounds the list of a cell's readers. In a longer list, some readers of a block stand for all of that block's, assuming that
// a later write is ordered after them by a barrier.
const manyReaders = 64

// readerBudget bounds the total length of these lists in a launch. Beyond it a cell records only one of its new readers.
const readerBudget = 4 << 20

// readerLists holds the readers of cells that several threads have read, sorted by block and warp. A cell refers to its list by a
// nonzero index.
type readerLists struct {
	lists  [][]reader
	spare  []uint32 // indices of unused lists
	held   int      // readers in all lists
	looked uint64   // readers examined so far
}

// add makes a list of readers and returns its index.
func (r *readerLists) add(list ...reader) epoch {
	r.held += len(list)
	if n := len(r.spare); n > 0 {
		i := r.spare[n-1]
		r.spare = r.spare[:n-1]
		r.lists[i] = append(r.lists[i], list...)
		return epoch(i)
	}
	if len(r.lists) == 0 {
		r.lists = append(r.lists, nil) // 0 stands for no reader
	}
	r.lists = append(r.lists, list)
	return epoch(len(r.lists) - 1)
}

// drop frees a cell's list, if it has one.
func (r *readerLists) drop(i epoch) {
	if i == 0 || i.order() != 0 {
		return
	}
	r.held -= len(r.lists[i])
	r.lists[i] = r.lists[i][:0]
	r.spare = append(r.spare, uint32(i))
}

// cloned returns a copy of a cell's readers, for a part of the cell.
func (r *readerLists) cloned(i epoch) epoch {
	if i == 0 || i.order() != 0 {
		return i
	}
	return r.add(slices.Clone(r.lists[i])...)
}

// unknown returns a lane's read that does not happen before the thread's next access, or 0 if all of them do.
func (b *observer) unknown(thread uint32, r reader) epoch {
	b.grid.readers.looked++
	if c := r.e.clock(); r.e.order() == b.order && (c <= b.base || c <= b.threads[thread].warpBase && r.e.thread()/lanes == thread/lanes) {
		return 0
	}
	for m := r.mask; m != 0; m &= m - 1 {
		e := r.e | epoch(bits.TrailingZeros32(m))<<threadShift
		if !b.knows(thread, e) {
			return e
		}
	}
	return 0
}

// addReaders records that some lanes of a warp have read a cell; e is the epoch of the first of them. Reads that happen before this one
// are dropped.
func (b *observer) addReaders(c *cell, e epoch, mask uint32, from int32) {
	g := &b.grid.readers
	thread := e.thread()
	if c.read.order() != 0 { // one thread
		if c.read.warp() == e.warp() && mask>>(c.read.thread()%lanes)&1 == 1 || b.knows(thread, c.read) {
			c.read = 0
		}
	}
	one := mask&(mask-1) == 0
	switch now := (reader{e.ofWarp(), mask, from}); {
	case c.read == 0 && one, c.read.order() != 0 && g.held >= readerBudget:
		c.read, c.readFrom = e, from
	case c.read == 0:
		c.read = g.add(now)
	case c.read.order() != 0:
		old := reader{c.read.ofWarp(), 1 << (c.read.thread() % lanes), c.readFrom}
		c.read = g.add(old)
		b.insert(&g.lists[c.read], thread, now)
	default:
		b.insert(&g.lists[c.read], thread, now)
	}
}

// insert adds lanes to a list of readers; thread is one of them.
func (b *observer) insert(to *[]reader, thread uint32, now reader) {
	g, list := &b.grid.readers, *to
	at := sort.Search(len(list), func(i int) bool { return list[i].e.warp() >= now.e.warp() })
	same, empty := false, false
	for i := at; i < len(list) && list[i].e.warp() == now.e.warp(); i++ {
		g.looked++
		if r := &list[i]; r.e == now.e && r.from == now.from {
			r.mask, same = r.mask|now.mask, true
		} else {
			r.mask &^= now.mask
			empty = empty || r.mask == 0
		}
	}
	if same && !empty {
		return
	}
	before := len(list)
	order := now.e.order()
	first := sort.Search(at, func(i int) bool { return list[i].e.order() >= order })
	keep, end := first, first
	for ; end < len(list) && list[end].e.order() == order; end++ { // the block's own: some may have read before a barrier
		if r := list[end]; r.mask != 0 && (r.e == now.e || b.unknown(thread, r) != 0) {
			list[keep] = r
			keep++
		}
	}
	list = slices.Delete(list, keep, end)
	if !same {
		switch mine := keep - first; {
		case mine > 0 && len(list) >= manyReaders:
			list = slices.Delete(list, first, first+1)
		case g.held >= readerBudget:
			i := int(g.looked % uint64(len(list)+1))
			list = slices.Delete(list, i, min(i+1, len(list)))
		}
		at = sort.Search(len(list), func(i int) bool { return list[i].e.warp() > now.e.warp() })
		list = slices.Insert(list, at, now)
	}
	*to = list
	g.held += len(list) - before
}
