package vm

// The happens-before relation of PTX's memory model, tracked with vector clocks.
//
// Each block has a clock, which every synchronizing event of the block advances. An access is identified by its thread and the clock.
// A thread "knows" the accesses that happen before its next one: its own, those of its block up to the last barrier, and
// those that it has acquired. A fence takes a snapshot of what its thread knows. A strong write after the fence publishes the snapshot
// to each thread that reads the value and then executes a fence (the release and acquire patterns).
//
// Fence-SC order also orders fences of kind .sc. It is not the order of execution, since another execution could have a different one,
// but only what the observations imply: a fence precedes another if an access after the first was observed, overwritten, or read before
// being overwritten, by an access before the second. The values that strong loads see, however, follow the order of execution, which is
// one of the possible orders.

// epoch is an access: the block (its place in the order of blocks, plus 1), the thread of the block, the clock, and the kind.
type epoch uint64

const (
	epochStrong epoch = 1
	epochCTA    epoch = 2 // strong in the scope of the block only
	clockShift        = 2
	threadShift       = 26
	blockShift        = 36
	maxClock          = 1<<(threadShift-clockShift) - 1
	maxOrder          = 1<<(64-blockShift) - 2
	threadMask        = 1<<(blockShift-threadShift) - 1
)

func (e epoch) order() uint32 { return uint32(e >> blockShift) }

func (e epoch) thread() uint32 { return uint32(e >> threadShift & threadMask) }

func (e epoch) clock() uint32 { return uint32(e >> clockShift & maxClock) }

// snapshot is what a thread knew at a fence.
type snapshot struct {
	set   bool
	clock uint32
	base  uint32
	own   clocks
	view  *view
	sc    uint64
}

// threadView is what a thread knows in addition to its block, and what its next fence will acquire.
type threadView struct {
	view *view
	saw  map[*location]uint64 // the writes that its own loads have seen
	sc   uint64
	own  clocks // of the block's threads
	// The last fences, of block and of device scope, which later strong writes publish.
	block, device snapshot
	// What strong reads have observed, for the next fence of block or device scope to acquire.
	pendingBlock, pendingDevice *view
	warpBase                    uint32 // clock up to which accesses of the warp are known
	passed                      passing
}

// observer is the strict mode's state of a block.
type observer struct {
	grid    *ordering
	order   uint32
	stamp   uint64 // of the block's shared memory
	clock   uint32
	base    uint32 // clock up to which all threads know the block's accesses
	view    *view
	sc      uint64
	threads []threadView
	shared  *Shadow
	strong  map[uint64]*location // of shared memory
	bars    [barriers]arrivals
	memo    overtaking
}

// arrivals is what the threads that have arrived at a barrier know together.
type arrivals struct {
	view *view
	sc   uint64
	own  clocks
}

// ordering is the strict mode's state of a grid.
type ordering struct {
	stamp   uint64 // of the launch
	version uint64 // of the order of .sc fences
	fences  map[uint32]*blockFences
	views   []versioned // what .sc fences knew of other blocks
	strong  map[uint64]*location
	readers readerLists
	ordered bool // there has been an acquire or a release
}

type blockFences struct {
	base    []fenced
	threads map[uint32][]fenced
	device  fenceLog // fences of device scope
	all     fenceLog // fences of any scope, for threads of the block
}

// fenced is a clock that a .sc fence has made known, and the fence's version.
type fenced struct {
	version uint64
	clock   uint32
}

// maxFenced bounds the number of fences recorded in the order of execution.
const maxFenced = 1 << 10

// capped drops the older half of a list that has become too long, merging it into the oldest entry that is kept. A lookup in the list
// may then find more than was known.
func capped[T any](list []T, join func(older, oldest T) T) []T {
	if len(list) < maxFenced {
		return list
	}
	half := len(list) / 2
	for _, older := range list[:half] {
		list[half] = join(older, list[half])
	}
	return append(list[:0], list[half:]...)
}

type versioned struct {
	version uint64
	view    *view
}

// fenced reports whether the .sc fences up to a version know an access.
func (g *ordering) fenced(e epoch, version uint64) bool {
	if version == 0 {
		return false
	}
	if b := g.fences[e.order()]; b != nil {
		for _, list := range [...][]fenced{b.base, b.threads[e.thread()]} {
			// Clocks and versions both increase, so a binary search finds the first release that knows the access.
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

// knows reports whether an access of any thread happens before the next access of a thread of the block.
func (b *observer) knows(thread uint32, e epoch) bool {
	t := &b.threads[thread]
	if e.order() == b.order {
		u, c := e.thread(), e.clock()
		if u == thread || c <= b.base || c <= t.warpBase && u/lanes == thread/lanes {
			return true
		}
		if c <= t.own.at(u) {
			return true
		}
	}
	return b.view.covers(e) || t.view.covers(e)
}

// ordered reports whether, in this execution, an access precedes the thread's next one, counting the order in which .sc fences were
// executed.
func (b *observer) ordered(thread uint32, e epoch) bool {
	return b.knows(thread, e) || b.grid.fenced(e, max(b.sc, b.threads[thread].sc))
}

// tick advances the block's clock.
func (b *observer) tick() { b.clock = min(b.clock+1, maxClock) }

// snap returns a snapshot of what a thread knows.
func (b *observer) snap(thread uint32) snapshot {
	t := &b.threads[thread]
	s := snapshot{set: true, clock: b.clock, base: b.base, own: t.own, view: merge(b.view, t.all()), sc: max(b.sc, t.sc)}
	if t.warpBase > b.base { // add the accesses of its own warp
		own := t.own.copied(len(b.threads))
		for u := thread / lanes * lanes; u < (thread/lanes+1)*lanes; u++ {
			own.raise(u, t.warpBase)
		}
		s.own = own
	}
	return s
}

// all returns what a thread has acquired, including the values that it has seen itself.
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

// viewOf turns a snapshot into a view that other threads can acquire.
func (b *observer) viewOf(s snapshot, thread uint32) *view {
	if !s.set {
		return nil
	}
	own := s.own.copied(len(b.threads))
	own.raise(thread, s.clock)
	return merge(s.view, &view{sc: s.sc, blocks: blocksKnown{{b.order, known{s.base, own}}}})
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
