package cpu

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
)

// job is a pass that several goroutines make in batches. Jobs are reused, so that a call does not allocate. Goroutines are not: they
// end with the call, and the runtime recycles them. Thus nothing spins or sleeps between calls, and the goroutines inherit the
// caller's profiler labels and synctest bubble.
type job[T core.Float] struct {
	pass   pass[T]
	chunks int
	batch  int          // chunks of a batch
	next   atomic.Int64 // first chunk of the next batch
	group  sync.WaitGroup
	work   func()    // body of the goroutines; a field, since creating a closure allocates
	sums   []float64 // chunk sums, if the caller provides no slice for them

	failed atomic.Pointer[failure]
}

// failure is a panic in a goroutine of a job.
type failure struct {
	value any
	stack []byte
}

func (f *failure) Error() string {
	return fmt.Sprintf("%v\n\nin a goroutine of package cpu:\n%s", f.value, f.stack)
}

// Unwrap returns the value of the panic if it is an error, such as a runtime.Error.
func (f *failure) Unwrap() error {
	err, _ := f.value.(error)
	return err
}

func newJob[T core.Float]() *job[T] {
	j := &job[T]{}
	j.work = func() {
		defer j.group.Done()
		defer func() {
			if value := recover(); value != nil {
				j.failed.CompareAndSwap(nil, &failure{value, debug.Stack()})
				j.next.Store(int64(j.chunks)) // stops the others
			}
		}()
		j.batches()
	}
	return j
}

// batches computes batches until none is left.
func (j *job[T]) batches() {
	for {
		first := int(j.next.Add(int64(j.batch))) - j.batch
		if first >= j.chunks {
			return
		}
		start := first * Chunk
		p := j.pass.part(start, min(j.batch*Chunk, j.pass.N-start))
		p.compute()
	}
}

// maxBatch is the maximum number of chunks in a batch, 131,072 elements: enough for the hardware prefetchers, and few enough that the
// garbage collector never waits long for a kernel, which cannot be preempted.
const maxBatch = 64

// runParallel makes a pass with the given number of goroutines. If one of them panics, so does the caller.
func runParallel[T core.Float](p *pass[T], sums []float64, chunks, workers int) (sum float64) {
	free := freeJobs[T]()
	j := free.take()
	defer func() {
		j.pass = pass[T]{} // do not keep the caller's arrays reachable
		free.put(j)
	}()
	j.pass, j.chunks = *p, chunks
	j.batch = max(1, min(maxBatch, chunks/(4*workers))) // several batches per worker, to balance the load
	j.next.Store(0)
	if p.kind.Reduces() {
		if sums == nil {
			if len(j.sums) < chunks {
				j.sums = make([]float64, chunks)
			}
			sums = j.sums[:chunks]
		}
		j.pass.Sums = unsafe.SliceData(sums)
	}
	if workers <= 1 {
		j.batches()
		return total(sums)
	}
	// The caller does not work itself. The goroutine that it starts last is in its P's runnext slot, from which other Ps do not steal
	// at first: it runs here as soon as the caller waits. Its predecessors were moved to the run queue, where idle Ps find them at once.
	j.group.Add(workers)
	for range workers {
		go j.work()
	}
	j.group.Wait()
	if f := j.failed.Swap(nil); f != nil {
		panic(f)
	}
	return total(sums)
}

// jobs is a free list of jobs.
type jobs[T core.Float] struct {
	mu   sync.Mutex
	idle []*job[T]
}

var (
	jobs32 jobs[float32]
	jobs64 jobs[float64]
)

func freeJobs[T core.Float]() *jobs[T] {
	if f, ok := any(&jobs32).(*jobs[T]); ok {
		return f
	}
	if f, ok := any(&jobs64).(*jobs[T]); ok {
		return f
	}
	return new(jobs[T]) // a type without a free list
}

func (f *jobs[T]) take() *job[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.idle) == 0 {
		return newJob[T]()
	}
	j := f.idle[len(f.idle)-1]
	f.idle = f.idle[:len(f.idle)-1]
	return j
}

func (f *jobs[T]) put(j *job[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, j)
}
