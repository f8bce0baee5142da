package vm

// known is what is known of one block: clocks up to which the accesses of all its threads are, and those of single ones.
type known struct {
	base    uint32
	threads map[uint32]uint32
}

// view is a set of known accesses. It is not changed once it is shared.
type view struct {
	sc     uint64 // version of the order of .sc fences
	blocks map[uint32]known
	before map[uint32]known     // whose .sc fences come before the next of whoever has the view
	seen   map[*location]uint64 // which of a place's strong writes has been seen: none before it will be
}

func (v *view) covers(e epoch) bool {
	if v == nil {
		return false
	}
	k, ok := v.blocks[e.order()]
	return ok && (e.clock() <= k.base || e.clock() <= k.threads[e.thread()] && k.threads != nil)
}

// merge is what two views know together.
func merge(a, b *view) *view {
	switch {
	case a == nil || a == b:
		return b
	case b == nil:
		return a
	}
	m := &view{sc: max(a.sc, b.sc), blocks: mergeBlocks(a.blocks, b.blocks), before: mergeBlocks(a.before, b.before)}
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

func mergeKnown(a, b known) known {
	k := known{base: max(a.base, b.base), threads: a.threads}
	if len(b.threads) == 0 {
		return k
	}
	if len(a.threads) == 0 {
		k.threads = b.threads
		return k
	}
	k.threads = make(map[uint32]uint32, len(a.threads)+len(b.threads))
	for t, c := range a.threads {
		k.threads[t] = c
	}
	for t, c := range b.threads {
		k.threads[t] = max(k.threads[t], c)
	}
	return k
}

func copyClocks(m map[uint32]uint32) map[uint32]uint32 {
	n := make(map[uint32]uint32, len(m)+1)
	for k, v := range m {
		n[k] = v
	}
	return n
}
