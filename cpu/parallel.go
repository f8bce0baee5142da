package cpu

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
)

// team makes the chunks of a pass in batches, by several goroutines. The goroutines end with the call, and the runtime recycles them.
// Thus nothing spins or sleeps between calls, and the goroutines inherit the caller's profiler labels and synctest bubble.
type team struct {
	compute func(first, chunks int) // makes a batch
	chunks  int
	batch   int          // chunks of a batch
	next    atomic.Int64 // first chunk of the next batch
	group   sync.WaitGroup
	work    func() // body of the goroutines; a field, since creating a closure allocates
	failed  atomic.Pointer[failure]
}

// job is a pass that a team makes. Jobs are reused, so that a call does not allocate.
type job[T core.Float] struct {
	team
	pass pass[T]
	sums []float64 // chunk sums, if the caller provides no slice for them
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

// set prepares a new team that makes batches by calling compute.
func (t *team) set(compute func(first, chunks int)) {
	t.compute = compute
	t.work = func() {
		defer t.group.Done()
		defer func() {
			if value := recover(); value != nil {
				t.failed.CompareAndSwap(nil, &failure{value, debug.Stack()})
				t.next.Store(int64(t.chunks)) // stops the others
			}
		}()
		t.batches()
	}
}

// batches makes batches until none is left.
func (t *team) batches() {
	for {
		first := int(t.next.Add(int64(t.batch))) - t.batch
		if first >= t.chunks {
			return
		}
		t.compute(first, min(t.batch, t.chunks-first))
	}
}

// run makes all chunks, with the given number of goroutines. If one of them panics, so does the caller.
func (t *team) run(chunks, workers int) {
	t.chunks = chunks
	t.next.Store(0)
	if t.batch = maxBatch; workers <= 1 {
		t.batches()
		return
	}
	t.batch = max(1, min(maxBatch, chunks/(4*workers))) // several batches per worker, to balance the load
	// The caller does not work itself. The goroutine that it starts last is in its P's runnext slot, from which other Ps do not steal
	// at first: it runs here as soon as the caller waits. Its predecessors were moved to the run queue, where idle Ps find them at once.
	t.group.Add(workers)
	for range workers {
		go t.work()
	}
	t.group.Wait()
	if f := t.failed.Swap(nil); f != nil {
		panic(f)
	}
}

func newJob[T core.Float]() *job[T] {
	j := &job[T]{}
	j.set(func(first, chunks int) {
		start := first * Chunk
		p := j.pass.part(start, min(chunks*Chunk, j.pass.N-start))
		p.compute()
		if p.Stores&core.StoreStreaming != 0 {
			core.Fence()
		}
	})
	return j
}

// maxBatch is the maximum number of chunks in a batch, 131,072 elements: enough for the hardware prefetchers, and few enough that the
// garbage collector never waits long for a kernel, which cannot be preempted.
const maxBatch = 64

// runParallel makes a pass with the given number of goroutines. If one of them panics, so does the caller.
func runParallel[T core.Float](p *pass[T], sums []float64, chunks, workers int) (sum float64) {
	free := freeJobs[T]()
	j := free.take()
	if j == nil {
		j = newJob[T]()
	}
	defer func() {
		j.pass = pass[T]{} // do not keep the caller's arrays reachable
		free.put(j)
	}()
	j.pass = *p
	if p.kind.Reduces() {
		if sums == nil {
			if len(j.sums) < chunks {
				j.sums = make([]float64, chunks)
			}
			sums = j.sums[:chunks]
		}
		j.pass.Sums = unsafe.SliceData(sums)
	}
	j.run(chunks, workers)
	return total(sums)
}

// pool is a free list.
type pool[E any] struct {
	mu   sync.Mutex
	idle []*E
}

var (
	jobs32 pool[job[float32]]
	jobs64 pool[job[float64]]
)

func freeJobs[T core.Float]() *pool[job[T]] {
	if f, ok := any(&jobs32).(*pool[job[T]]); ok {
		return f
	}
	if f, ok := any(&jobs64).(*pool[job[T]]); ok {
		return f
	}
	return new(pool[job[T]]) // a type without a free list
}

// take returns an element of the list, or nil if there is none.
func (f *pool[E]) take() *E {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.idle) == 0 {
		return nil
	}
	x := f.idle[len(f.idle)-1]
	f.idle = f.idle[:len(f.idle)-1]
	return x
}

func (f *pool[E]) put(x *E) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, x)
}
