package vm

import "math/bits"

// warp is 32 threads of a block and their registers.
type warp struct {
	prog    *Program
	block   *block
	index   int    // in the block
	initial uint32 // lanes that exist
	live    uint32 // lanes that have not exited
	mask    uint32 // active lanes of the current operation
	fault   *Fault

	r32   []lane32
	r64   []lane64
	preds []uint32
	local []byte // local memories of all lanes, one after the other

	localShadow *Shadow

	splits   []*split // that have not ended
	joins    []*join  // reconvergence points that lanes wait at
	nap      uint32   // rounds left to nap
	napAt    uint64   // steps at which the next nap begins
	spare    []*split
	steps    uint64 // operations executed
	began    uint64 // steps at the beginning of the block
	extra    uint64 // block.extra at which the warp's time slice ends
	met      uint64 // steps at the last reconvergence, or at a divergence while there were no joins
	patience uint64
	stuck    uint64 // block.steps at which lanes at joins are released although others wait at a barrier; 0: unset
	region   *Region

	t32        lane32 // temporary results, of which only the active lanes are kept
	t64        lane64
	addr       lane64
	alone      split // for operations whose lanes are all there
	aloneGroup [1]*split
}

func newWarp(p *Program) *warp {
	w := &warp{prog: p, r32: make([]lane32, p.slots[c32]), r64: make([]lane64, p.slots[c64]), preds: make([]uint32, p.slots[cPred])}
	w.local = make([]byte, lanes*p.LocalBytes)
	w.aloneGroup[0] = &w.alone
	for _, s := range p.presets {
		if s.special == "" {
			w.fill(s, func(int) uint64 { return s.value })
		}
	}
	return w
}

func (w *warp) fill(s preset, value func(lane int) uint64) {
	switch s.class {
	case c32:
		for i := range lanes {
			w.r32[s.slot][i] = uint32(value(i))
		}
	case c64:
		for i := range lanes {
			w.r64[s.slot][i] = value(i)
		}
	default:
		w.preds[s.slot] = uint32(value(0))
	}
}

// start resets a warp to begin its part of a block.
func (w *warp) start(b *block, index, threads int) {
	w.block, w.index, w.fault, w.region = b, index, nil, nil
	w.live = full
	if left := threads - index*lanes; left < lanes {
		w.live = 1<<left - 1
	}
	w.initial = w.live
	for _, s := range w.prog.presets {
		if s.special != "" {
			w.fill(s, func(lane int) uint64 { return w.special(s.special, lane) })
		}
	}
	for _, s := range w.prog.poison { // registers that may be read uninitialized
		w.fill(s, func(int) uint64 { return b.rng.next() })
	}
	b.rng.scribble(w.local)
	if b.eye != nil {
		if w.localShadow == nil {
			w.localShadow = NewShadow(uint64(len(w.local)))
		}
		w.localShadow.forget(uint64(len(w.local)))
	}
	w.splits, w.joins, w.patience = w.splits[:0], w.joins[:0], patience
	w.nap, w.stuck, w.began = 0, 0, w.steps
	w.drawNap()
	w.splits = append(w.splits, w.newSplit(0, w.live, nil))
}

// A warp may nap at any point while other blocks go on. Otherwise the operations that wait for the grid would be executed only when all
// warps of a block have run as far as they can, which would hide a missing barrier before such an operation. The point and the number of
// rounds of the grid are drawn at random.
const (
	maxNapAfter  = 15 // log2 of operations
	maxNapRounds = 6  // log2
)

// drawNap draws the point of the warp's next nap. With probability 1/2 there is none.
func (w *warp) drawNap() {
	w.napAt = ^uint64(0)
	if r := &w.block.rng; r.below(2) == 0 {
		w.napAt = w.steps + uint64(r.below(1<<r.below(maxNapAfter))) + 1
	}
}

// runnable reports whether any lanes can run.
func (w *warp) runnable() bool {
	if w.nap > 0 {
		return false
	}
	for _, s := range w.splits {
		if s.state == running {
			return true
		}
	}
	return false
}

// run executes the warp until no lanes can run, or for about quantum operations.
func (w *warp) run(quantum int) {
	if len(w.joins) > 0 && w.steps-w.met > w.patience {
		w.loosen()
	}
	if left := w.napAt - w.steps; left < uint64(quantum) {
		quantum = int(left)
	}
	w.extra = w.block.extra + min(warpExtra, w.block.grid.opts.WorkLimit)
	for quantum > 0 && w.fault == nil && w.block.fault == nil {
		n := 0
		for _, s := range w.splits {
			if s.state == running {
				n++
			}
		}
		if n == 0 {
			return
		}
		k := 0
		if n > 1 {
			k = int(w.block.rng.below(uint32(n)))
		}
		for _, s := range w.splits {
			if s.state == running {
				if k == 0 {
					quantum = w.step(s, quantum)
					break
				}
				k--
			}
		}
	}
	if w.steps >= w.napAt && w.fault == nil {
		w.nap = 1 << w.block.rng.below(maxNapRounds)
		w.drawNap()
	}
}

// The number of operations after which lanes that wait at a join go on without the others. It is halved each time.
const (
	patience    = 1 << 14
	minPatience = 1 << 8
)

// step executes one group of lanes until it waits, diverges, reconverges, or has used up the quantum. It returns the rest of the quantum.
func (w *warp) step(s *split, quantum int) int {
	p, cov := w.prog, w.block.cover
	for quantum > 0 && w.block.extra <= w.extra {
		b := &p.blocks[s.block]
		n := int(b.end - b.first)
		quantum -= n
		w.steps += uint64(n)
		w.block.steps += uint64(n)
		cov.runs[s.block]++
		cov.lanes[s.block] += uint64(bits.OnesCount32(s.mask))
		last := &p.code[b.end-1]
		if last.kind > opExit {
			w.block.extra += waitWork
		}
		end := b.end
		if last.kind != opPlain {
			end--
		}
		code := p.code[b.first:end]
		for i := range code {
			o := &code[i]
			w.mask = s.mask
			if o.guard >= 0 && !w.guarded(o, cov) {
				continue
			}
			o.exec(w, o)
			if w.fault != nil {
				return 0
			}
		}
		s.op = last
		switch last.kind {
		case opPlain:
			if !w.enter(s, b.next) {
				return quantum
			}
		case opBra:
			if !w.branch(s, last, b) {
				return quantum
			}
		case opExit:
			w.mask = s.mask
			if (last.guard < 0 || w.guarded(last, cov)) && !w.exit(s, w.mask) {
				return quantum
			}
			if !w.enter(s, b.next) {
				return quantum
			}
		case opWarp:
			if !w.rendezvous(s) || w.fault != nil {
				return quantum
			}
		case opGlobal:
			s.state = waitGlobal
			w.block.pending = append(w.block.pending, pending{w, s})
			return quantum
		case opBar:
			w.block.arrive(w, s)
			return quantum
		case opTurn:
			w.mask = s.mask
			if last.guard < 0 || w.guarded(last, cov) {
				if last.exec(w, last); w.fault != nil {
					return 0
				}
			}
			if !w.enter(s, b.next) {
				return quantum
			}
			if w.block.rng.below(8) == 0 {
				return 0
			}
		case opYield:
			w.enter(s, b.next)
			return 0
		case opBrx:
			w.switchTo(s, last, b)
			return quantum
		}
	}
	return 0
}

// guarded restricts the mask to the lanes whose guard predicate is true; false means none.
func (w *warp) guarded(o *op, cov *Cover) bool {
	g := w.preds[o.guard]
	if o.not {
		g = ^g
	}
	c := &cov.guards[o.cover]
	c.No += uint64(bits.OnesCount32(w.mask &^ g))
	w.mask &= g
	c.Yes += uint64(bits.OnesCount32(w.mask))
	return w.mask != 0
}

// branch executes a branch; false means that s has ended.
func (w *warp) branch(s *split, o *op, b *basicBlock) bool {
	w.mask = s.mask
	if o.guard < 0 || w.guarded(o, w.block.cover) && w.mask == s.mask {
		return w.enter(s, o.target)
	}
	if w.mask == 0 {
		return w.enter(s, b.next)
	}
	w.part(s, b, []way{{o.target, w.mask}, {b.next, s.mask &^ w.mask}})
	return false
}

// switchTo executes an indirect branch to one of a list of targets.
func (w *warp) switchTo(s *split, o *op, b *basicBlock) {
	var ways []way
	idx := &w.r32[o.a]
	for k := s.mask; k != 0; k &= k - 1 {
		i := bits.TrailingZeros32(k)
		if idx[i] >= uint32(len(o.targets)) {
			w.mask = s.mask
			w.failLane(o, i, IllegalShape, "branch to target %d of %d", idx[i], len(o.targets))
			return
		}
		to := o.targets[idx[i]]
		found := false
		for j := range ways {
			if ways[j].to == to {
				ways[j].mask |= 1 << i
				found = true
			}
		}
		if !found {
			ways = append(ways, way{to, 1 << i})
		}
	}
	if len(ways) == 1 {
		w.enter(s, ways[0].to)
		return
	}
	w.part(s, b, ways)
}
