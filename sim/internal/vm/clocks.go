package vm

import "sort"

// clocks holds a clock for each thread of a block; nil stands for zeros. It is immutable once shared.
type clocks []uint32

func (c clocks) at(thread uint32) uint32 {
	if int(thread) < len(c) {
		return c[thread]
	}
	return 0
}

// copied returns a copy for n threads that may be modified.
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

// mergeClocks returns the elementwise maximum. It returns a or b itself if that is the maximum.
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

// known is what is known of one block: all its accesses up to the clock base, and those of each thread up to a clock of its own.
type known struct {
	base    uint32
	threads clocks
}

func mergeKnown(a, b known) known {
	return known{max(a.base, b.base), mergeClocks(a.threads, b.threads)}
}

// same reports whether two are identical: equal bases and the same backing array.
func (k known) same(o known) bool {
	return k.base == o.base && len(k.threads) == len(o.threads) && (len(k.threads) == 0 || &k.threads[0] == &o.threads[0])
}

// blocksKnown is what is known of some blocks, sorted by their place in the order of blocks. It is immutable once shared.
type blocksKnown []blockKnown

type blockKnown struct {
	order uint32
	known
}

func (b blocksKnown) find(order uint32) (known, bool) {
	i := sort.Search(len(b), func(i int) bool { return b[i].order >= order })
	if i == len(b) || b[i].order != order {
		return known{}, false
	}
	return b[i].known, true
}

// same reports whether two are the same slice.
func (b blocksKnown) same(o blocksKnown) bool {
	return len(b) == len(o) && (len(b) == 0 || &b[0] == &o[0])
}

// mergeBlocks returns what two know together. It returns a or b itself if that covers the other.
func mergeBlocks(a, b blocksKnown) blocksKnown {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || a.same(b):
		return a
	}
	m := make(blocksKnown, 0, len(a)+len(b))
	x, y := a, b
	isA, isB := true, true // whether m is the same as a, as b
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].order < y[0].order:
			m = append(m, x[0])
			x, isB = x[1:], false
		case len(x) == 0 || y[0].order < x[0].order:
			m = append(m, y[0])
			y, isA = y[1:], false
		default:
			k := mergeKnown(x[0].known, y[0].known)
			isA, isB = isA && k.same(x[0].known), isB && k.same(y[0].known)
			m = append(m, blockKnown{x[0].order, k})
			x, y = x[1:], y[1:]
		}
	}
	switch {
	case isA:
		return a
	case isB:
		return b
	}
	return m
}
