package vm

// block is a block of threads while it runs.
type block struct {
	grid    *grid
	number  uint64 // linear
	id      [3]uint32
	warps   []*warp
	left    int // warps all of whose lanes have exited
	threads int // threads that have not exited
	shared  []byte
	bars    [barriers]barrier
	waiting int // splits at barriers
	pending []pending
	rng     rng
	pace    uint32 // probability, in eighths, that the grid executes an operation that it waits at in a round
	steps   uint64
	extra   uint64 // work in addition to steps
	counted uint64 // work that the grid has counted already
	cover   *Cover
	fault   *Fault
	order   uint64    // place in the order of blocks
	eye     *observer // nil unless in strict mode
}

// pending is a group of lanes waiting at an operation.
type pending struct {
	w *warp
	s *split
}

// Time slices of warps and blocks, after which others get their turn.
const (
	warpQuantum  = 1 << 16 // operations
	warpExtra    = 1 << 20 // work in addition to operations
	blockQuantum = 1 << 22 // work
)

// run executes the block until it has ended, waits for the grid, or has used up its slice.
func (b *block) run() {
	// The quantum is smaller than a small limit, so that the grid checks the limit often enough. It must not depend on the number of
	// goroutines, which would change what is drawn.
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
		// Operations that wait for the grid may be executed before anything that the block's other warps have left to do.
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

// unlock releases lanes that wait for others of their warp when nothing else in the block can run. It reports whether there were any.
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

// done reports whether all threads have exited.
func (b *block) done() bool { return b.left == len(b.warps) }
