// Package ceiling measures how fast this machine moves memory, with assembly loops that read two arrays, copy one, or combine two into
// a third, with as little arithmetic as possible. No loss on the same number of arrays can be faster. The loops have every choice that
// package cpu has: ordinary and streaming stores, how far ahead they prefetch, and how the arrays are divided among goroutines.
package ceiling

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// Kind is the kind of a loop.
type Kind string

// The kinds of loops.
const (
	Read    Kind = "read"    // reads two arrays
	Copy    Kind = "copy"    // reads one and writes one
	Combine Kind = "combine" // reads two and writes one
)

// Arrays returns the number of arrays that a loop reads and writes.
func (k Kind) Arrays() int {
	if k == Combine {
		return 3
	}
	return 2
}

// A Loop is one way to move memory.
type Loop struct {
	Name string
	Kind Kind
	// Run runs the loop once. The arrays must have the same length, a multiple of Granule, and begin at multiples of 64 bytes.
	Run func(to, a, b []float32)
}

// Granule is the number of elements that the lengths of arrays must be a multiple of.
const Granule = 64

// loop is one of the functions in assembly.
type loop struct {
	kind      Kind
	set       isa.Set
	streaming bool
	prefetch  bool
	call      func(to, a, b *byte, n, distance int)
}

// distances are the prefetch distances, in bytes.
var distances = []int{512, 1024, 2048, 4096, 8192}

// A division runs a loop on parts of the arrays, which run takes.
type division struct {
	name  string
	start func(n int, run func(start, end int))
}

// divisions returns the ways to divide arrays among as many threads.
func divisions(threads int) []division {
	alone := division{", one goroutine", func(n int, run func(start, end int)) { run(0, n) }}
	if threads <= 1 {
		alone.name = ""
		return []division{alone}
	}
	return []division{
		{"", func(n int, run func(start, end int)) { batches(n, threads, run) }},
		{", a part for each thread", func(n int, run func(start, end int)) { parts(n, threads, run) }},
		alone,
	}
}

// Loops returns the loops for the instruction set in use, with each choice and for as many threads, or none if the set has no assembly.
func Loops(threads int) (all []Loop) {
	for _, l := range loops {
		if l.set != isa.Current() {
			continue
		}
		name := string(l.kind)
		if l.streaming {
			name += ", streaming"
		}
		ahead := []int{0}
		if l.prefetch {
			ahead = distances
		}
		for _, distance := range ahead {
			name := name
			if distance > 0 {
				name += fmt.Sprintf(", prefetched %d ahead", distance)
			}
			for _, d := range divisions(threads) {
				all = append(all, Loop{name + d.name, l.kind, func(to, a, b []float32) {
					d.start(len(to), func(start, end int) {
						l.call(bytes(to[start:end]), bytes(a[start:end]), bytes(b[start:end]), 4*(end-start), distance)
					})
				}})
			}
		}
	}
	return all
}

// batches runs a loop on batches as package cpu makes them, that is of at most 64 chunks, and at least four for each thread.
func batches(n, threads int, run func(start, end int)) {
	const most = 64
	chunks := (n + cpu.Chunk - 1) / cpu.Chunk
	batch := max(1, min(most, chunks/(4*threads))) * cpu.Chunk
	var next atomic.Int64
	team(threads, func(int) {
		for {
			start := int(next.Add(int64(batch))) - batch
			if start >= n {
				return
			}
			run(start, min(n, start+batch))
		}
	})
}

// parts runs a loop on one part of the arrays for each thread.
func parts(n, threads int, run func(start, end int)) {
	granules := n / Granule
	team(threads, func(i int) {
		if start, end := granules*i/threads*Granule, granules*(i+1)/threads*Granule; start < end {
			run(start, end)
		}
	})
}

// team runs a function in as many goroutines.
func team(threads int, work func(i int)) {
	var group sync.WaitGroup
	for i := range threads {
		group.Go(func() { work(i) })
	}
	group.Wait()
}
