package measure

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// ours returns contenders for this module's operations, and for copies that move as many bytes.
func ours[T smoothl1.Float](r *rotation[T], w Workload, crit *gpu.SmoothL1[T], clock *clock) (all []*contender) {
	size := r.dtype.Size()
	value := func() error {
		_, err := crit.Value()
		return err
	}
	for _, o := range w.operations() {
		finish := r.dev.Wait
		if o.loss && r.host[0] == nil {
			finish = value
		}
		all = append(all, r.contender(clock, Entry{Op: o.name, Contender: Ours, Bytes: o.bytes(w)}, func(s set[T]) (func() error, error) {
			call, err := bind(&o, crit, w, s)
			if err != nil || !o.loss || r.host[0] == nil {
				return call, err
			}
			// On the CPU the loss is ready when a call returns, so each call reads it, as callers do.
			return func() error {
				if err := call(); err != nil {
					return err
				}
				return value()
			}, nil
		}, finish))
	}
	for _, k := range []int{2, 3} {
		m := r.copied(k)
		all = append(all, &contender{
			entry: Entry{Op: Copy, Contender: copyOf(k), Bytes: 2 * m * size}, most: r.most(clock),
			sample: func(ctx context.Context, calls int) (float64, float64, error) {
				copies, err := r.takeCopies(m, calls+1)
				if err != nil {
					return 0, 0, err
				}
				return clock.sample(ctx, calls, func(i int) error { return copies[i%len(copies)]() }, r.dev.Wait)
			},
		})
	}
	return all
}

// settledAfter is a number of calls after which package cpu has chosen how to make them, on a quiet machine.
const settledAfter = 250

// contender returns a contender that calls a function of this process on successive sets. bind returns the call on a set.
func (r *rotation[T]) contender(clock *clock, e Entry, bind func(s set[T]) (func() error, error), finish func() error) *contender {
	k := &contender{entry: e, most: r.most(clock), sample: func(ctx context.Context, calls int) (float64, float64, error) {
		at, err := r.take(calls + 1)
		if err != nil {
			return 0, 0, err
		}
		bound := make([]func() error, min(calls+1, r.sets))
		for i := range bound {
			if bound[i], err = bind(at(i)); err != nil {
				return 0, 0, err
			}
		}
		call := func(i int) error { return bound[i%len(bound)]() }
		if len(bound) == 1 {
			only := bound[0]
			call = func(int) error { return only() }
		}
		return clock.sample(ctx, calls, call, finish)
	}}
	if r.host[0] != nil {
		if e.Contender == Ours || e.Contender == Direct {
			k.settle = settledAfter
		}
		k.cold = func(ctx context.Context, calls int, other *otherMemory) (float64, error) {
			at, err := r.take(1)
			if err != nil {
				return 0, err
			}
			call, err := bind(at(0))
			if err != nil {
				return 0, err
			}
			return coldCalls(ctx, calls, other, call)
		}
	}
	return k
}

// most returns the largest number of calls of a sample. With a single set it is large, for the calls may be short and need no memory.
func (r *rotation[T]) most(clock *clock) int {
	if r.sets == 1 && r.host[0] != nil {
		return 1 << 17
	}
	return clock.most
}

// A Call is an operation of a contender in this process. One that computes takes arrays of float32; one that only moves memory, a Copy,
// Read or Combine, takes those of other types as float32s of as many bytes.
type Call struct {
	Op, Contender string
	Run           func(pred, target, out []float32) error
}

// locals returns the calls of other contenders in this process.
func locals[T smoothl1.Float](c *Config, r *rotation[T], w Workload, clock *clock) (all []*contender) {
	if r.host[0] == nil {
		return nil
	}
	for _, calls := range c.Locals {
		for _, k := range calls(w) {
			if r.dtype != smoothl1.Float32 && moves[k.Op] == 0 {
				continue
			}
			local := r.contender(clock, Entry{Op: k.Op, Contender: k.Contender, Bytes: BytesOf(k.Op, w)}, func(s set[T]) (func() error, error) {
				host := func(i int) []float32 {
					x := r.host[i][s.first : s.first+r.n]
					n := r.n * r.dtype.Size() / 4
					return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), n)
				}
				pred, target, out := host(0), host(1), host(2)
				return func() error { return k.Run(pred, target, out) }, nil
			}, r.dev.Wait)
			if moves[k.Op] != 0 {
				local.heat = k.Op // there is one for each of the many ways to move memory
			}
			all = append(all, local)
		}
	}
	return all
}

// copyParts copies with as many goroutines, and in parts of the same size, as a loss on the CPU.
func copyParts[T smoothl1.Float](to, from []T) {
	const part = 64 * cpu.Chunk
	workers := min(runtime.GOMAXPROCS(0), (len(to)+part-1)/part)
	if workers <= 1 {
		copy(to, from)
		return
	}
	var next atomic.Int64
	var group sync.WaitGroup
	work := func() {
		for {
			end := int(next.Add(part))
			if end-part >= len(to) {
				return
			}
			copy(to[end-part:min(end, len(to))], from[end-part:])
		}
	}
	for range workers - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}
