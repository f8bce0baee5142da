package measure

import (
	"context"
	"github.com/smoothl1/smoothl1/internal/op"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// ours returns contenders for this module's operations, and for copies that move as many bytes.
func ours[T op.Computing](r *rotation[T], op *gpu.SmoothL1[T], clock *clock) (all []*contender) {
	size := smoothl1.DTypeOf[T]().Size()
	value := func() error {
		_, err := op.Value()
		return err
	}
	// On the CPU the loss is ready when a call returns, so each call reads it, as callers do; on other devices it is read at the end.
	reduced := func(call func(s set[T]) error) (func(s set[T]) error, func() error) {
		if r.host[0] == nil {
			return call, value
		}
		return func(s set[T]) error {
			if err := call(s); err != nil {
				return err
			}
			return value()
		}, r.dev.Wait
	}
	for _, name := range Ops {
		var call func(s set[T]) error
		finish := r.dev.Wait
		switch name {
		case ForwardNone:
			call = func(s set[T]) error { return op.ForwardTerms(s.pred, s.target, s.out) }
		case ForwardReduced:
			call, finish = reduced(func(s set[T]) error { return op.Forward(s.pred, s.target) })
		case Backward:
			call = func(s set[T]) error { return op.Backward(s.pred, s.target, s.out) }
		case ForwardBackward:
			call, finish = reduced(func(s set[T]) error { return op.ForwardBackward(s.pred, s.target, s.out) })
		}
		all = append(all, r.contender(clock, Entry{Op: name, Contender: Ours, Bytes: arrays[name] * r.n * size}, call, finish))
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

// contender returns a contender that calls a function of this process on successive sets.
func (r *rotation[T]) contender(clock *clock, e Entry, call func(s set[T]) error, finish func() error) *contender {
	return &contender{entry: e, most: r.most(clock), sample: func(ctx context.Context, calls int) (float64, float64, error) {
		at, err := r.take(calls + 1)
		if err != nil {
			return 0, 0, err
		}
		return clock.sample(ctx, calls, func(i int) error { return call(at(i)) }, finish)
	}}
}

// most returns the largest number of calls of a sample. With a single set it is large, for the calls may be short and need no memory.
func (r *rotation[T]) most(clock *clock) int {
	if r.sets == 1 && r.host[0] != nil {
		return 1 << 17
	}
	return clock.most
}

// A Call is an operation of a contender in this process.
type Call struct {
	Op, Contender string
	Run           func(pred, target, out []float32) error
}

// locals returns the calls of other contenders in this process. They take float32.
func locals[T op.Computing](c *Config, r *rotation[T], w Workload, clock *clock) (all []*contender) {
	if r.host[0] == nil {
		return nil
	}
	for _, calls := range c.Locals {
		for _, k := range calls(w) {
			run, ok := any(k.Run).(func(pred, target, out []T) error)
			if !ok {
				continue
			}
			all = append(all, r.contender(clock, Entry{Op: k.Op, Contender: k.Contender, Bytes: BytesOf(k.Op, w)}, func(s set[T]) error {
				host := func(i int) []T { return r.host[i][s.first : s.first+r.n : s.first+r.n] }
				return run(host(0), host(1), host(2))
			}, r.dev.Wait))
		}
	}
	return all
}

// copyParts copies with as many goroutines, and in parts of the same size, as a loss on the CPU.
func copyParts[T op.Computing](to, from []T) {
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
