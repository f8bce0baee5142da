package cpu

import (
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// serialLimit returns the number of chunks up to which a pass is made without goroutines. Waking a second processor takes
// about 25 µs, and cores that share a cache share its speed: vectors gain from two on when a pass takes 75 to 100 µs, Go code,
// which is slower than any cache, from 50 µs on. BenchmarkSerialLimit shows both sides of it.
func serialLimit[T smoothl1.Float]() int {
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

// run makes the pass and returns its canonical sum, if the kernel reduces. The chunk sums are written to sums, unless it is
// nil.
func run[T smoothl1.Float](p *pass[T], sums []float64) float64 {
	chunks := Chunks(p.N)
	switch {
	case chunks == 0:
		return 0
	case chunks == 1:
		if p.staged() { // p.compute(), but for a call that would show
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
		var room [16]float64 // clearing more would show
		return runSerial(p, room[:chunks])
	case sums == nil && p.kind.Reduces():
		var room [maxSerialLimit]float64
		return runSerial(p, room[:chunks])
	default:
		return runSerial(p, sums)
	}
}

// runSerial makes a pass that is short enough not to be interrupted.
func runSerial[T smoothl1.Float](p *pass[T], sums []float64) float64 {
	q := *p // what points to sums on the stack must not be what can go to the heap
	q.Sums = unsafe.SliceData(sums)
	q.compute()
	return total(sums)
}

// prefetch has the pass fetch ahead where its arrays lie in the last level of cache, where the processor's own fetching ahead
// falls short of what that cache can do. Where they fill half of it or more, what is fetched too early throws out what is
// needed, and from memory nothing is gained: see BenchmarkPrefetch.
func (p *pass[T]) prefetch() {
	const ahead = 1024 // bytes; from 768 to 1280 are as good
	if !p.exceeds(isa.LastLevelCache() / 3) {
		p.Ahead = ahead
	}
}

// exceeds says whether the pass's arrays are larger than so many bytes together.
func (p *pass[T]) exceeds(bytes int) bool {
	return p.arrays()*p.N > bytes/int(unsafe.Sizeof(T(0)))
}

// stream has the pass store past the caches where its arrays exceed them: a store to memory that is in no cache would read it
// first. Streaming stores need vectors in their place, and gain nothing where the output is read anyway.
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
