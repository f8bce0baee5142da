package vm

// clocks holds a clock for each thread of a block; nil stands for zeros. It is not changed once it is shared.
type clocks []uint32

func (c clocks) at(thread uint32) uint32 {
	if int(thread) < len(c) {
		return c[thread]
	}
	return 0
}

// copied makes clocks of n threads that may be changed.
func (c clocks) copied(n int) clocks {
	m := make(clocks, n)
	copy(m, c)
	return m
}

func (c clocks) raise(thread, clock uint32) { c[thread] = max(c[thread], clock) }

func (c clocks) raiseAll(o clocks) {
	for i, v := range o {
		c[i] = max(c[i], v)
	}
}

// mergeClocks is the later of each two clocks.
func mergeClocks(a, b clocks) clocks {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || &a[0] == &b[0]:
		return a
	}
	less, more := false, false
	for i, v := range b {
		less, more = less || v < a[i], more || v > a[i]
	}
	if !more {
		return a
	}
	if !less {
		return b
	}
	m := a.copied(len(a))
	m.raiseAll(b)
	return m
}

// known is what is known of one block: clocks up to which the accesses of all its threads are, and those of single ones.
type known struct {
	base    uint32
	threads clocks
}

func mergeKnown(a, b known) known {
	return known{max(a.base, b.base), mergeClocks(a.threads, b.threads)}
}

// view is a set of known accesses. It is not changed once it is shared.
type view struct {
	sc     uint64 // version of the order of .sc fences
	blocks map[uint32]known
	before map[uint32]known     // whose .sc fences come before the next of whoever has the view
	seen   map[*location]uint64 // which of a place's strong writes has been seen: none before it will be

	parts        [2]*view // what it was merged of
	with, merged *view    // the last it was merged with, and what came of it
}

func (v *view) covers(e epoch) bool {
	if v == nil {
		return false
	}
	k, ok := v.blocks[e.order()]
	return ok && (e.clock() <= k.base || e.clock() <= k.threads.at(e.thread()))
}

// merge is what two views know together. The lanes of a warp merge the same ones over and over, and get the same one for it.
func merge(a, b *view) *view {
	switch {
	case a == nil || a == b:
		return b
	case b == nil || a.parts[0] == b || a.parts[1] == b:
		return a
	case b.parts[0] == a || b.parts[1] == a:
		return b
	case a.with == b:
		return a.merged
	}
	m := &view{sc: max(a.sc, b.sc), blocks: mergeBlocks(a.blocks, b.blocks), before: mergeBlocks(a.before, b.before), parts: [2]*view{a, b}}
	switch {
	case len(b.seen) == 0:
		m.seen = a.seen
	case len(a.seen) == 0:
		m.seen = b.seen
	default:
		m.seen = make(map[*location]uint64, len(a.seen)+len(b.seen))
		for l, n := range a.seen {
			m.seen[l] = n
		}
		for l, n := range b.seen {
			m.seen[l] = max(m.seen[l], n)
		}
	}
	a.with, a.merged = b, m
	return m
}

func mergeBlocks(a, b map[uint32]known) map[uint32]known {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	m := make(map[uint32]known, len(a)+len(b))
	for o, k := range a {
		m[o] = k
	}
	for o, k := range b {
		m[o] = mergeKnown(m[o], k)
	}
	return m
}
