// Package ceiling measures how fast this machine moves memory, with assembly loops that read two arrays, copy one, or combine two into
// a third, with as little arithmetic as possible. No loss on the same number of arrays can be faster.
package ceiling

import (
	"fmt"
	"sync"
	"sync/atomic"

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
	Name  string
	Kind  Kind
	start func(to, a, b []float32, threads int)
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
var distances = []int{512, 4096}

// Loops returns the loops for the instruction set in use, or none if it has no assembly.
func Loops() []Loop {
	var all []Loop
	for _, l := range loops {
		if l.set != isa.Current() {
			continue
		}
		name := string(l.kind)
		if l.streaming {
			name += ", streaming"
		}
		if !l.prefetch {
			all = append(all, Loop{name, l.kind, l.on(0)})
			continue
		}
		for _, d := range distances {
			all = append(all, Loop{fmt.Sprintf("%s, prefetched %d ahead", name, d), l.kind, l.on(d)})
		}
	}
	return all
}

// Run runs the loop once, with the given number of goroutines. The arrays must have the same length, a multiple of Granule, and begin at
// multiples of 64 bytes.
func (l Loop) Run(to, a, b []float32, threads int) { l.start(to, a, b, threads) }

// batch is the number of elements that a goroutine takes at a time, small so that a goroutine that is delayed does not delay the others.
// Package cpu takes as many.
const batch = 1 << 17

func (l loop) on(distance int) func(to, a, b []float32, threads int) {
	part := func(to, a, b []float32) {
		l.call(bytes(to), bytes(a), bytes(b), 4*len(to), distance)
	}
	return func(to, a, b []float32, threads int) {
		if threads == 1 || len(to) <= batch {
			part(to, a, b)
			return
		}
		var next atomic.Int64
		var group sync.WaitGroup
		for range threads {
			group.Go(func() {
				for {
					end := int(next.Add(batch))
					start := end - batch
					if start >= len(to) {
						return
					}
					end = min(end, len(to))
					part(to[start:end], a[start:end], b[start:end])
				}
			})
		}
		group.Wait()
	}
}
