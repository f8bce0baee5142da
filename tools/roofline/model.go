package main

import (
	"math"

	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// structure is how a launch is built: what package gpu deals out, and how the sum is finished.
type structure struct {
	resident int // warps for each multiprocessor in a large launch: warpsPerMultiprocessor of package gpu
	share    int // warps that share a chunk while a full device has as many for each; 1: none do
}

// built is the structure of the kernels.
var built = structure{resident: 16, share: 4}

// A prediction is in nanoseconds.
type prediction struct {
	total, launch, stream, finish float64
	bandwidth, issue, latency     float64 // what the stream would take if it were bound by that alone
	bound                         string  // by what it is bound
	warps, busy                   int     // warps of the busiest multiprocessor, and multiprocessors with work
	inFlight, needed              float64 // bytes, on a multiprocessor
}

// grid is how the chunks are dealt out.
type grid struct {
	block, warps, busy, rounds, share int // warps of a block and of a multiprocessor; multiprocessors; jobs of a warp, one after another
}

// deal is geometry of package gpu, with several warps to a chunk, and with blocks that wait where registers do not suffice.
func (s structure) deal(d device, chunks, registers int) grid {
	g := grid{share: 1}
	jobs := max(1, chunks)
	g.block = min(ceil(jobs, d.multiprocessors), kernels.MaxWarps)
	if jobs*s.share <= d.multiprocessors*s.resident {
		g.share, jobs = s.share, jobs*s.share
		if s.share > 1 {
			g.block = s.share
		}
	}
	blocks := min(ceil(jobs, g.block), d.multiprocessors*s.resident/g.block)
	fit := max(1, architecture{warps: d.warps}.occupancy(registers)/g.block)
	each := ceil(blocks, d.multiprocessors)
	waves := ceil(each, fit)
	g.warps, g.busy = min(each, fit)*g.block, min(blocks, d.multiprocessors)
	g.rounds = waves * ceil(jobs, blocks*g.block)
	return g
}

func ceil(a, b int) int { return (a + b - 1) / b }

// predict predicts the time of a launch for n elements, whose arrays are not in the L2 cache.
func predict(d device, w *work, s structure, n int) (p prediction) {
	chunks := ceil(n, chunkElements)
	reduces := w.variant.Pass.Reduces()
	g := s.deal(d, chunks, w.registers)
	p.warps, p.busy, p.launch = g.warps, g.busy, d.launch

	read, written := w.bytes()
	bytes := float64(n) * float64(read+written)
	if reduces {
		bytes += 8 * float64(chunks)
	}
	share := d.mixed
	if written == 0 {
		share = d.read
	}
	first := d.dram / d.clock
	p.bandwidth = first + bytes/(d.bandwidth*share)

	// By issue slots and units: what the busiest multiprocessor executes.
	perChunk := sass.Mix{}.Plus(w.body, chunkElements/sassLanes/float64(g.share)).Plus(w.around, chunkElements/sassLanes)
	cycles, class := d.cycles(sass.Mix{}.Plus(perChunk, float64(g.rounds*g.warps)))
	p.issue = first + cycles/d.clock

	// By latency: a warp's chunks one after another, each with its dependent rounds of loads; and by Little's law with the latency under load.
	iterations := ceil(w.chunk.iterations, g.share)
	chain := w.chunk.cycles(d.timing(d.dram), iterations)
	if part := float64(w.chunk.iterations) / float64(g.share); part < 1 { // the share of a warp is less than it loads at a time
		chain -= (1 - part) * (w.chunk.cycles(d.timing(0), 1) - w.chunk.cycles(d.timing(0), 0))
	}
	if g.share > 1 && reduces {
		chain += shared
	}
	if reduces {
		chain += 2 * d.l2 // each chunk's sum is written, then a ticket is drawn
	}
	p.latency = float64(g.rounds) * chain / d.clock
	p.inFlight = float64(g.warps * w.inFlight * w.piece * sassLanes)
	p.needed = d.bandwidth * share * float64(read) / float64(read+written) * d.loaded / float64(d.multiprocessors)
	little := bytes * float64(read) / float64(read+written) * d.loaded / (p.inFlight * float64(g.busy))
	p.latency = max(p.latency, little)

	p.stream, p.bound = p.bandwidth, "bandwidth"
	if p.issue > p.stream {
		p.stream, p.bound = p.issue, class
	}
	if p.latency > p.stream {
		p.stream, p.bound = p.latency, "latency"
	}
	if reduces {
		p.finish = finish(d, w, chunks)
	}
	p.total = p.launch + p.stream + p.finish
	return p
}

// shared is assumed for the fold of a chunk's warps over shared memory: a store, a barrier, a load, and additions, in cycles.
const shared = 100

// finish returns the time from the last chunk to the value, during which nothing else runs: on each level the last warp draws a ticket and
// sums up to 2048 chunk sums.
func finish(d device, w *work, chunks int) float64 {
	ticket := 2 * d.l2 // the sums are visible, then the ticket is drawn
	cycles := d.l2     // the value is written
	for n := chunks; n > 1; n = ceil(n, chunkElements) {
		iterations := ceil(min(n, chunkElements), chunkElements/max(1, w.fold.iterations))
		cycles += ticket + w.fold.cycles(d.timing(d.l2), iterations)
	}
	return cycles / d.clock
}

// microseconds rounds to three digits.
func microseconds(ns float64) float64 {
	if ns <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(ns))-2)
	return math.Round(ns/unit) * unit / 1e3
}
