package vm

import "sync/atomic"

// view is a set of known accesses. It is immutable once shared.
type view struct {
	sc     uint64 // version of the order of .sc fences
	blocks blocksKnown
	before blocksKnown          // accesses whose .sc fences precede the next fence of each thread that has the view
	seen   map[*location]uint64 // ordinal of the latest strong write seen of each location; older ones will not be seen again

	// Views refer to each other by numbers, since pointers would keep every view alive.
	id     uint64
	parts  [2]uint64 // the views it was merged from
	with   uint64    // the view it was last merged with, and the result
	merged *view
}

var viewIDs atomic.Uint64

// number returns a view's identity.
func (v *view) number() uint64 {
	if v.id == 0 {
		v.id = viewIDs.Add(1)
	}
	return v.id
}

func (v *view) covers(e epoch) bool {
	if v == nil {
		return false
	}
	k, ok := v.blocks.find(e.order())
	return ok && (e.clock() <= k.base || e.clock() <= k.threads.at(e.thread()))
}

// same reports whether two views consist of the same parts.
func (v *view) same(o *view) bool {
	return v.sc == o.sc && v.blocks.same(o.blocks) && v.before.same(o.before) && len(v.seen) == 0 && len(o.seen) == 0
}

// merge returns the union of two views. Results are cached: the lanes of a warp merge the same views over and over.
func merge(a, b *view) *view {
	switch {
	case a == nil || a == b:
		return b
	case b == nil:
		return a
	}
	x, y := a.number(), b.number()
	switch {
	case a.parts[0] == y || a.parts[1] == y:
		return a
	case b.parts[0] == x || b.parts[1] == x:
		return b
	case a.with == y:
		return a.merged
	}
	m := &view{sc: max(a.sc, b.sc), blocks: mergeBlocks(a.blocks, b.blocks), before: mergeBlocks(a.before, b.before),
		seen: mergeSeen(a.seen, b.seen), parts: [2]uint64{x, y}}
	if m.same(a) {
		m = a
	} else if m.same(b) {
		m = b
	}
	a.with, a.merged = y, m
	return m
}

func mergeSeen(a, b map[*location]uint64) map[*location]uint64 {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	m := make(map[*location]uint64, len(a)+len(b))
	for l, n := range a {
		m[l] = n
	}
	for l, n := range b {
		m[l] = max(m[l], n)
	}
	return m
}
