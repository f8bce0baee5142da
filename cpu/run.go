package cpu

import (
	"runtime"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/tune"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// serialChunks is the largest number of chunks of a pass without goroutines whose sums are kept on the stack.
const serialChunks = 16

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
	if t, bytes := tuner.Load(), p.arrays()*p.N*p.Size(); t.Tuned(bytes) {
		return runTuned(p, sums, t, chunks, bytes)
	}
	p.Ahead = tune.Ahead
	switch {
	case sums != nil || !p.kind.Reduces():
		return runSerial(p, sums)
	case chunks <= serialChunks:
		var room [serialChunks]float64 // zeroing a larger array would cost time
		return runSerial(p, room[:chunks])
	default:
		return runParallel(p, nil, chunks, 1)
	}
}

// runTuned makes a pass over large arrays as the tuner says.
func runTuned[T core.Float](p *pass[T], sums []float64, t *tune.Tuner, chunks, bytes int) float64 {
	r := t.Begin(tune.Key{Pass: p.kind, Type: p.dtype(), Form: p.form(), Size: tune.SizeOf(bytes), Streamable: p.streamable(),
		Procs: runtime.GOMAXPROCS(0), Set: isa.Current()}, bytes)
	done := false
	defer func() { r.End(done) }()
	if p.Ahead = uint64(r.Ahead); r.Streaming {
		p.Stores |= core.StoreStreaming
	}
	sum := runParallel(p, sums, chunks, r.Threads)
	done = true
	return sum
}

// runSerial makes a pass on the caller's goroutine, as one batch.
func runSerial[T core.Float](p *pass[T], sums []float64) float64 {
	q := *p // a copy that does not escape, so that it may point to sums on the stack
	q.Sums = unsafe.SliceData(sums)
	q.compute()
	return total(sums)
}

// streamable reports whether the outputs can be written with streaming (non-temporal) stores, which require aligned vectors, and gain
// nothing if the output is also an input: an ordinary store to a line that is in no cache reads it first.
func (p *pass[T]) streamable() bool {
	if p.Out == nil || !isa.Current().Streams() {
		return false
	}
	for _, out := range [...]*T{p.Out, p.Negated} {
		if uintptr(unsafe.Pointer(out))%core.Line != 0 || out != nil && (out == p.Pred || out == p.Target || out == p.Upstream) {
			return false
		}
	}
	return true
}

// form returns what the tuner is to know of the pass.
func (p *pass[T]) form() (f tune.Form) {
	if p.Upstream != nil {
		f |= tune.Upstream
	}
	if p.Negated != nil {
		f |= tune.BothGradients
	}
	return f
}

// dtype returns the type of stored elements.
func (p *pass[T]) dtype() smoothl1.DType {
	switch {
	case p.Storage == core.F16:
		return smoothl1.Float16
	case p.Storage == core.BF16:
		return smoothl1.BFloat16
	case p.Size() == 8:
		return smoothl1.Float64
	}
	return smoothl1.Float32
}
