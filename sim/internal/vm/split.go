package vm

import "math/bits"

// A split is a group of lanes of a warp at the same point of the program. Lanes that diverge at a branch wait for each other at the
// branch's immediate post-dominator. Which of several groups runs next is drawn from the seed: PTX promises no order.
type split struct {
	block int32
	mask  uint32
	state splitState
	join  *join // where they reconverge with the lanes that they diverged from
	op    *op   // the operation they wait at
}

type splitState uint8

const (
	running splitState = iota
	waitWarp
	waitBarrier
	waitGlobal
	ended
)

// join is a point where diverged lanes reconverge.
type join struct {
	block   int32
	expect  uint32 // lanes to wait for
	arrived uint32
	outer   *join
}

type way struct {
	to   int32
	mask uint32
}

func (w *warp) newSplit(block int32, mask uint32, j *join) *split {
	if n := len(w.spare); n > 0 {
		s := w.spare[n-1]
		w.spare = w.spare[:n-1]
		*s = split{block: block, mask: mask, join: j}
		return s
	}
	return &split{block: block, mask: mask, join: j}
}

func (w *warp) end(s *split) {
	s.state = ended
	for i, t := range w.splits {
		if t == s {
			w.splits = append(w.splits[:i], w.splits[i+1:]...)
			break
		}
	}
	w.spare = append(w.spare, s)
}

// enter moves lanes to the beginning of a basic block; false means that it is their join, so that the split has ended.
func (w *warp) enter(s *split, block int32) bool {
	s.block, s.state = block, running
	j := s.join
	if j == nil || j.block != block {
		return true
	}
	j.arrived |= s.mask
	w.end(s)
	w.meet(j)
	return false
}

// part diverges a split.
func (w *warp) part(s *split, b *basicBlock, ways []way) {
	j := s.join
	if b.join >= 0 && (j == nil || j.block != b.join) {
		if len(w.joins) == 0 {
			w.met = w.steps
		}
		j = &join{block: b.join, expect: s.mask, outer: s.join}
		w.joins = append(w.joins, j)
	}
	w.end(s)
	for _, y := range ways {
		t := w.newSplit(y.to, y.mask, j)
		w.splits = append(w.splits, t)
		w.enter(t, y.to)
	}
}

// meet reconverges the lanes of a join if all have arrived.
func (w *warp) meet(j *join) {
	if j.arrived != j.expect {
		return
	}
	for i, k := range w.joins {
		if k == j {
			w.joins = append(w.joins[:i], w.joins[i+1:]...)
			break
		}
	}
	if j.arrived == 0 {
		return
	}
	w.met = w.steps
	t := w.newSplit(j.block, j.arrived, j.outer)
	w.splits = append(w.splits, t)
	w.enter(t, j.block)
}

// exit executes an exit of some lanes of a split; false means that none of its lanes are left.
func (w *warp) exit(s *split, mask uint32) bool {
	w.live &^= mask
	s.mask &^= mask
	j := s.join
	stay := s.mask != 0
	if !stay {
		w.end(s)
	}
	for ; j != nil; j = j.outer {
		j.expect &^= mask
		w.meet(j)
	}
	if w.live == 0 {
		w.block.left++
	}
	w.block.exited(bits.OnesCount32(mask))
	for _, t := range append([]*split(nil), w.splits...) { // others may have waited for these lanes
		if t.state == waitWarp && w.fault == nil {
			w.rendezvous(t)
		}
	}
	return stay
}

// loosen releases the lanes that wait at joins, so that lanes of a warp that wait for each other by polling memory make progress.
func (w *warp) loosen() {
	w.met, w.patience = w.steps, max(w.patience/2, minPatience)
	w.release()
}

// release lets the lanes that wait at joins go on without the missing ones. It reports whether there were any.
func (w *warp) release() (some bool) {
	for _, j := range append([]*join(nil), w.joins...) {
		if j.arrived == 0 || j.arrived == j.expect {
			continue
		}
		mask := j.arrived
		j.expect &^= mask
		j.arrived = 0
		t := w.newSplit(j.block, mask, j.outer)
		w.splits = append(w.splits, t)
		w.enter(t, j.block)
		some = true
	}
	return some
}

// unlock releases the lanes that wait at joins if all other lanes of the warp wait as well, perhaps for them: a lane that can run must
// run, if only to exit. If all of the others wait for lanes of the warp, the release is immediate. If some wait at a barrier of the
// block, which other warps may complete, it happens once nothing else in the block can run, or after a while.
func (w *warp) unlock(nothingElse bool) bool {
	if len(w.joins) == 0 || w.nap > 0 {
		return false
	}
	for _, s := range w.splits {
		switch {
		case s.state == running, s.state == waitGlobal:
			w.stuck = 0
			return false
		case s.state == waitWarp || nothingElse:
		case w.stuck == 0:
			w.stuck = w.block.steps + patience
			return false
		case w.block.steps < w.stuck:
			return false
		}
	}
	w.stuck = 0
	return w.release()
}

// rendezvous executes the operation that a split waits at if all member lanes have arrived; false means that s waits.
func (w *warp) rendezvous(s *split) bool {
	o := s.op
	if o.sync.member < 0 {
		panic("vm: an operation without a member mask does not wait")
	}
	s.state = waitWarp
	members := &w.r32[o.sync.member]
	first := bits.TrailingZeros32(s.mask)
	member := members[first]
	// Lanes with different member masks form separate groups.
	var apart uint32
	for k := s.mask; k != 0; k &= k - 1 {
		if i := bits.TrailingZeros32(k) & (lanes - 1); members[i] != member {
			apart |= 1 << i
		}
	}
	if apart != 0 {
		s.mask &^= apart
		t := w.newSplit(s.block, apart, s.join)
		t.op = o
		w.splits = append(w.splits, t)
		if w.fault == nil {
			w.rendezvous(t)
		}
		if s.state != waitWarp {
			return true
		}
	}
	if out := s.mask &^ member; out != 0 {
		w.mask = s.mask
		w.failLane(o, bits.TrailingZeros32(out), Undefined, "%s by a lane that is not in its member mask %#08x", o.sync.what, member)
		return false
	}
	need := member & w.live
	if s.mask == need {
		w.alone.mask, w.alone.op = s.mask, o
		w.mask = s.mask
		o.sync.run(w, w.aloneGroup[:], need)
		if w.fault != nil {
			return false
		}
		return w.enter(s, w.prog.blocks[s.block].next)
	}
	var group []*split
	var have uint32
	for _, t := range w.splits {
		if t.state == waitWarp && t.op.sync.what == o.sync.what && w.r32[t.op.sync.member][bits.TrailingZeros32(t.mask)] == member {
			group = append(group, t)
			have |= t.mask
		}
	}
	if have&need != need {
		return false
	}
	o.sync.run(w, group, have)
	if w.fault != nil {
		return false
	}
	on := true
	for _, t := range group {
		went := w.enter(t, w.prog.blocks[t.block].next)
		if t == s {
			on = went
		}
	}
	return on
}
