// Package memory says beforehand whether memory can be had. Go ends a process that it finds no memory for, and Linux kills one
// that fills more than there is; here it is an error.
package memory

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"unsafe"
)

// Less than worthAsking is given without asking. Reading a system's files takes a fraction of a millisecond, as clearing some
// MiB does, so they are read for what is large, and for smaller sizes when these have used a quarter of what was free.
const (
	worthAsking = 1 << 20
	large       = 64 << 20
)

const unknown = math.MaxUint64

// host is what is asked. Tests have one of their own.
type host struct {
	limits  func() (total, free uint64) // bytes at the very most, and now; unknown where the system does not say
	reserve func(n uint64) error        // asks the system for n bytes more, and gives them back
	collect func()                      // gives garbage back to the system
	idle    func() uint64               // bytes that Go has from the system and does not use

	budget atomic.Int64 // bytes to be given, in sizes below large, before the limits are looked at again
}

var system = host{limits: limits, reserve: reserve, collect: debug.FreeOSMemory, idle: idle}

// Check returns an error where n bytes more are larger than the memory of the machine, or of the control group that the
// process runs in, or than what is free of it now: caches count as free, and so do swap space and, after a collection that
// Check makes before it refuses anything, garbage. It does not count what has been promised to other processes.
func Check(n uint64) error { return system.check(n) }

func (h *host) check(n uint64) error {
	if n < worthAsking || n < large && h.budget.Add(-int64(n)) >= 0 {
		return nil
	}
	total, free := h.limits()
	if n > total {
		return fmt.Errorf("it needs %d bytes of memory, there are %d in all", n, total)
	}
	if n > free {
		h.collect()
		if _, free = h.limits(); n > free {
			return fmt.Errorf("it needs %d bytes of memory, %d are free", n, free)
		}
	}
	h.budget.Store(int64(min(free-n, math.MaxInt64) / 4))
	return nil
}

// Make is make([]T, n) with an error where Go does not find the memory, n ≥ 0.
func Make[T any](n int) (x []T, err error) {
	size := uint64(unsafe.Sizeof(*new(T)))
	if uint64(n) > math.MaxInt/max(size, 1) {
		return nil, fmt.Errorf("%d elements of %d bytes are more than can be addressed", n, size)
	}
	bytes := uint64(n) * size
	if err := system.room(bytes); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil { // Go's largest object is smaller than the largest int
			err = fmt.Errorf("%d bytes are more than can be addressed", bytes)
		}
	}()
	return make([]T, n), nil
}

// room reports whether Go will find n bytes: they are there, and the system, which may limit the address space or what it
// promises, lets the process have them.
func (h *host) room(n uint64) error {
	if err := h.check(n); err != nil || n < worthAsking {
		return err
	}
	const arena = 64 << 20 // what Go asks the system for is a multiple of this
	err := h.reserve(n + arena)
	if err == nil {
		return nil
	}
	h.collect()
	if h.idle() >= n || h.reserve(n+arena) == nil {
		return nil
	}
	return fmt.Errorf("it needs %d bytes of memory: %w", n, err)
}

// idle returns what Go has from the system and does not use.
func idle() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapIdle
}

// inUse returns the bytes that Go has from the system and has not given back, whether they were ever touched or not.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// less is a − b, or 0.
func less(a, b uint64) uint64 { return a - min(a, b) }
