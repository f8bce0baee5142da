package vm

import (
	"fmt"
	"math/bits"
)

// Work measures the cost of a launch, in units that take times of the same order of magnitude whatever they are spent on. An operation of
// a warp is one unit; operations that are executed lane by lane, or that yield to others, are more. BenchmarkWork of package sim measures
// the units. Counting work rather than time makes a launch the same on every machine.
const (
	waitWork   = 8   // an operation at which a warp may wait
	strongWork = 4   // a lane's strong access, atomic operation or fence
	fenceWork  = 128 // a fence whose order is tracked, whatever the number of lanes
	orderWork  = 24  // replaces strongWork once there has been an acquire or release; plus 1 for every two threads of the block
	weakLanes  = 4   // lanes whose weak accesses make one unit
)

// accessWork adds the work of an access of the active lanes, in addition to its operation.
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

// work returns the block's work so far.
func (b *block) work() uint64 { return b.steps + b.extra }

// limits keeps count of what a launch has done, to enforce its limits.
type limits struct {
	steps uint64 // operations executed
	idle  uint64 // work since a thread last exited, as of the last round
	work  uint64 // work in this round
	left  bool   // whether threads have exited in this round
}

// ran adds what a block has done in its time slice.
func (l *limits) ran(steps, work uint64, left bool) {
	l.steps += steps
	l.work += work
	l.left = l.left || left
}

// exceeded ends a round and returns a description of the limit that the launch has exceeded, or "".
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

// endless returns the fault of a launch that has exceeded a limit. It blames the warp that has executed the most: preferably one with
// lanes that run, then one that waits for the grid, then one that waits for other lanes.
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
