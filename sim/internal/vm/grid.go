package vm

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Geometry is the shape of a launch.
type Geometry struct {
	Grid, Block [3]uint32
	SharedBytes uint32
}

// Blocks returns the number of blocks.
func (g Geometry) Blocks() uint64 { return uint64(g.Grid[0]) * uint64(g.Grid[1]) * uint64(g.Grid[2]) }

// Threads returns the number of threads of a block.
func (g Geometry) Threads() int { return int(g.Block[0]) * int(g.Block[1]) * int(g.Block[2]) }

// Options controls how a launch is executed.
type Options struct {
	Seed            uint64
	Launch          uint64 // number of the launch on its device
	Multiprocessors int
	Resident        int    // blocks that run at once
	StepLimit       uint64 // operations of all warps; 0: no limit
	WorkLimit       uint64 // work during which no thread leaves the kernel; 0: no limit
	Serial          bool   // one goroutine
	Strict          bool   // check for races and reads of unwritten memory (the memory must have shadows); implies Serial
	LatestLoads     bool   // strong loads see the latest value
}

// grid is a launch while it runs.
//
// Blocks run concurrently on several goroutines, yet launches with the same seed are the same. A block runs
// until its warps have ended or wait at an operation that other blocks may observe: an atomic or a strong access. When all resident
// blocks have reached that point, these operations are executed one after the other in an order drawn from the seed, and the blocks
// continue. In between, blocks can affect each other only by a data race, which is an error of the program.
type grid struct {
	prog        *Program
	memory      *Memory
	params      []byte
	geo         Geometry
	opts        Options
	sharedBytes uint64
	seed        uint64

	order    permutation
	mu       sync.Mutex
	next     uint64 // blocks admitted
	running  int
	parked   []*block // waiting for the grid
	free     []*block
	fault    *Fault
	faultAt  uint64 // place, in the order of blocks, of the block that faulted
	stop     atomic.Uint64
	rng      rng
	covers   []*Cover // one for each goroutine
	limits   limits
	eye      *ordering
	stamps   uint64 // the last one given to a shared memory
	resident int
}

// Run executes a launch. The shape has been checked.
func Run(p *Program, memory *Memory, params []byte, geo Geometry, opts Options) (*Cover, *Fault) {
	g := newGrid(p, memory, params, geo, opts)
	g.run()
	g.covers[0].Launches = 1
	for _, c := range g.covers[1:] {
		g.covers[0].Add(c)
	}
	return g.covers[0], g.fault
}

func newGrid(p *Program, memory *Memory, params []byte, geo Geometry, opts Options) *grid {
	if opts.StepLimit == 0 {
		opts.StepLimit = ^uint64(0)
	}
	if opts.WorkLimit == 0 {
		opts.WorkLimit = ^uint64(0)
	}
	g := &grid{prog: p, memory: memory, params: params, geo: geo, opts: opts, faultAt: ^uint64(0)}
	g.stop.Store(^uint64(0))
	g.sharedBytes = p.SharedStatic
	if geo.SharedBytes > 0 {
		align := max(p.SharedAlign, 1)
		g.sharedBytes = (p.SharedStatic+align-1)&^(align-1) + uint64(geo.SharedBytes)
	}
	g.rng = seeded(opts.Seed, opts.Launch)
	g.seed = g.rng.next()
	g.order = newPermutation(geo.Blocks(), g.rng.next())
	g.resident = max(opts.Resident, 1)
	workers := 1
	if opts.Strict {
		g.eye = &ordering{stamp: opts.Launch, fences: map[uint32]*blockFences{}, strong: map[uint64]*location{}}
	}
	if !opts.Serial && !opts.Strict {
		workers = min(runtime.GOMAXPROCS(0), g.resident)
		if n := geo.Blocks(); n < uint64(workers) {
			workers = int(n)
		}
	}
	for range workers {
		g.covers = append(g.covers, p.NewCover())
	}
	return g
}

// run alternates between running blocks concurrently and executing, one at a time, the operations that they wait at.
func (g *grid) run() {
	var ready []*block
	for {
		ready = g.together(ready)
		if g.fault != nil {
			return
		}
		if msg := g.limits.exceeded(&g.opts); msg != "" {
			g.fault = g.endless(ready, msg)
			return
		}
		if len(ready) == 0 {
			return
		}
		if g.oneByOne(ready); g.fault != nil {
			return
		}
	}
}

// together runs blocks concurrently, replacing those that end by new ones, until all resident blocks wait for the grid. It returns
// them in the order of their admission.
func (g *grid) together(ready []*block) []*block {
	g.parked = g.parked[:0]
	queue := ready
	g.running = len(queue)
	take := func() *block {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(queue) > 0 {
			b := queue[0]
			queue = queue[1:]
			return b
		}
		if g.next >= g.geo.Blocks() || len(g.parked)+g.running >= g.resident || g.fault != nil || g.limits.steps > g.opts.StepLimit {
			return nil
		}
		g.running++
		g.next++
		return g.admit(g.next - 1)
	}
	// ran records the outcome of running a block.
	ran := func(b *block, steps uint64, left bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		work := b.work()
		g.limits.ran(steps, work-b.counted, left)
		b.counted = work
		g.running--
		switch {
		case b.fault != nil:
			if b.order < g.faultAt {
				g.fault, g.faultAt = b.fault, b.order
				g.stop.Store(b.order)
			}
		case b.done():
			g.free = append(g.free, b)
		default:
			g.parked = append(g.parked, b)
		}
	}
	work := func(cover *Cover) {
		for b := take(); b != nil; b = take() {
			if b.order > g.stop.Load() { // an earlier block has failed
				g.mu.Lock()
				g.running--
				g.mu.Unlock()
				continue
			}
			b.cover = cover
			steps, threads := b.steps, b.threads
			b.run()
			cover.Steps += b.steps - steps
			ran(b, b.steps-steps, b.threads < threads)
		}
	}
	var wg sync.WaitGroup
	if len(queue) > 1 || g.next < g.geo.Blocks() {
		for _, c := range g.covers[1:] {
			wg.Add(1)
			go func() {
				defer wg.Done()
				work(c)
			}()
		}
	}
	work(g.covers[0])
	wg.Wait()
	// The order in which goroutines park blocks depends on their scheduling, so sort.
	out := append([]*block(nil), g.parked...)
	for i := 1; i < len(out); i++ {
		for k := i; k > 0 && out[k].order < out[k-1].order; k-- {
			out[k], out[k-1] = out[k-1], out[k]
		}
	}
	return out
}

// oneByOne executes the operations that blocks wait at, in a random order. It leaves out some of them, by each block's pace.
func (g *grid) oneByOne(ready []*block) {
	var all []pending
	for _, b := range ready {
		all = append(all, b.pending...)
	}
	g.rng.shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if len(all) == 0 { // nothing to execute: wake the napping warps
		for _, b := range ready {
			for _, w := range b.warps {
				w.nap = 0
			}
		}
		return
	}
	last := g.rng.below(uint32(len(all))) // this one is executed whatever the paces are
	for i, p := range all {
		if g.rng.below(8) >= p.w.block.pace && uint32(i) != last {
			continue
		}
		w, s := p.w, p.s
		w.mask = s.mask
		s.op.exec(w, s.op)
		if w.fault != nil {
			g.fault = w.fault
			return
		}
		b := w.block
		for i, q := range b.pending {
			if q == p {
				b.pending = append(b.pending[:i], b.pending[i+1:]...)
				break
			}
		}
		w.enter(s, w.prog.blocks[s.block].next)
	}
}

// admit returns the n-th block of the order, ready to run.
func (g *grid) admit(n uint64) *block {
	var b *block
	if k := len(g.free); k > 0 {
		b = g.free[k-1]
		g.free = g.free[:k-1]
	} else {
		b = &block{grid: g, shared: make([]byte, g.sharedBytes)}
		for range (g.geo.Threads() + lanes - 1) / lanes {
			b.warps = append(b.warps, newWarp(g.prog))
		}
	}
	b.order = n
	b.number = g.order.at(n)
	b.id = g.place(n)
	b.left, b.threads, b.waiting, b.steps, b.extra, b.counted, b.fault = 0, g.geo.Threads(), 0, 0, 0, 0, nil
	b.pending = b.pending[:0]
	b.bars = [barriers]barrier{}
	b.rng = seeded(g.seed, b.number)
	b.pace = [...]uint32{8, 8, 8, 4, 1}[b.rng.below(5)]
	b.rng.scribble(b.shared)
	if g.eye != nil {
		g.watch(b)
	}
	for i, w := range b.warps {
		w.start(b, i, b.threads)
	}
	return b
}

// place returns the coordinates in the grid of the n-th block of the order.
func (g *grid) place(n uint64) [3]uint32 {
	number := g.order.at(n)
	x, y := uint64(g.geo.Grid[0]), uint64(g.geo.Grid[1])
	return [3]uint32{uint32(number % x), uint32(number / x % y), uint32(number / (x * y))}
}

// watch sets up a block's observer.
func (g *grid) watch(b *block) {
	old := b.eye
	b.eye = &observer{grid: g.eye, order: uint32(min(b.order, maxOrder)) + 1, clock: 1, strong: map[uint64]*location{}}
	if old != nil {
		clear(old.threads)
		b.eye.threads, b.eye.shared = old.threads, old.shared
	} else {
		b.eye.threads, b.eye.shared = make([]threadView, (g.geo.Threads()+lanes-1)/lanes*lanes), NewShadow(g.sharedBytes)
	}
	g.stamps++
	b.eye.stamp = g.stamps
	b.eye.shared.forget(g.sharedBytes)
}
