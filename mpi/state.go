package mpi

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/smoothl1/smoothl1"
)

// A Level is a level of thread support.
type Level int

// The levels of the standard. The Go runtime has several threads in every program; Single is therefore used as Funneled is.
const (
	Single     Level = iota // one thread
	Funneled                // only the thread that has initialized MPI makes calls
	Serialized              // any thread, one at a time
	Multiple                // any threads, at once
)

// String returns the level's name in the standard, such as "MPI_THREAD_MULTIPLE".
func (l Level) String() string {
	names := [...]string{"MPI_THREAD_SINGLE", "MPI_THREAD_FUNNELED", "MPI_THREAD_SERIALIZED", "MPI_THREAD_MULTIPLE"}
	if l < 0 || int(l) >= len(names) {
		return fmt.Sprintf("Level(%d)", int(l))
	}
	return names[l]
}

// phase is how far the library's life has come: MPI can be initialized once in a process.
type phase int

const (
	before phase = iota
	running
	finalized
)

func (p phase) String() string {
	return [...]string{"not initialized", "initialized", "finalized"}[p]
}

// library is the state of the one MPI library of the process. Calls hold mu for reading.
var library struct {
	mu       sync.RWMutex
	phase    phase
	provided Level
	calls    chan *call // to the thread that has initialized the library
	one      sync.Mutex // held during a call at level Serialized
	world    Comm
}

// Init initializes MPI and returns the communicator of all ranks. It asks for the thread level that is given and goes on with a lower one
// if the library provides no more: see Provided. It can be called once in a process. A second call, also after Finalize, fails with an
// error wrapping ErrState, and one in a program without MPI with one wrapping ErrUnavailable. The ranks wait for each other.
//
// Calls by a C library that initializes MPI itself are not supported.
func Init(level Level) (*Comm, error) {
	const op = "Init"
	if level < Single || level > Multiple {
		return nil, smoothl1.NewArgError(op, "level", int(level), smoothl1.ErrOption)
	}
	again := func(p phase) error {
		return smoothl1.NewArgError(op, "MPI", p, fmt.Errorf("%w: it is initialized once in a process", ErrState))
	}
	library.mu.RLock() // which calls in progress allow, and a Lock that waits for them would keep from Abort
	p := library.phase
	library.mu.RUnlock()
	if p != before {
		return nil, again(p)
	}
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.phase != before {
		return nil, again(library.phase)
	}
	if !available {
		return nil, smoothl1.NewArgError(op, "MPI", runtime.GOOS+"/"+runtime.GOARCH, ErrUnavailable)
	}
	calls, done := make(chan *call), make(chan int)
	provided := make(chan Level)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		l, code := initialize(level)
		provided <- l
		done <- code
		if code != 0 {
			return
		}
		for k := range calls {
			k.run()
			k.done <- struct{}{}
		}
	}()
	library.provided = <-provided
	if code := <-done; code != 0 {
		library.phase = finalized // the standard leaves open whether it could be tried again
		return nil, &Error{Op: op, Code: code, Text: errorText(code)}
	}
	library.phase, library.calls = running, calls
	library.world = Comm{made: true, world: true, name: "world", handle: worldHandle()}
	err := library.world.measure(op)
	return &library.world, err
}

// Provided returns the thread level that the library provides. It is Single before Init.
func Provided() Level {
	library.mu.RLock()
	defer library.mu.RUnlock()
	return library.provided
}

// Finalize ends the use of MPI; no call is possible after it. It is collective: it waits for the other ranks, so that a program in which
// one rank fails calls Abort instead. Before Init and after Finalize it fails with an error wrapping ErrState, and while another call is in
// progress with one wrapping smoothl1.ErrBusy.
func Finalize() error {
	const op = "Finalize"
	if !library.mu.TryLock() {
		return smoothl1.NewArgError(op, "MPI", "in a call", smoothl1.ErrBusy)
	}
	defer library.mu.Unlock()
	if library.phase != running {
		return smoothl1.NewArgError(op, "MPI", library.phase, ErrState)
	}
	k := &call{kind: doFinalize, done: make(chan struct{})}
	library.calls <- k
	<-k.done
	close(library.calls)
	library.phase = finalized
	w := &library.world
	return w.failed(op, k.code)
}

// Abort ends all ranks, this one included, with the exit code given, and mpirun with it; it does not return. Where MPI is not initialized, or an
// Init or Finalize is in progress, it ends this process, upon which mpirun ends the others unless the code is 0.
func Abort(code int) {
	if library.mu.TryRLock() { // an Init or Finalize may wait for ranks that never come
		phase := library.phase
		library.mu.RUnlock()
		if phase == running {
			abort(code)
		}
	}
	os.Exit(code)
}

// Main runs f between Init and Finalize, as the whole of a program. If f returns an error, it is printed with the number of its rank and all
// ranks are ended, with exit code 1, without waiting for them; if f panics, or ends its goroutine, with exit code 2. Otherwise Main returns.
func Main(level Level, f func(world *Comm) error) {
	world, err := Init(level)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 2
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "rank %d: panic: %v\n%s", world.Rank(), r, debug.Stack())
		}
		if code != 0 {
			Abort(code)
		}
	}()
	if err = f(world); err == nil {
		err = Finalize()
	}
	if code = 0; err != nil {
		fmt.Fprintf(os.Stderr, "rank %d: %v\n", world.Rank(), err)
		code = 1
	}
}
