package vm

// fenceLog is the .sc fences of a block.
type fenceLog struct {
	known  known // what all of them knew of the block itself, their own threads included
	lent   bool  // a view has the map of known
	newest uint32
	view   *view // what they knew of other blocks
	points map[uint32][]snapshot
}

func (f *fenceLog) add(thread uint32, s snapshot) {
	switch {
	case f.points == nil:
		f.known.threads, f.points = map[uint32]uint32{}, map[uint32][]snapshot{}
	case f.lent:
		f.known.threads, f.lent = copyClocks(f.known.threads), false
	}
	for u, c := range s.own {
		f.known.threads[u] = max(f.known.threads[u], c)
	}
	f.known.threads[thread] = s.clock
	f.known.base, f.newest = max(f.known.base, s.base), max(f.newest, s.clock)
	f.view = merge(f.view, s.view)
	f.points[thread] = append(f.points[thread], s)
}

// upTo is what the fences up to known clocks of their block, which has this place in the order, knew.
func (f *fenceLog) upTo(order uint32, k known) *view {
	if f.points == nil {
		return nil
	}
	if k.base >= f.newest {
		f.lent = true
		return merge(f.view, &view{blocks: map[uint32]known{order: f.known}})
	}
	var v *view
	own := known{threads: map[uint32]uint32{}}
	for u, list := range f.points {
		c := max(k.base, k.threads[u])
		for i := len(list) - 1; i >= 0; i-- {
			s := list[i]
			if s.clock > c {
				continue
			}
			for w, c := range s.own {
				own.threads[w] = max(own.threads[w], c)
			}
			own.threads[u], own.base = max(own.threads[u], s.clock), max(own.base, s.base)
			v = merge(v, s.view)
			break
		}
	}
	return merge(v, &view{blocks: map[uint32]known{order: own}})
}

// overtaking remembers what the last fence took over: the lanes of a warp often take the same.
type overtaking struct {
	block, thread *view
	device        bool
	version       uint64
	got           *view
}

// overtake lets a .sc fence know what the .sc fences knew that must come before it.
func (b *observer) overtake(thread uint32, device bool) {
	t := &b.threads[thread]
	key := overtaking{block: b.view, thread: t.view, device: device, version: b.grid.version + 1}
	if m := b.memo; m.version != key.version || m.block != key.block || m.thread != key.thread || m.device != device {
		var before map[uint32]known
		for _, v := range [...]*view{b.view, t.view} {
			if v != nil {
				before = mergeBlocks(before, v.before)
			}
		}
		for order, k := range before {
			switch f := b.grid.fences[order]; {
			case f == nil:
			case order == b.order:
				key.got = merge(key.got, f.all.upTo(order, k))
			case device:
				key.got = merge(key.got, f.device.upTo(order, k))
			}
		}
		b.memo = key
	}
	b.learn(thread, b.memo.got)
}

// passing is what a thread brought to a place when it was there last.
type passing struct {
	l     *location
	clock uint32
	base  uint32
	view  *view
	block *view
}

// brings is what happened before a thread's strong access of a place, as far as .sc fences may be among it; again says that the
// thread has brought it already.
func (b *observer) brings(thread uint32, l *location) (v *view, again bool) {
	if len(b.grid.fences) == 0 {
		return nil, false
	}
	t := &b.threads[thread]
	now := passing{l, b.clock, b.base, t.view, b.view}
	if t.passed == now {
		return nil, true
	}
	t.passed = now
	return &view{before: b.viewOf(b.snap(thread), thread).blocks}, false
}

// passRead orders the .sc fences of those who wrote a value, and of the writers before them, before the next of a thread that reads
// it, and its own before that of whoever writes the place later.
func (b *observer) passRead(thread uint32, l *location, from offer) {
	t := &b.threads[thread]
	if from.before != nil && (t.view == nil || t.passed.l != l || t.passed.view != t.view) {
		t.view = merge(t.view, from.before)
	}
	if v, again := b.brings(thread, l); v != nil && !again {
		l.readers = merge(l.readers, v)
	}
}

// passWrite orders the .sc fences of those who read or wrote a place before the next of a thread that writes it, and returns what the
// value comes with.
func (b *observer) passWrite(thread uint32, l *location) *view {
	t := &b.threads[thread]
	if before := merge(l.before, l.readers); before != nil {
		t.view = merge(t.view, before)
	}
	t.passed = passing{}
	v, _ := b.brings(thread, l)
	return merge(l.before, v)
}
