package vm

import "sync/atomic"

// view is a set of known accesses. It is not changed once it is shared.
type view struct {
	sc     uint64 // version of the order of .sc fences
	blocks blocksKnown
	before blocksKnown          // whose .sc fences come before the next of whoever has the view
	seen   map[*location]uint64 // which of a place's strong writes has been seen: none before it will be

	// Numbers and not pointers, which would keep all that ever was.
	id     uint64
	parts  [2]uint64 // what it was merged of
	with   uint64    // the last it was merged with, and what came of it
	merged *view
}

var viewIDs atomic.Uint64

// number is a view's identity.
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

// same says whether two views are made of the same parts.
func (v *view) same(o *view) bool {
	return v.sc == o.sc && v.blocks.same(o.blocks) && v.before.same(o.before) && len(v.seen) == 0 && len(o.seen) == 0
}

// merge is what two views know together. The lanes of a warp merge the same ones over and over, and get the same one for it.
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
