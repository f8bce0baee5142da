package vm

import (
	"fmt"
	"math/bits"
)

// Work is what a launch costs, in units whose times are of one order, whatever they are spent on: an operation of a warp is one, and
// operations that are executed lane by lane, or let others run, are more. BenchmarkWork of package sim measures the units. That work
// is counted and not time makes a launch the same on every machine.
const (
	waitWork   = 8   // an operation at which a warp may wait
	strongWork = 4   // a lane's strong access, atomic operation or fence
	fenceWork  = 128 // a fence whose order is followed, whatever its lanes
	orderWork  = 24  // a lane's of these once anything has acquired or released, and 1 for every second thread of the block
	weakLanes  = 4   // lanes whose weak accesses are a unit
)

// accessWork counts what an access of the active lanes costs beyond its operation.
func (w *warp) accessWork(m *access) {
	n := uint64(bits.OnesCount32(w.mask))
	eye := w.block.eye
	switch {
	case m.order == weak && m.rmw == nil:
		w.block.extra += n / weakLanes
	case eye != nil && (m.order > relaxed || eye.grid.ordered):
		eye.grid.ordered = true
		w.block.extra += (orderWork + uint64(len(eye.threads)/2)) * n
	default:
		w.block.extra += strongWork * n
	}
}

// work is what the block has cost.
func (b *block) work() uint64 { return b.steps + b.extra }

// limits follows what a launch may still do.
type limits struct {
	steps uint64 // operations executed
	idle  uint64 // work since a thread last left the kernel, as of the last time that all blocks waited
	work  uint64 // since then
	left  bool   // threads have left since then
}

// ran counts what a block has done in its slice.
func (l *limits) ran(steps, work uint64, left bool) {
	l.steps += steps
	l.work += work
	l.left = l.left || left
}

// exceeded says which limit of a launch is passed, or nothing.
func (l *limits) exceeded(o *Options) string {
	if l.idle += l.work; l.left {
		l.idle = 0
	}
	l.work, l.left = 0, false
	switch {
	case l.steps > o.StepLimit:
		return fmt.Sprintf("more than %d operations (the step limit)", o.StepLimit)
	case l.idle > o.WorkLimit:
		return fmt.Sprintf("no thread has left the kernel for %d units of work: it does not seem to end (StepLimit allows more)", o.WorkLimit)
	}
	return ""
}

// endless reports that a launch has passed a limit, where the warp is that has done most. Lanes that run come before those that wait
// for the grid, and these before those that wait for others.
func (g *grid) endless(ready []*block, msg string) *Fault {
	if len(ready) == 0 { // many short blocks: the last of them ended just now
		return &Fault{Kind: StepLimit, Kernel: g.prog.Name, Block: g.place(g.next - 1), Msg: msg}
	}
	for _, state := range [...]splitState{running, waitGlobal, waitWarp, waitBarrier} {
		var most *split
		var of *warp
		for _, b := range ready {
			for _, w := range b.warps {
				for _, s := range w.splits {
					if s.op != nil && s.state == state && (most == nil || w.steps-w.began > of.steps-of.began) {
						most, of = s, w
					}
				}
			}
		}
		if most != nil {
			of.mask = most.mask
			of.failLane(most.op, bits.TrailingZeros32(most.mask), StepLimit, "%s", msg)
			return of.fault
		}
	}
	return &Fault{Kind: StepLimit, Kernel: g.prog.Name, Block: ready[0].id, Msg: msg}
}
