package vm

// Which accesses happen before which, in PTX's memory model, followed with clocks.
//
// Each block has a clock, which every synchronising event of the block advances. An access is known by its thread and its clock.
// What a thread knows, all accesses that happened before its next one, is: its own; those of its block up to the last barrier; those
// that it has acquired. A fence takes hold of what its thread knows; a strong write after it offers that to whoever reads the value
// and has a fence behind the reading (release and acquire patterns). Fences of kind .sc moreover know of each other in the order of
// their execution.

// epoch is an access: the block (its place in the order of blocks, plus 1), the thread of the block, the clock, and what kind.
type epoch uint64

const (
	epochStrong epoch = 1
	epochCTA    epoch = 2 // strong in the scope of the block
	clockShift        = 2
	threadShift       = 26
	blockShift        = 36
	maxClock          = 1<<(threadShift-clockShift) - 1
	maxOrder          = 1<<(64-blockShift) - 2
	threadMask        = 1<<(blockShift-threadShift) - 1
)

func (e epoch) order() uint32  { return uint32(e >> blockShift) }
func (e epoch) thread() uint32 { return uint32(e >> threadShift & threadMask) }
func (e epoch) clock() uint32  { return uint32(e >> clockShift & maxClock) }

// known is what is known of one block: clocks up to which the accesses of all its threads are, and those of single ones.
type known struct {
	base    uint32
	threads map[uint32]uint32
}

// view is a set of known accesses. It is not changed once it is shared.
type view struct {
	sc     uint64 // version of the order of .sc fences
	blocks map[uint32]known
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
	m := &view{sc: max(a.sc, b.sc), blocks: make(map[uint32]known, len(a.blocks)+len(b.blocks))}
	for o, k := range a.blocks {
		m.blocks[o] = k
	}
	for o, k := range b.blocks {
		m.blocks[o] = mergeKnown(m.blocks[o], k)
	}
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

// snapshot is what a thread knew at a fence.
type snapshot struct {
	set   bool
	clock uint32
	base  uint32
	own   map[uint32]uint32
	view  *view
	sc    uint64
}

// threadView is what a thread knows beyond what its block does, and what waits for its next fence.
type threadView struct {
	view *view
	saw  map[*location]uint64 // by its own loads
	sc   uint64
	own  map[uint32]uint32 // threads of the block; not changed once a snapshot has it
	// Fences that later strong writes release: of the scope of the block, and of the device.
	block, device snapshot
	// What strong reads have brought, for the next fence of that scope.
	pendingBlock, pendingDevice *view
	warpBase                    uint32 // accesses of the warp that are known
}

// observer is what the strict mode follows of a block.
type observer struct {
	grid    *ordering
	order   uint32
	stamp   uint64 // of the block's shared memory
	clock   uint32
	base    uint32 // accesses of the block that all its threads know
	view    *view
	sc      uint64
	threads []threadView
	fences  map[uint32]uint32 // threads: clocks of their .sc fences in the scope of the block
	shared  *Shadow
	strong  map[uint64]*location // of shared memory
	bars    [barriers]arrivals
}

// arrivals is what threads that have arrived at a barrier bring.
type arrivals struct {
	view *view
	sc   uint64
	own  map[uint32]uint32
}

// ordering is what the strict mode follows of a grid.
type ordering struct {
	stamp   uint64 // of the launch
	version uint64 // of the order of .sc fences
	fences  map[uint32]*blockFences
	views   []versioned // what .sc fences knew from elsewhere
	strong  map[uint64]*location
	readers [][]reader // of cells that several threads have read
}

type blockFences struct {
	base    []fenced
	threads map[uint32][]fenced
}

// fenced is a clock that a .sc fence has made known, and when.
type fenced struct {
	version uint64
	clock   uint32
}

type versioned struct {
	version uint64
	view    *view
}

// fenced says whether the .sc fences up to a version know an access.
func (g *ordering) fenced(e epoch, version uint64) bool {
	if version == 0 {
		return false
	}
	if b := g.fences[e.order()]; b != nil {
		for _, list := range [...][]fenced{b.base, b.threads[e.thread()]} {
			// Clocks and versions both grow: the first release that knows the access is the one that counts.
			lo, hi := 0, len(list)
			for lo < hi {
				if m := (lo + hi) / 2; list[m].clock >= e.clock() {
					hi = m
				} else {
					lo = m + 1
				}
			}
			if lo < len(list) && list[lo].version <= version {
				return true
			}
		}
	}
	for _, v := range g.views {
		if v.version > version {
			break
		}
		if v.view.covers(e) {
			return true
		}
	}
	return false
}

// knows says whether a thread of the block knows an access of another.
func (b *observer) knows(thread uint32, e epoch) bool {
	t := &b.threads[thread]
	if e.order() == b.order {
		u, c := e.thread(), e.clock()
		if u == thread || c <= b.base || c <= t.warpBase && u/lanes == thread/lanes {
			return true
		}
		if c <= t.own[u] && t.own != nil {
			return true
		}
	}
	return b.view.covers(e) || t.view.covers(e) || b.grid.fenced(e, max(b.sc, t.sc))
}

// tick advances the block's clock.
func (b *observer) tick() { b.clock = min(b.clock+1, maxClock) }

// snap is what a thread knows now.
func (b *observer) snap(thread uint32) snapshot {
	t := &b.threads[thread]
	s := snapshot{set: true, clock: b.clock, base: b.base, own: t.own, view: merge(b.view, t.all()), sc: max(b.sc, t.sc)}
	if t.warpBase > b.base { // known of its own warp
		own := copyClocks(t.own)
		for u := thread / lanes * lanes; u < (thread/lanes+1)*lanes; u++ {
			own[u] = max(own[u], t.warpBase)
		}
		s.own = own
	}
	return s
}

// all is what a thread has acquired, with what it has seen itself.
func (t *threadView) all() *view {
	if len(t.saw) == 0 {
		return t.view
	}
	seen := make(map[*location]uint64, len(t.saw))
	for l, n := range t.saw {
		seen[l] = n
	}
	return merge(t.view, &view{seen: seen})
}

// viewOf makes a snapshot a view that others can have.
func (b *observer) viewOf(s snapshot, thread uint32) *view {
	if !s.set {
		return nil
	}
	own := copyClocks(s.own)
	own[thread] = max(own[thread], s.clock)
	return merge(s.view, &view{sc: s.sc, blocks: map[uint32]known{b.order: {base: s.base, threads: own}}})
}

func copyClocks(m map[uint32]uint32) map[uint32]uint32 {
	n := make(map[uint32]uint32, len(m)+1)
	for k, v := range m {
		n[k] = v
	}
	return n
}

// learn adds a view to what a thread knows.
func (b *observer) learn(thread uint32, v *view) {
	if v == nil {
		return
	}
	t := &b.threads[thread]
	t.view = merge(t.view, v)
	t.sc = max(t.sc, v.sc)
}

// fence is a fence of some lanes of a warp.
func (b *observer) fence(first int, mask uint32, order memOrder, sc scope) {
	device := sc != scopeCTA
	version := b.grid.version + 1
	for i := range uint32(lanes) {
		if mask>>i&1 == 0 {
			continue
		}
		u := uint32(first) + i
		t := &b.threads[u]
		if order != release {
			b.learn(u, t.pendingBlock)
			t.pendingBlock = nil
			if device {
				b.learn(u, t.pendingDevice)
				t.pendingDevice = nil
			}
		}
		if order == seqCst {
			if device {
				t.sc = max(t.sc, b.grid.version)
			} else if len(b.fences) > 0 {
				own := copyClocks(t.own)
				for v, c := range b.fences {
					own[v] = max(own[v], c)
				}
				t.own = own
			}
		}
		if order != acquire {
			s := b.snap(u)
			t.block = s
			if device {
				t.device = s
			}
			if order == seqCst {
				b.publish(u, s, device, version)
			}
		}
	}
	if order == seqCst && device {
		b.grid.version = version
	}
	b.tick()
}

// publish adds a .sc fence to the order of them.
func (b *observer) publish(thread uint32, s snapshot, device bool, version uint64) {
	if b.fences == nil {
		b.fences = map[uint32]uint32{}
	}
	b.fences[thread] = s.clock
	if !device {
		return
	}
	g := b.grid
	f := g.fences[b.order]
	if f == nil {
		f = &blockFences{threads: map[uint32][]fenced{}}
		g.fences[b.order] = f
	}
	f.threads[thread] = append(f.threads[thread], fenced{version, s.clock})
	if n := len(f.base); s.base > 0 && (n == 0 || f.base[n-1].clock < s.base) {
		f.base = append(f.base, fenced{version, s.base})
	}
	if len(s.own) > 0 {
		s.view = merge(s.view, &view{sc: s.sc, blocks: map[uint32]known{b.order: {threads: s.own}}})
	}
	if s.view != nil {
		for l, n := range s.view.seen {
			l.fenced = append(l.fenced, fencedSight{version, n})
		}
		if n := len(g.views); n == 0 || g.views[n-1].view != s.view {
			g.views = append(g.views, versioned{version, s.view})
		}
	}
}

// syncWarp is a bar.warp.sync of some lanes.
func (b *observer) syncWarp(first int, mask, live uint32) {
	var v *view
	var sc uint64
	var own map[uint32]uint32
	each := func(f func(u uint32)) {
		for i := range uint32(lanes) {
			if mask>>i&1 == 1 {
				f(uint32(first) + i)
			}
		}
	}
	whole := mask == live
	each(func(u uint32) {
		t := &b.threads[u]
		v, sc = merge(v, t.all()), max(sc, t.sc)
		if len(t.own) > 0 || !whole {
			if own == nil {
				own = map[uint32]uint32{}
			}
			for w, c := range t.own {
				own[w] = max(own[w], c)
			}
			if !whole {
				own[u] = b.clock
			}
		}
	})
	each(func(u uint32) {
		t := &b.threads[u]
		t.view, t.sc = v, sc
		if own != nil {
			t.own = own
		}
		if whole {
			t.warpBase = b.clock
		}
	})
	b.tick()
}

// arrive is the arrival of some lanes at a barrier.
func (b *observer) arrive(bar int, first int, mask uint32) {
	a := &b.bars[bar]
	if a.own == nil {
		a.own = map[uint32]uint32{}
	}
	for i := range uint32(lanes) {
		if mask>>i&1 == 0 {
			continue
		}
		u := uint32(first) + i
		t := &b.threads[u]
		a.view, a.sc = merge(a.view, t.all()), max(a.sc, t.sc)
		for w, c := range t.own {
			a.own[w] = max(a.own[w], c)
		}
		if t.warpBase > b.base {
			for w := u / lanes * lanes; w < (u/lanes+1)*lanes; w++ {
				a.own[w] = max(a.own[w], t.warpBase)
			}
		}
		a.own[u] = b.clock
	}
	b.tick()
}

// open lets the threads that waited at a barrier know what those that arrived did. all says that these are all threads of the
// block.
func (b *observer) open(bar int, all bool, each func(f func(first int, mask uint32))) {
	a := b.bars[bar]
	b.bars[bar] = arrivals{}
	if all {
		b.view, b.sc, b.base = merge(b.view, a.view), max(b.sc, a.sc), b.clock
		for u := range b.threads {
			t := &b.threads[u]
			t.view, t.sc, t.own, t.warpBase, t.saw = nil, 0, nil, 0, nil
		}
		b.tick()
		return
	}
	each(func(first int, mask uint32) {
		for i := range uint32(lanes) {
			if mask>>i&1 == 0 {
				continue
			}
			t := &b.threads[uint32(first)+i]
			t.view, t.sc = merge(t.view, a.view), max(t.sc, a.sc)
			own := copyClocks(t.own)
			for w, c := range a.own {
				own[w] = max(own[w], c)
			}
			t.own = own
		}
	})
	b.tick()
}
