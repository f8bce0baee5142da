package measure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// contender is one of those that are measured in turns.
type contender struct {
	entry Entry
	most  int  // calls of a sample
	guest bool // one that the others go on without
	// sample returns the nanoseconds of a call among so many queued ones, on the device, and of one by itself until its
	// result is there.
	sample func(ctx context.Context, calls int) (device, wall float64, err error)

	calls        int
	device, wall []float64
}

// calibrate chooses the calls of a sample, about a millisecond of them, and warms up.
func (c *contender) calibrate(ctx context.Context) error {
	const long = 1e6
	c.calls = 1
	for range 2 {
		if err := ctx.Err(); err != nil {
			return err
		}
		device, _, err := c.sample(ctx, c.calls)
		if err != nil {
			return err
		}
		c.calls = min(max(1, int(long/max(1, device))), c.most)
	}
	return nil
}

// contest measures all contenders in turns, so that whatever changes on the machine changes for all. A guest that fails is left
// out from then on, of which lost is told; a guest that does not even answer takes the others of its name along. When the time
// is up it ends with the rounds that it has, three at least, and returns how many.
func contest(ctx context.Context, all []*contender, samples int, until time.Time, lost func(c *contender, err error)) ([]Entry, int, error) {
	out := map[*contender]bool{}
	// attempt measures once, and says whether the contender is still there.
	attempt := func(c *contender, measure func() error) (bool, error) {
		if out[c] {
			return false, nil
		}
		err := measure()
		switch {
		case err == nil:
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case !c.guest:
			return false, fmt.Errorf("%s, %s: %w", c.entry.Op, c.entry.Contender, err)
		}
		refused := refusal("")
		for _, other := range all {
			if other == c || !errors.As(err, &refused) && other.entry.Contender == c.entry.Contender {
				out[other] = true
			}
		}
		lost(c, err)
		return false, nil
	}
	for _, c := range all {
		if _, err := attempt(c, func() error { return c.calibrate(ctx) }); err != nil {
			return nil, 0, err
		}
	}
	order := rand.New(rand.NewPCG(uint64(len(all)), uint64(samples))) // drawn, for who follows whom shows
	done := 0
	for ; done < samples && (done < 3 || !past(until)); done++ {
		for _, i := range order.Perm(len(all)) {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			c := all[i]
			var device, wall float64
			ok, err := attempt(c, func() (err error) {
				device, wall, err = c.sample(ctx, c.calls)
				return err
			})
			if err != nil {
				return nil, 0, err
			}
			if ok {
				c.device, c.wall = append(c.device, device), append(c.wall, wall)
			}
		}
	}
	var entries []Entry
	for _, c := range all {
		if !out[c] {
			c.entry.DeviceNS, c.entry.NS = timesOf(c.device), timesOf(c.wall)
			entries = append(entries, c.entry)
		}
	}
	return entries, done, nil
}

// past says whether it is later than that; the zero time never comes.
func past(until time.Time) bool { return !until.IsZero() && time.Now().After(until) }

// ours returns this module's operations, and copies that move as many bytes.
func ours[T smoothl1.Float](r *rotation[T], op *gpu.SmoothL1[T], clock *clock) (all []*contender) {
	size := smoothl1.DTypeOf[T]().Size()
	value := func() error {
		_, err := op.Value()
		return err
	}
	for _, name := range Ops {
		var call func(s set[T]) error
		finish := r.dev.Wait
		switch name {
		case ForwardNone:
			call = func(s set[T]) error { return op.ForwardTerms(s.pred, s.target, s.out) }
		case ForwardReduced:
			call, finish = func(s set[T]) error { return op.Forward(s.pred, s.target) }, value
		case Backward:
			call = func(s set[T]) error { return op.Backward(s.pred, s.target, s.out) }
		case ForwardBackward:
			call, finish = func(s set[T]) error { return op.ForwardBackward(s.pred, s.target, s.out) }, value
		}
		all = append(all, &contender{
			entry: Entry{Op: name, Contender: Ours, Bytes: arrays[name] * r.n * size}, most: clock.most,
			sample: func(ctx context.Context, calls int) (float64, float64, error) {
				sets, err := r.take(calls + 1)
				if err != nil {
					return 0, 0, err
				}
				return clock.sample(ctx, calls, func(i int) error { return call(sets[i]) }, finish)
			},
		})
	}
	for _, k := range []int{2, 3} {
		m := r.copied(k)
		all = append(all, &contender{
			entry: Entry{Op: Copy, Contender: Plain, Bytes: 2 * m * size}, most: clock.most,
			sample: func(ctx context.Context, calls int) (float64, float64, error) {
				pairs, err := r.takeCopies(m, calls+1)
				if err != nil {
					return 0, 0, err
				}
				return clock.sample(ctx, calls, func(i int) error { return pairs[i].to.CopyFrom(pairs[i].from) }, r.dev.Wait)
			},
		})
	}
	return all
}

// clock times calls on a device.
type clock struct {
	dev        *gpu.Device
	start, end *gpu.Event
	most       int
	hold       [2]*gpu.Buffer[float32] // copied to keep the device busy while calls are queued; nil: calls are not queued
	holdTime   time.Duration           // what one such copy takes
}

// lookEvery is after how many calls a sample looks at its context: so seldom that it does not show in the time of the shortest.
const lookEvery = 16

// queueing is more than the host takes to queue a call, so that the device has the next one when it has done one.
const queueing = 10 * time.Microsecond

func newClock(dev *gpu.Device) (*clock, error) {
	c := &clock{dev: dev, most: 200}
	var err1, err2 error
	c.start, err1 = dev.NewEvent()
	c.end, err2 = dev.NewEvent()
	if err := errors.Join(err1, err2); err != nil || dev.Backend() != "cuda" {
		return c, err
	}
	for i := range c.hold {
		if c.hold[i], err1 = gpu.Alloc[float32](dev, 16<<20); err1 != nil {
			return c, err1
		}
	}
	for range 3 { // the first time is not the usual one
		if err := errors.Join(c.start.Record(), c.hold[0].CopyFrom(c.hold[1]), c.end.Record()); err != nil {
			return c, err
		}
		if c.holdTime, err1 = c.end.Since(c.start); err1 != nil {
			return c, err1
		}
	}
	return c, nil
}

func (c *clock) close() error {
	return errors.Join(c.start.Close(), c.end.Close(), c.hold[0].Close(), c.hold[1].Close())
}

// sample times so many calls, numbered from 0, on the device, and one more by itself on the host.
func (c *clock) sample(ctx context.Context, calls int, call func(i int) error, finish func() error) (device, wall float64, err error) {
	if c.hold[0] != nil {
		for held := time.Duration(0); held < time.Duration(calls)*queueing; held += max(c.holdTime, time.Microsecond) {
			if err := c.hold[0].CopyFrom(c.hold[1]); err != nil {
				return 0, 0, err
			}
		}
	}
	if err := c.start.Record(); err != nil {
		return 0, 0, err
	}
	for i := range calls {
		if i%lookEvery == lookEvery-1 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		if err := call(i); err != nil {
			return 0, 0, err
		}
	}
	if err := c.end.Record(); err != nil {
		return 0, 0, err
	}
	took, err := c.end.Since(c.start)
	if err != nil {
		return 0, 0, err
	}
	if err := c.dev.Wait(); err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := errors.Join(call(calls), finish()); err != nil {
		return 0, 0, err
	}
	return float64(took.Nanoseconds()) / float64(calls), float64(time.Since(begin).Nanoseconds()), nil
}
