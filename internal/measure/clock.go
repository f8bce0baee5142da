package measure

import (
	"context"
	"errors"
	"time"

	"github.com/smoothl1/smoothl1/gpu"
)

// clock times calls on a device.
type clock struct {
	dev        *gpu.Device
	start, end *gpu.Event
	most       int                     // calls of a sample
	hold       [2]*gpu.Buffer[float32] // copied to keep the device busy while calls are queued; nil: calls are not queued
	holdTime   time.Duration           // duration of one such copy
}

// lookEvery is the number of calls after which a sample checks its context: enough not to affect the time of the shortest call.
const lookEvery = 16

// holdElements is the length of a copy that takes a GPU tens of microseconds. Tests reduce it.
var holdElements = 16 << 20

// queueing is more than the host takes to queue a call, so that the device never waits for the host.
const queueing = 10 * time.Microsecond

func newClock(dev *gpu.Device) (_ *clock, err error) {
	c := &clock{dev: dev, most: 200}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	var err1, err2 error
	c.start, err1 = dev.NewEvent()
	c.end, err2 = dev.NewEvent()
	if err := errors.Join(err1, err2); err != nil || dev.Backend() != "cuda" {
		return c, err
	}
	for i := range c.hold {
		if c.hold[i], err1 = gpu.Alloc[float32](dev, holdElements); err1 != nil {
			return c, err1
		}
	}
	for range 3 { // the first copy is not representative
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

// sample times the given number of calls, numbered from 0, on the device, and one more by itself on the host. On the CPU an untimed
// call comes first, because it finds the caches as the last contender left them.
func (c *clock) sample(ctx context.Context, calls int, call func(i int) error, finish func() error) (device, wall float64, err error) {
	if c.dev.Backend() == "cpu" {
		if err := call(calls); err != nil {
			return 0, 0, err
		}
	}
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
