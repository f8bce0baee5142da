package vm

import "sort"

// fenceLog records the .sc fences of a block in the order of their clocks.
type fenceLog struct {
	sums   []fenceSum // running sums: what the fences up to a clock knew together
	points map[uint32][]snapshot
}

type fenceSum struct {
	clock uint32
	own   known // of the block itself
	view  *view // of other blocks
}

// Bounds of the fences recorded for a block and for a thread. A lookup of an older one finds the oldest recorded, which knows more.
const (
	maxSums   = 1 << 10
	maxPoints = 64
)

func (f *fenceLog) add(thread uint32, threads int, s snapshot) {
	if f.points == nil {
		f.points = map[uint32][]snapshot{}
	}
	list := f.points[thread]
	if len(list) == maxPoints {
		list = list[:copy(list, list[maxPoints/2:])]
	}
	f.points[thread] = append(list, s)
	if n := len(f.sums); n == 0 || f.sums[n-1].clock != s.clock {
		next := fenceSum{clock: s.clock}
		if n > 0 {
			next.own, next.view = f.sums[n-1].own, f.sums[n-1].view
		}
		next.own.threads = next.own.threads.copied(threads)
		if n == maxSums {
			f.sums = f.sums[:copy(f.sums, f.sums[maxSums/2:])]
		}
		f.sums = append(f.sums, next)
	}
	sum := &f.sums[len(f.sums)-1]
	sum.own.threads.raiseAll(s.own)
	sum.own.threads.raise(thread, s.clock)
	sum.own.base = max(sum.own.base, s.base)
	sum.view = merge(sum.view, s.view)
}

// upToClock returns what the fences up to a clock knew.
func (f *fenceLog) upToClock(c uint32) (own known, v *view) {
	i := sort.Search(len(f.sums), func(i int) bool { return f.sums[i].clock > c }) - 1
	if i < 0 && len(f.sums) > maxSums/2 && c > 0 {
		i = 0 // older ones may have been dropped
	}
	if i < 0 {
		return known{}, nil
	}
	own = f.sums[i].own
	if i == len(f.sums)-1 { // it may still grow
		own.threads = own.threads.copied(len(own.threads))
	}
	return own, f.sums[i].view
}

// maxApart bounds the threads of a block that are examined one by one. If more of them have clocks of their own, all are treated as
// known up to the latest of these clocks, which may hide a race but never reports a false one.
const maxApart = 8

// upTo returns what the fences up to the given clocks of their block knew, of the block itself and of others.
func (f *fenceLog) upTo(k known) (own known, v *view) {
	apart, latest := 0, k.base
	for u, c := range k.threads {
		if c > k.base && len(f.points[uint32(u)]) > 0 {
			apart++
			latest = max(latest, c)
		}
	}
	if apart > maxApart {
		return f.upToClock(latest)
	}
	own, v = f.upToClock(k.base)
	if apart == 0 {
		return own, v
	}
	n := len(k.threads)
	own.threads = own.threads.copied(n)
	for u, c := range k.threads {
		list := f.points[uint32(u)]
		if c <= k.base || len(list) == 0 {
			continue
		}
		i := sort.Search(len(list), func(i int) bool { return list[i].clock > c }) - 1
		if i < 0 && len(list) > maxPoints/2 {
			i = 0
		}
		if i < 0 {
			continue
		}
		s := list[i]
		own.threads.raiseAll(s.own)
		own.threads.raise(uint32(u), s.clock)
		own.base = max(own.base, s.base)
		v = merge(v, s.view)
	}
	return own, v
}

// overtaking caches the result of the last call of overtake, which is often the same for the other lanes of a warp.
type overtaking struct {
	block, thread *view
	device        bool
	version       uint64
	got           *view
}

// overtake adds to what a thread that executes a .sc fence knows what the threads of the .sc fences that must precede it knew.
func (b *observer) overtake(thread uint32, device bool) {
	t := &b.threads[thread]
	key := overtaking{block: b.view, thread: t.view, device: device, version: b.grid.version + 1}
	if m := b.memo; m.version != key.version || m.block != key.block || m.thread != key.thread || m.device != device {
		var before blocksKnown
		for _, v := range [...]*view{b.view, t.view} {
			if v != nil {
				before = mergeBlocks(before, v.before)
			}
		}
		got := &view{}
		for _, k := range before {
			order := k.order
			f := b.grid.fences[order]
			if f == nil || order != b.order && !device {
				continue
			}
			log := &f.device
			if order == b.order {
				log = &f.all
			}
			own, v := log.upTo(k.known)
			got.blocks = append(got.blocks, blockKnown{order, own})
			key.got = merge(key.got, v)
		}
		if len(got.blocks) > 0 {
			key.got = merge(key.got, got)
		}
		b.memo = key
	}
	b.learn(thread, b.memo.got)
}

// passing is the state of a thread at its last strong access: the location and what the thread knew.
type passing struct {
	l     *location
	clock uint32
	base  uint32
	view  *view
	block *view
}

// brings returns what a thread knows at a strong access of a location, or nil if no .sc fence has been executed yet. again reports that
// nothing has changed since the thread's last access of that location.
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

// passRead updates fence-SC order for a read: the .sc fences of the value's writer and of earlier writers precede the reader's next
// fence, and the reader's fences so far precede the next fence of every later writer of the location.
func (b *observer) passRead(thread uint32, l *location, from offer) {
	t := &b.threads[thread]
	if from.before != nil && (t.view == nil || t.passed.l != l || t.passed.view != t.view) {
		t.view = merge(t.view, from.before)
	}
	if v, again := b.brings(thread, l); v != nil && !again {
		l.readers = merge(l.readers, v)
	}
}

// passWrite updates fence-SC order for a write: the .sc fences of the location's earlier readers and writers precede the writer's next
// fence. It returns what is to be attached to the value.
func (b *observer) passWrite(thread uint32, l *location) *view {
	t := &b.threads[thread]
	if before := merge(l.before, l.readers); before != nil {
		t.view = merge(t.view, before)
	}
	t.passed = passing{}
	v, _ := b.brings(thread, l)
	return merge(l.before, v)
}
