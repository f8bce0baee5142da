//go:build cuda && linux && amd64 && cgo

package cuda

import (
	"sync"
	"sync/atomic"
)

// handles numbers everything that any device of this process makes, so that a handle of one device is unknown to another.
// The topmost bit, which no address has, marks them as ours: a Stream without it is a CUstream of somebody else's.
var handles atomic.Uint64

const ours = 1 << 63

// table holds the open things of one kind. Any number of calls can use a thing; taking it out waits for them. No call waits
// for a thing to become usable, so calls that use several cannot lock each other up.
type table[T any] struct {
	mu sync.RWMutex
	m  map[uint64]*entry[T]
}

type entry[T any] struct {
	value T
	users sync.WaitGroup
}

// add puts value in and returns its handle.
func (t *table[T]) add(value T) uint64 {
	h := handles.Add(1) | ours
	t.put(h, value)
	return h
}

// put is add under a handle that the driver chose.
func (t *table[T]) put(h uint64, value T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = make(map[uint64]*entry[T])
	}
	t.m[h] = &entry[T]{value: value}
}

// get returns the entry of h for use, nil where h is not open. The caller calls users.Done when it has used it.
func (t *table[T]) get(h uint64) *entry[T] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.m[h]
	if e != nil {
		e.users.Add(1) // under the lock: not after take has begun to wait
	}
	return e
}

// take takes h out and returns its value, once no call uses it any more.
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

// drain takes everything out. It is for Close, which no other call runs beside.
func (t *table[T]) drain() map[uint64]T {
	all := make(map[uint64]T, len(t.m))
	for h, e := range t.m {
		all[h] = e.value
	}
	t.m = nil
	return all
}
