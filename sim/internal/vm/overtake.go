package vm

// fenceLog is the .sc fences of a block.
type fenceLog struct {
	known  known // what all of them knew of the block itself, their own threads included
	lent   bool  // a view has the clocks of known
	newest uint32
	view   *view // what they knew of other blocks
	points map[uint32][]snapshot
}

func (f *fenceLog) add(thread uint32, threads int, s snapshot) {
	switch {
	case f.points == nil:
		f.known.threads, f.points = make(clocks, threads), map[uint32][]snapshot{}
	case f.lent:
		f.known.threads, f.lent = f.known.threads.copied(threads), false
	}
	f.known.threads.raiseAll(s.own)
	f.known.threads[thread] = s.clock
	f.known.base, f.newest = max(f.known.base, s.base), max(f.newest, s.clock)
	f.view = merge(f.view, s.view)
	f.points[thread] = append(f.points[thread], s)
}

// upTo is what the fences up to known clocks of their block knew, of the block itself and of others.
func (f *fenceLog) upTo(k known) (own known, v *view) {
	if f.points == nil {
		return known{}, nil
	}
	if k.base >= f.newest {
		f.lent = true
		return f.known, f.view
	}
	own.threads = make(clocks, len(f.known.threads))
	for u, list := range f.points {
		c := max(k.base, k.threads.at(u))
		for i := len(list) - 1; i >= 0; i-- {
			s := list[i]
			if s.clock > c {
				continue
			}
			own.threads.raiseAll(s.own)
			own.threads.raise(u, s.clock)
			own.base = max(own.base, s.base)
			v = merge(v, s.view)
			break
		}
	}
	return own, v
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
		got := &view{blocks: map[uint32]known{}}
		for order, k := range before {
			f := b.grid.fences[order]
			if f == nil || order != b.order && !device {
				continue
			}
			log := &f.device
			if order == b.order {
				log = &f.all
			}
			own, v := log.upTo(k)
			got.blocks[order] = own
			key.got = merge(key.got, v)
		}
		if len(got.blocks) > 0 {
			key.got = merge(key.got, got)
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
