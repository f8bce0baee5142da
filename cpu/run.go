package cpu

import (
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// serialLimit returns the largest number of chunks for which a pass is made without goroutines. Waking a second processor takes about
// 25 µs, and cores that share a cache share its bandwidth. Two goroutines pay off for passes longer than 75 to 100 µs in assembly, and
// longer than 50 µs in Go code, which is not limited by any cache. BenchmarkSerialLimit measures both sides of the limit.
func serialLimit[T core.Float]() int {
	size := int(unsafe.Sizeof(T(0)))
	switch isa.Current() {
	case isa.AVX2:
		return 192 * 4 / size
	case isa.AVX512:
		return maxSerialLimit * 4 / size
	default:
		return 8
	}
}

const maxSerialLimit = 384

// run makes the pass and, if it reduces, returns the canonical sum and writes the chunk sums to sums, unless that is nil.
func run[T core.Float](p *pass[T], sums []float64) float64 {
	chunks := Chunks(p.N)
	switch {
	case chunks == 0:
		return 0
	case chunks == 1:
		if p.staged() { // p.compute() by hand: the call would cost time
			p.stages()
		} else {
			core.Call(&p.Params)
		}
		if sums != nil {
			sums[0] = p.Sum
		}
		return p.Sum
	}
	p.prefetch()
	switch {
	case chunks > serialLimit[T]():
		p.stream()
		return runParallel(p, sums, chunks, min(runtime.GOMAXPROCS(0), 2*chunks/serialLimit[T]()))
	case sums == nil && p.kind.Reduces() && chunks <= 16:
		var room [16]float64 // zeroing a larger array would cost time
		return runSerial(p, room[:chunks])
	case sums == nil && p.kind.Reduces():
		var room [maxSerialLimit]float64
		return runSerial(p, room[:chunks])
	default:
		return runSerial(p, sums)
	}
}

// runSerial makes a pass on the caller's goroutine, as one batch.
func runSerial[T core.Float](p *pass[T], sums []float64) float64 {
	q := *p // a copy that does not escape, so that it may point to sums on the stack
	q.Sums = unsafe.SliceData(sums)
	q.compute()
	return total(sums)
}

// prefetch enables software prefetching if the arrays fit the last-level cache, from which the hardware prefetchers do not reach full
// bandwidth. If the arrays fill half of that cache or more, prefetching evicts data that is still needed, and for arrays in memory it
// gains nothing: see BenchmarkPrefetch.
func (p *pass[T]) prefetch() {
	if !p.exceeds(isa.LastLevelCache() / 3) {
		p.Ahead = prefetchDistance
	}
}

// prefetchDistance is in bytes; 768 to 1280 are as good.
const prefetchDistance = 1024

// exceeds reports whether the pass's arrays together are larger than the given number of bytes.
func (p *pass[T]) exceeds(bytes int) bool { return p.arrays()*p.N > bytes/p.Size() }

// stream enables streaming (non-temporal) stores if the arrays exceed the caches: an ordinary store to a line that is in no cache
// reads it first. Streaming stores require aligned vectors, and gain nothing if the output is also an input.
func (p *pass[T]) stream() {
	if p.Out == nil || !p.exceeds(isa.LastLevelCache()) {
		return
	}
	for _, out := range []*T{p.Out, p.Negated} {
		if uintptr(unsafe.Pointer(out))%core.Line != 0 || out != nil && (out == p.Pred || out == p.Target || out == p.Upstream) {
			return
		}
	}
	p.Stores |= core.StoreStreaming
}
