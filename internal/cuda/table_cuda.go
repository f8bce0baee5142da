//go:build cuda && linux && amd64 && cgo

package cuda

import (
	"sync"
	"sync/atomic"
)

// handles is the last handle number. All devices of the process share it, so that a handle of one device is invalid on another. The
// top bit, which no address has, marks a handle of this package: a Stream without it is a CUstream created elsewhere.
var handles atomic.Uint64

const ours = 1 << 63

// table holds the open objects of one kind. Any number of calls can use an object; take waits for them. No call waits for an object to
// become usable, so that calls that use several objects cannot deadlock.
type table[T any] struct {
	mu sync.RWMutex
	m  map[uint64]*entry[T]
}

type entry[T any] struct {
	value T
	users sync.WaitGroup
}

// add adds value and returns its handle.
func (t *table[T]) add(value T) uint64 {
	h := handles.Add(1) | ours
	t.put(h, value)
	return h
}

// put adds value under a handle chosen by the driver.
func (t *table[T]) put(h uint64, value T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = make(map[uint64]*entry[T])
	}
	t.m[h] = &entry[T]{value: value}
}

// get returns the entry of h for use, or nil if h is not open. The caller must call users.Done after use.
func (t *table[T]) get(h uint64) *entry[T] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.m[h]
	if e != nil {
		e.users.Add(1) // under the lock, so that it happens before take waits
	}
	return e
}

// find returns the entry of an object that ok accepts, for use, or nil if there is none. It visits all of them. The caller must call
// users.Done after use.
func (t *table[T]) find(ok func(T) bool) *entry[T] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, e := range t.m {
		if ok(e.value) {
			e.users.Add(1)
			return e
		}
	}
	return nil
}

// take removes h, waits until no call uses it, and returns its value.
func (t *table[T]) take(h uint64) (value T, ok bool) {
	t.mu.Lock()
	e := t.m[h]
	delete(t.m, h)
	t.mu.Unlock()
	if e == nil {
		return value, false
	}
	e.users.Wait()
	return e.value, true
}

// drain removes and returns all values. It is for Close, during which no other call is in progress.
func (t *table[T]) drain() map[uint64]T {
	all := make(map[uint64]T, len(t.m))
	for h, e := range t.m {
		all[h] = e.value
	}
	t.m = nil
	return all
}
