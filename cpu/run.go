package cpu

import (
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

const (
	// batch is the number of chunks that are computed at a time, 131,072 elements: enough for the hardware's prefetchers, and
	// little enough that the garbage collector never waits long for a kernel, which it cannot interrupt.
	batch = 64
	// serialChunks is the number of chunks up to which goroutines cost more than they gain.
	serialChunks = 64
)

// run makes the pass and returns its canonical sum, if the kernel reduces. The chunk sums are written to sums, unless it is
// nil.
func run[T smoothl1.Float](p *pass[T], sums []float64) float64 {
	chunks := Chunks(p.n)
	switch {
	case chunks == 0:
		return 0
	case chunks == 1:
		call(p)
		if sums != nil {
			sums[0] = p.sum
		}
		return p.sum
	case chunks <= serialChunks:
		return runSerial(p, sums, chunks)
	default:
		return runParallel(p, sums, chunks, runtime.GOMAXPROCS(0))
	}
}

// runSerial makes a pass of at most serialChunks chunks.
func runSerial[T smoothl1.Float](p *pass[T], sums []float64, chunks int) float64 {
	var room [serialChunks]float64
	q := *p // what points to room must not be what goes to the heap
	if !p.kernel.reduces() {
		call(&q)
		return 0
	}
	if sums == nil {
		sums = room[:chunks]
	}
	q.sums = unsafe.SliceData(sums)
	call(&q)
	return total(sums)
}
