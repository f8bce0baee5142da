// Package tune chooses how package cpu makes a pass over large arrays: with how many goroutines, with which stores, and how far ahead it
// prefetches. No choice changes a bit of a result.
//
// What is fastest depends on how the caches of a machine share their bandwidth, which processors do not report, and virtual machines
// least of all. So a rule makes the first choice, from what CPUID says of the caches, and then the calls of the program themselves are
// timed: in turns, they are made as chosen and with one thing changed, and what takes the least time is kept. This takes no work besides
// that of the calls, happens in the state of the caches in which the program calls, and forgets everything when the program ends.
package tune

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smoothl1/smoothl1/internal/isa"
)

// Choice is a way to make a pass.
type Choice struct {
	Threads   int  // number of goroutines
	Streaming bool // store past the caches
	Ahead     int  // prefetch distance in bytes
}

// String returns, for example, "2 threads, streaming stores, prefetching 1024 bytes ahead".
func (c Choice) String() string {
	stores := "ordinary"
	if c.Streaming {
		stores = "streaming"
	}
	return fmt.Sprintf("%d threads, %s stores, prefetching %d bytes ahead", c.Threads, stores, c.Ahead)
}

// A Tuner finds the choices for all kinds of passes. Its methods may be called from several goroutines at once.
type Tuner struct {
	fixed   Fixed
	mu      sync.RWMutex
	kinds   map[Key]*kind
	running atomic.Int32  // passes being made
	begun   atomic.Uint64 // passes begun
}

// New returns a tuner with a part of the choices fixed.
func New(fixed Fixed) *Tuner { return &Tuner{fixed: fixed, kinds: map[Key]*kind{}} }

// Tuned reports whether passes over so many bytes are tuned.
func (t *Tuner) Tuned(bytes int) bool {
	if isa.Current() == isa.Generic {
		return bytes > genericFrom || t.fixed.Always
	}
	return bytes > From || t.fixed.Always
}

// Run is a pass being made.
type Run struct {
	Choice
	tuner *Tuner
	kind  *kind // nil: not timed
	trial trial
	bytes int
	begun uint64
	start time.Time
}

// Begin returns how to make a pass over so many bytes. The caller calls End when it has been made.
func (t *Tuner) Begin(k Key, bytes int) Run {
	t.mu.RLock()
	found := t.kinds[k]
	t.mu.RUnlock()
	if found == nil {
		found = t.add(k)
	}
	r := Run{tuner: t, kind: found, bytes: bytes}
	if r.Choice, r.trial = found.next(); r.trial != 0 {
		r.begun = t.begun.Add(1)
		if t.running.Add(1) > 1 {
			r.trial = disturbed
		}
		r.start = time.Now()
		return r
	}
	t.begun.Add(1)
	t.running.Add(1)
	return r
}

// End records how long the pass took, unless it was not done, or another one was made at the same time.
func (r *Run) End(done bool) {
	if r.kind == nil {
		return
	}
	if r.trial != 0 {
		rate := float64(time.Since(r.start)) / float64(max(1, r.bytes))
		if !done || r.trial == disturbed || r.tuner.begun.Load() != r.begun {
			rate = 0
		}
		r.kind.record(r.Choice, rate)
	}
	r.tuner.running.Add(-1)
}

// maxKinds bounds the memory for programs that call with arrays of ever other sizes on ever other numbers of threads.
const maxKinds = 4096

func (t *Tuner) add(k Key) *kind {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.kinds[k]; found != nil {
		return found
	}
	if len(t.kinds) >= maxKinds {
		clear(t.kinds)
	}
	found := newKind(k, t.fixed)
	t.kinds[k] = found
	return found
}

// Fixed returns what is fixed.
func (t *Tuner) Fixed() Fixed { return t.fixed }

// Found is what is known of a kind of passes.
type Found struct {
	Key     Key
	Choice  Choice  // the best so far
	Before  Choice  // with which the last search began: at first that of the rule
	Settled bool    // it has been compared with all others
	Speedup float64 // over that, as measured
}

// Found returns what is known so far, in no order.
func (t *Tuner) Found() []Found {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []Found
	for _, x := range t.kinds {
		all = append(all, x.found())
	}
	return all
}
