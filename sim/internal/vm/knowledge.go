package vm

// Which accesses happen before which, in PTX's memory model, followed with clocks.
//
// Each block has a clock, which every synchronising event of the block advances. An access is known by its thread and its clock.
// What a thread knows, all accesses that happened before its next one, is: its own; those of its block up to the last barrier; those
// that it has acquired. A fence takes hold of what its thread knows; a strong write after it offers that to whoever reads the value
// and has a fence behind the reading (release and acquire patterns).
//
// Fences of kind .sc are in one order besides. It is not the one in which they happen to be executed, for another would do as well,
// but what must be: a fence comes before another if something behind it was seen, overwritten, or read before it was overwritten, by
// something ahead of the other. Only the values that strong loads see follow the order of execution, which is one of the possible.

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

// threadView is what a thread knows beyond what its block does, and what waits for its next fence.
type threadView struct {
	view *view
	saw  map[*location]uint64 // by its own loads
	sc   uint64
	own  clocks // threads of the block
	// Fences that later strong writes release: of the scope of the block, and of the device.
	block, device snapshot
	// What strong reads have brought, for the next fence of that scope.
	pendingBlock, pendingDevice *view
	warpBase                    uint32 // accesses of the warp that are known
	passed                      passing
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
	shared  *Shadow
	strong  map[uint64]*location // of shared memory
	bars    [barriers]arrivals
	memo    overtaking
}

// arrivals is what threads that have arrived at a barrier bring.
type arrivals struct {
	view *view
	sc   uint64
	own  clocks
}

// ordering is what the strict mode follows of a grid.
type ordering struct {
	stamp   uint64 // of the launch
	version uint64 // of the order of .sc fences
	fences  map[uint32]*blockFences
	views   []versioned // what .sc fences knew from elsewhere
	strong  map[uint64]*location
	readers readerLists
	ordered bool // something has acquired or released
}

type blockFences struct {
	base    []fenced
	threads map[uint32][]fenced
	device  fenceLog // of the scope of the device
	all     fenceLog // of any scope, for threads of the block
}

// fenced is a clock that a .sc fence has made known, and when.
type fenced struct {
	version uint64
	clock   uint32
}

// maxFenced is how many fences are remembered in the order of execution.
const maxFenced = 1 << 10

// capped drops the older half of a list that has become too long, and makes the oldest that is kept stand for it: what is asked of
// it then may be told more than was known.
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
		if c <= t.own.at(u) {
			return true
		}
	}
	return b.view.covers(e) || t.view.covers(e)
}

// ordered says whether an access comes before what a thread does next in this execution, be it by the order that the .sc fences
// happen to have.
func (b *observer) ordered(thread uint32, e epoch) bool {
	return b.knows(thread, e) || b.grid.fenced(e, max(b.sc, b.threads[thread].sc))
}

// tick advances the block's clock.
func (b *observer) tick() { b.clock = min(b.clock+1, maxClock) }

// snap is what a thread knows now.
func (b *observer) snap(thread uint32) snapshot {
	t := &b.threads[thread]
	s := snapshot{set: true, clock: b.clock, base: b.base, own: t.own, view: merge(b.view, t.all()), sc: max(b.sc, t.sc)}
	if t.warpBase > b.base { // known of its own warp
		own := t.own.copied(len(b.threads))
		for u := thread / lanes * lanes; u < (thread/lanes+1)*lanes; u++ {
			own.raise(u, t.warpBase)
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
