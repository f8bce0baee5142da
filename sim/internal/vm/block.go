package vm

// block is a block of threads while it runs.
type block struct {
	grid    *grid
	number  uint64 // linear
	id      [3]uint32
	warps   []*warp
	left    int // warps whose lanes have all left
	threads int // that have not left
	shared  []byte
	bars    [barriers]barrier
	waiting int // splits at barriers
	pending []pending
	rng     rng
	pace    uint32 // eighths of the rounds in which it goes on with what it waits for
	steps   uint64
	extra   uint64 // work beyond them
	counted uint64 // work that the grid has counted; what is executed for the grid comes on top
	cover   *Cover
	fault   *Fault
	order   uint64    // place in the order of blocks
	eye     *observer // nil: not in the strict mode
}

// pending is a group of lanes at an operation that is ordered with those of other blocks.
type pending struct {
	w *warp
	s *split
}

// Slices: a warp runs for so many operations at most before others get their turn, a block before the grid looks after it.
const (
	warpQuantum  = 1 << 16
	warpExtra    = 1 << 20 // work beyond operations
	blockQuantum = 1 << 22
)

// run executes the block until it has ended, waits for the grid, or has used up its slice.
func (b *block) run() {
	// A small step limit is looked at more often; what is drawn does not depend on how many blocks run side by side.
	quantum := min(blockQuantum, b.grid.opts.StepLimit, b.grid.opts.WorkLimit)
	limit := b.work() + quantum
	napping := false
	for _, w := range b.warps {
		if w.nap > 0 {
			w.nap--
		}
	}
	for b.fault == nil && b.work() < limit {
		n := 0
		for _, w := range b.warps {
			w.unlock(false)
			if w.runnable() {
				n++
			}
		}
		if n == 0 {
			if len(b.pending) == 0 && b.unlock() {
				continue
			}
			break
		}
		k := int(b.rng.below(uint32(n)))
		for _, w := range b.warps {
			if !w.runnable() {
				continue
			}
			if k == 0 {
				w.run(int(min(warpQuantum, quantum)))
				if b.fault == nil {
					b.fault = w.fault
				}
				break
			}
			k--
		}
		// What waits for the grid may come before anything that the block's other warps have still to do.
		if len(b.pending) > 0 && b.rng.below(2) == 0 {
			return
		}
	}
	for _, w := range b.warps {
		napping = napping || w.nap > 0
	}
	if b.fault == nil && b.left < len(b.warps) && len(b.pending) == 0 && b.work() < limit && !napping {
		b.deadlock()
	}
}

// unlock lets lanes go on that wait for others of their warp, where nothing else in the block can.
func (b *block) unlock() (some bool) {
	for _, w := range b.warps {
		if w.nap > 0 {
			return false
		}
	}
	for _, w := range b.warps {
		some = w.unlock(true) || some
	}
	return some
}

// done says whether all threads have left.
func (b *block) done() bool { return b.left == len(b.warps) }
