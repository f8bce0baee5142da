package measure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// contender is one of those that are measured in turns.
type contender struct {
	entry Entry
	most  int           // calls of a sample
	guest bool          // one that the others go on without
	every int           // it is measured in one turn of so many; 0: in each
	rest  time.Duration // that its threads go on spinning after a sample
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

// measure takes a sample.
func (c *contender) measure(ctx context.Context) error {
	device, wall, err := c.sample(ctx, c.calls)
	if err != nil {
		return err
	}
	c.device, c.wall = append(c.device, device), append(c.wall, wall)
	time.Sleep(c.rest)
	return nil
}

// contest measures all contenders in turns, so that whatever changes on the machine changes for all. A guest that fails is left
// out from then on, of which lost is told; a guest that does not even answer takes the others of its name along. When the time
// is up it ends with the rounds that it has, three at least, and returns how many.
func contest(ctx context.Context, all []*contender, samples int, until time.Time, lost func(c *contender, err error)) ([]Entry, int, error) {
	out := map[*contender]bool{}
	attempt := func(c *contender, measure func(context.Context) error) error {
		if err := ctx.Err(); err != nil || out[c] {
			return err
		}
		err := measure(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !c.guest:
			return fmt.Errorf("%s, %s: %w", c.entry.Op, c.entry.Contender, err)
		}
		refused := refusal("")
		for _, other := range all {
			if other == c || !errors.As(err, &refused) && other.entry.Contender == c.entry.Contender {
				out[other] = true
			}
		}
		lost(c, err)
		return nil
	}
	for _, c := range all {
		if err := attempt(c, c.calibrate); err != nil {
			return nil, 0, err
		}
	}
	// In an order drawn for each turn: the next contender finds caches and clock as the last left them, which costs 1 or 2 %.
	order := rand.New(rand.NewPCG(uint64(len(all)), uint64(samples)))
	done := 0
	for ; done < samples && (done < 3 || !past(until)); done++ {
		for _, i := range order.Perm(len(all)) {
			if c := all[i]; c.every > 1 && done%c.every != 0 {
				continue
			} else if err := attempt(c, c.measure); err != nil {
				return nil, 0, err
			}
		}
	}
	var entries []Entry
	for _, c := range all {
		if !out[c] {
			c.entry.DeviceNS, c.entry.NS = Quantiles(c.device), Quantiles(c.wall)
			if len(c.device) < done {
				c.entry.Samples = len(c.device)
			}
			entries = append(entries, c.entry)
		}
	}
	return entries, done, nil
}

// past says whether it is later than that; the zero time never comes.
func past(until time.Time) bool { return !until.IsZero() && time.Now().After(until) }
