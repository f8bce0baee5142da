package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// contender is one operation of one implementation, to be measured.
type contender struct {
	entry Entry
	most  int           // calls of a sample
	guest bool          // if it fails, the others are measured without it
	every int           // measure it only in every nth round; 0: in each
	rest  time.Duration // for which its threads spin after a sample
	heat  string        // of those of one heat, only the fastest few are measured to the end; "": it is in none
	// sample returns the nanoseconds that one of the given number of queued calls takes on the device, and those of a single call
	// until its result is there.
	sample func(ctx context.Context, calls int) (device, wall float64, err error)

	// cold returns the median time of calls by themselves, each after other memory was read; nil: there is no such sample.
	cold func(ctx context.Context, calls int, other *otherMemory) (float64, error)

	// settle is the number of calls before the first sample after which a contender in this process has chosen how it makes them: see cpu.Tuning.
	settle int

	calls        int
	device, wall []float64
}

// calibrate chooses the number of calls of a sample, to take about a millisecond, and warms up.
func (c *contender) calibrate(ctx context.Context) error {
	const long, veryLong = 1e6, 1e8
	const patience = 5 * time.Second
	c.calls = 1
	begin := time.Now()
	for made, i := 0, 0; i < 2 || made < c.settle && time.Since(begin) < patience; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		device, _, err := c.sample(ctx, c.calls)
		if err != nil {
			return err
		}
		made += c.calls
		c.calls = min(max(1, int(long/max(1, device))), c.most)
		if device > veryLong {
			break // it is warm, and another sample of seconds would not change the number
		}
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

// contest measures all contenders interleaved, so that changes of the machine's speed affect all of them. A guest that fails is reported
// to lost and left out from then on; if its process has ended, so are the others of its name. When the time is up, which end says once
// everything is prepared, contest stops after the current round, but not before the third. It returns the number of rounds.
func contest(ctx context.Context, all []*contender, samples int, end func() time.Time, lost func(c *contender, err error)) ([]Entry, int, error) {
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
	order := rand.New(rand.NewPCG(uint64(len(all)), uint64(samples)))
	if err := heats(all, order, func(c *contender) error { return attempt(c, c.measure) }, out); err != nil {
		return nil, 0, err
	}
	// Each round has a random order, because each contender finds caches and clock frequency as the last one left them, an effect of 1
	// or 2 %.
	until := end()
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

// never is the end of a contest without a limit.
func never() time.Time { return time.Time{} }

// past reports whether until has passed. The zero time never does.
func past(until time.Time) bool { return !until.IsZero() && time.Now().After(until) }

const (
	heatRounds  = 3
	heatWinners = 3
)

// heats measures the contenders of each heat for a few rounds, and puts all but the fastest of each out of the contest.
func heats(all []*contender, order *rand.Rand, attempt func(*contender) error, out map[*contender]bool) error {
	in := map[string][]*contender{}
	var racing []*contender
	for _, c := range all {
		if c.heat != "" && !out[c] {
			in[c.heat] = append(in[c.heat], c)
		}
	}
	for _, c := range all {
		if len(in[c.heat]) > heatWinners {
			racing = append(racing, c)
		}
	}
	for range heatRounds {
		for _, i := range order.Perm(len(racing)) {
			if err := attempt(racing[i]); err != nil {
				return err
			}
		}
	}
	time := func(c *contender) float64 { return Quantiles(c.device).Median }
	for _, heat := range in {
		slices.SortStableFunc(heat, func(a, b *contender) int { return cmp.Compare(time(a), time(b)) })
		for _, c := range heat[min(heatWinners, len(heat)):] {
			out[c] = true
		}
	}
	for _, c := range racing {
		c.device, c.wall = nil, nil
	}
	return nil
}
