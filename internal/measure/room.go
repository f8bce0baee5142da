package measure

import (
	"errors"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// has reports whether there are time and memory left to measure something on arrays of a layout. If not, it records that.
func (r *Result) has(c *Config, l layout, until time.Time, what string) bool {
	if past(until) {
		r.leave(c, "%s: time was up", what)
		return false
	}
	need, have := l.bytes(r.Rotating), roomOn(c.Device)
	if c.Device.Backend() == "cpu" {
		need += 2 * uint64(l.n*l.dtype.Size()) // for the reference's results
	}
	if need > have {
		r.leave(c, "%s: need %.1f GiB, have %.1f GiB", what, float64(need)/(1<<30), float64(have)/(1<<30))
		return false
	}
	return true
}

// leastCalls is about the number of calls that it takes to measure a workload on a GPU, most of them to find the best grids of the ceilings.
const leastCalls = 150

// outlasts reports whether the given number of calls would not end by until, because the device is slow. If so, it records that. What has
// begun would be killed, and what is smaller and comes later would be lost with it.
func outlasts[T smoothl1.Float](c *Config, r *Result, until time.Time, what string, calls int, arrays *rotation[T], w Workload, crit *gpu.SmoothL1[T]) (bool, error) {
	if until.IsZero() {
		return false, nil
	}
	s, err := arrays.at(0)
	if err != nil {
		return false, err
	}
	ops := w.operations()
	call, err := bind(&ops[len(ops)-1], crit, w, s)
	if err != nil {
		return false, err
	}
	var begin time.Time
	for range 2 { // the driver may load a kernel when it is first launched
		begin = time.Now()
		if err := errors.Join(call(), c.Device.Wait()); err != nil {
			return false, err
		}
	}
	need, left := time.Duration(calls)*time.Since(begin), time.Until(until)
	if need > left {
		r.leave(c, "%s: it would take about %.1f s, and %.1f s are left", what, need.Seconds(), max(0, left.Seconds()))
	}
	return need > left, nil
}

// part returns when the first of the workloads that are left should end, given when all should and how long its preparations took: at the
// end of its part of the time that is left but for preparations of the others, if c spreads the time.
func (c *Config) part(until time.Time, left []Workload, prepared time.Duration) time.Time {
	if until.IsZero() || !c.Spread {
		return until
	}
	all, own := 0.0, left[0].cost()
	for _, w := range left {
		all += w.cost()
	}
	reserved := float64(prepared) * (all - own) / own
	return time.Now().Add(time.Duration(max(0, float64(time.Until(until))-reserved) * own / all))
}

// cost returns about how long a round takes, relative to other workloads, and their preparations. Small arrays take a few milliseconds for
// each contender, those that are measured from cold caches some ten times as long, and 2^26 elements a second for each of PyTorch's
// operations.
func (w Workload) cost() float64 {
	each := 1.5
	if w.N() <= mostCold && w.Threads == 1 {
		each = 15
	}
	return float64(len(w.Operations())) * (each + float64(w.N()*w.DType.Size())/(1<<20))
}
