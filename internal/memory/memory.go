// Package memory reports an error if a large allocation cannot succeed. Without the check, Go would exit if the system
// refuses the memory, or Linux would kill the process once it touches more than there is.
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

// Sizes below worthAsking are never checked. Reading the system's files takes a fraction of a millisecond, as long as clearing a few
// MiB, so check reads them for every large size, but for smaller ones only when these have used a quarter of what was free.
const (
	worthAsking = 1 << 20
	large       = 64 << 20
)

const unknown = math.MaxUint64

// host is the system whose memory is checked. Tests replace it.
type host struct {
	limits  func() (total, free uint64) // in bytes; unknown if the system does not say
	reserve func(n uint64) error        // allocates n bytes from the system, and frees them
	collect func()                      // runs a collection and returns free memory to the system
	idle    func() uint64               // bytes that Go has from the system but does not use

	budget atomic.Int64 // bytes that may be allocated, in sizes below large, before the limits are read again
}

var system = host{limits: limits, reserve: reserve, collect: debug.FreeOSMemory, idle: idle}

// Check returns an error if n more bytes exceed the memory, or the free memory, of the machine or of the process's control
// group. Caches and swap space count as free, and so does garbage, since Check runs a collection before it
// returns an error. Memory promised to other processes but not used by them counts as free too.
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

// Make is make([]T, n), n ≥ 0, but returns an error if there is not enough memory.
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

// room returns an error if Go could not allocate n bytes: because there is not that much memory, or because the system, which may
// limit the address space or overcommitment, refuses it.
func (h *host) room(n uint64) error {
	if err := h.check(n); err != nil || n < worthAsking {
		return err
	}
	const arena = 64 << 20 // Go allocates from the system in multiples of this
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

// idle returns the bytes of heap that Go has from the system but does not use.
func idle() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapIdle
}

// inUse returns the bytes that Go has from the system and has not returned, whether they were ever touched or not.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

// less returns a − b, or 0 if that is negative.
func less(a, b uint64) uint64 { return a - min(a, b) }
