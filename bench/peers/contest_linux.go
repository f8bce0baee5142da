package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/bench/ceiling"
	"github.com/smoothl1/smoothl1/bench/internal/results"
	"github.com/smoothl1/smoothl1/gpu"
)

// contender is one of those that are measured in turns.
type contender struct {
	entry   results.Entry
	run     func(reps int) (time.Duration, error) // after a call that is not timed
	reps    int
	samples []float64 // nanoseconds of a call
	slow    bool      // measured in one turn of three
	settle  bool      // its threads go on spinning for a while
}

// arrays is how many each operation reads and writes.
var arrays = map[string]int{results.ForwardNone: 3, results.ForwardMean: 2, results.Backward: 3, results.ForwardBackward: 3}

// contest measures everything on arrays of n elements with so many threads, in turns; PyTorch as often as rounds says, the
// others, which are faster, three times as often.
func contest(m *memory, t *torch, dev *gpu.Device, n, threads, rounds int) (g results.Group, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	if err := t.prepare(n, threads); err != nil {
		return g, err
	}
	o, err := newOps(dev, m, n)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	if err := o.check(t); err != nil {
		return g, err
	}
	all := contenders(m, t, o, n, threads)
	for _, c := range all {
		if err := c.calibrate(); err != nil {
			return g, err
		}
	}
	// In an order drawn for each turn: who follows PyTorch finds caches and clock as it left them, which costs 1 or 2 %.
	order := rand.New(rand.NewPCG(uint64(n), uint64(threads)))
	for turn := range 3 * rounds {
		for _, i := range order.Perm(len(all)) {
			c := all[i]
			if c.slow && turn%3 != 0 {
				continue
			}
			d, err := c.run(c.reps)
			if err != nil {
				return g, err
			}
			c.samples = append(c.samples, float64(d.Nanoseconds())/float64(c.reps))
			if c.settle {
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	g = results.Group{N: n, Threads: threads}
	for _, c := range all {
		c.entry.NS = results.Of(c.samples)
		g.Entries = append(g.Entries, c.entry)
	}
	return g, nil
}

// calibrate chooses the repetitions of a measurement: about 2 ms.
func (c *contender) calibrate() error {
	const long = 2 * time.Millisecond
	for c.reps = 1; ; c.reps *= 4 {
		d, err := c.run(c.reps)
		if err != nil {
			return err
		}
		if d >= long/4 {
			c.reps = max(1, int(float64(c.reps)*float64(long)/float64(d)))
			return nil
		}
	}
}

func contenders(m *memory, t *torch, o *ops, n, threads int) (all []*contender) {
	for _, op := range results.Ops {
		bytes := 4 * n * arrays[op]
		all = append(all,
			&contender{entry: results.Entry{Op: op, Contender: results.Ours, Bytes: bytes}, run: timed(o.call(op))},
			&contender{entry: results.Entry{Op: op, Contender: results.OursDirect, Bytes: bytes}, run: timed(o.direct(op))})
		for _, name := range []string{results.PyTorch, results.PyTorchPreallocated} {
			all = append(all, &contender{
				entry:  results.Entry{Op: op, Contender: name, Bytes: bytes},
				run:    func(reps int) (time.Duration, error) { return t.run(name, op, reps) },
				slow:   true,
				settle: threads > 1,
			})
		}
	}
	if n%ceiling.Granule != 0 || n < 1024 {
		return all
	}
	for _, l := range ceiling.Loops() {
		all = append(all, &contender{
			entry: results.Entry{Op: string(l.Kind), Contender: l.Name, Bytes: 4 * n * l.Kind.Arrays()},
			run: timed(func() error {
				l.Run(m.array(2, n), m.array(0, n), m.array(1, n), threads)
				return nil
			}),
		})
	}
	return all
}

// timed returns the time of reps calls of f, after one more.
func timed(f func() error) func(reps int) (time.Duration, error) {
	return func(reps int) (time.Duration, error) {
		if err := f(); err != nil {
			return 0, err
		}
		start := time.Now()
		for range reps {
			if err := f(); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	}
}

// one measures the smallest call: one element, forward and backward, and the allocations of one.
func one(dev *gpu.Device, rounds int) (r results.One, err error) {
	l := smoothl1.Loss{Beta: 1}
	op, err := gpu.NewSmoothL1[float32](dev, l)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	var b [3]*gpu.Buffer[float32]
	for i := range b {
		if b[i], err = gpu.Upload(dev, []float32{float32(i)}); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, b[i].Close()) }()
	}
	c := contender{run: timed(func() error { return op.ForwardBackward(b[0], b[1], b[2]) })}
	if err := c.calibrate(); err != nil {
		return r, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	calls := 0
	for range rounds {
		d, err := c.run(c.reps)
		if err != nil {
			return r, err
		}
		c.samples = append(c.samples, float64(d.Nanoseconds())/float64(c.reps))
		calls += c.reps + 1
	}
	runtime.ReadMemStats(&after)
	r.Nanoseconds = results.Of(c.samples)
	// The samples are allocated too: a handful among millions of calls.
	r.Allocations = float64((after.Mallocs-before.Mallocs)*100/uint64(calls)) / 100
	return r, nil
}

// describe says where a run stands.
func describe(n, threads int) string { return fmt.Sprintf("n=%d, %d threads", n, threads) }
