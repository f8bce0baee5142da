package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
)

const (
	// batch is the number of chunks that a goroutine takes at a time: 32,768 elements.
	batch = 16
	// serialChunks is the number of chunks up to which starting goroutines costs more than it gains.
	serialChunks = 16
)

// run walks all chunks and returns the canonical sum, if the walk has one.
func run[T smoothl1.Float](w walk[T]) float64 {
	chunks := Chunks(len(w.args.Pred))
	workers := min(runtime.GOMAXPROCS(0), (chunks+batch-1)/batch)
	if chunks <= serialChunks || workers == 1 {
		return runSerial(&w, chunks)
	}
	return runParallel(w, chunks, workers)
}

// runParallel takes the walk by value, so that a serial one does not escape to the heap.
func runParallel[T smoothl1.Float](w walk[T], chunks, workers int) float64 {
	sums := w.args.ChunkSums
	if w.what.value && sums == nil {
		sums = make([]float64, chunks)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				first := int(next.Add(batch)) - batch
				if first >= chunks {
					return
				}
				for c := first; c < min(first+batch, chunks); c++ {
					sum := w.chunk(c * Chunk)
					if w.what.value {
						sums[c] = sum
					}
				}
			}
		})
	}
	group.Wait()
	var s summer
	for _, sum := range sums {
		s.add(sum)
	}
	return s.sum()
}

func runSerial[T smoothl1.Float](w *walk[T], chunks int) float64 {
	var s summer
	for c := range chunks {
		sum := w.chunk(c * Chunk)
		if !w.what.value {
			continue
		}
		if w.args.ChunkSums != nil {
			w.args.ChunkSums[c] = sum
		}
		s.add(sum)
	}
	return s.sum()
}
