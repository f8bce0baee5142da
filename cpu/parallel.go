package cpu

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// job is a pass that is made in batches, by several goroutines. Jobs are kept and used again, so that a call allocates
// nothing. The goroutines are not: they end with the call, and the runtime keeps what they were for the next. So nothing
// spins or sleeps between calls, and whatever belongs to the caller's goroutine (a profiler's labels, a synctest bubble) is
// theirs.
type job[T smoothl1.Float] struct {
	pass   pass[T]
	chunks int
	batch  int          // chunks that a goroutine takes at a time
	next   atomic.Int64 // the chunk that the next batch begins at
	group  sync.WaitGroup
	work   func()    // runs batches until there are no more; made once, for it allocates
	sums   []float64 // chunk sums, where the caller wants none

	failed atomic.Pointer[failure]
}

// failure is a panic of a goroutine of a job.
type failure struct {
	value any
	stack []byte
}

func (f *failure) Error() string {
	return fmt.Sprintf("%v\n\nin a goroutine of package cpu:\n%s", f.value, f.stack)
}

// Unwrap returns the value of the panic where it is an error, such as a runtime.Error.
func (f *failure) Unwrap() error {
	err, _ := f.value.(error)
	return err
}

func newJob[T smoothl1.Float]() *job[T] {
	j := &job[T]{}
	j.work = func() {
		defer j.group.Done()
		defer func() {
			if value := recover(); value != nil {
				j.failed.CompareAndSwap(nil, &failure{value, debug.Stack()})
				j.next.Store(int64(j.chunks)) // the others need not go on
			}
		}()
		j.batches()
	}
	return j
}

// batches computes batches until there are no more.
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

// maxBatch is the number of chunks that are computed at a time at most, 131,072 elements: enough for the hardware's
// prefetchers, and little enough that the garbage collector never waits long for a kernel, which it cannot interrupt.
const maxBatch = 64

// runParallel makes a pass by so many goroutines. A panic of one becomes a panic of the caller.
func runParallel[T smoothl1.Float](p *pass[T], sums []float64, chunks, workers int) (sum float64) {
	free := freeJobs[T]()
	j := free.take()
	defer func() {
		j.pass = pass[T]{} // lets the caller's arrays go
		free.put(j)
	}()
	j.pass, j.chunks = *p, chunks
	j.batch = max(1, min(maxBatch, chunks/(4*workers))) // several for each, since they will not be equally fast
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
	// The caller waits and does not take part: of the goroutines it starts, the last runs on its processor as soon as it
	// waits, and the others can be had by other processors at once, which the last one could not.
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

// jobs are those that no call is using.
type jobs[T smoothl1.Float] struct {
	mu   sync.Mutex
	idle []*job[T]
}

var (
	jobs32 jobs[float32]
	jobs64 jobs[float64]
)

func freeJobs[T smoothl1.Float]() *jobs[T] {
	if f, ok := any(&jobs32).(*jobs[T]); ok {
		return f
	}
	if f, ok := any(&jobs64).(*jobs[T]); ok {
		return f
	}
	return new(jobs[T]) // a type that no jobs are kept for
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
