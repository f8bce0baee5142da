package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// TestHeats checks that only the fastest three of a heat are measured to the end, those of a small heat all, and others anyway.
func TestHeats(t *testing.T) {
	const calibration = 2
	samples := map[string]int{}
	slow := func(name, heat string, ns float64) *contender {
		return &contender{entry: Entry{Op: Read, Contender: name}, most: 1, heat: heat, sample: func(context.Context, int) (float64, float64, error) {
			if samples[name]++; samples[name] > calibration+heatRounds {
				return 10 * ns, ns, nil
			}
			return ns, ns, nil
		}}
	}
	all := []*contender{slow("slowest", "", 1e9), slow("a", "few", 8), slow("b", "few", 9)}
	for i, ns := range []float64{5, 1, 4, 2, 3} {
		all = append(all, slow(fmt.Sprint(i), "many", ns))
	}
	entries, rounds, err := contest(t.Context(), all, 7, never, nil)
	require.NoError(t, err)
	assert.Equal(t, 7, rounds)
	var names []string
	for _, e := range entries {
		names = append(names, e.Contender)
		assert.Zero(t, e.Samples, "of heats none remain")
	}
	assert.Equal(t, 10.0, entries[3].DeviceNS.P10, "without the samples of its heat")
	assert.Equal(t, []string{"slowest", "a", "b", "1", "3", "4"}, names)
	// One call of a second shows that a sample is one call.
	assert.Equal(t, map[string]int{"slowest": 1 + 7, "a": calibration + 7, "b": calibration + 7, "0": calibration + heatRounds, "2": calibration + heatRounds,
		"1": calibration + heatRounds + 7, "3": calibration + heatRounds + 7, "4": calibration + heatRounds + 7}, samples)

	all[3].sample = func(context.Context, int) (float64, float64, error) {
		samples["0"]++
		if samples["0"] > 8 {
			return 0, 0, errors.New("failed")
		}
		return 1, 1, nil
	}
	_, _, err = contest(t.Context(), all, 1, never, nil)
	assert.ErrorContains(t, err, "read, 0: failed")
}

// TestManyWaysToMoveMemory checks that a run measures few of them, and all that computes.
func TestManyWaysToMoveMemory(t *testing.T) {
	ways := func(Workload) (all []Call) {
		for i := range 9 {
			for _, op := range []string{Read, Combine, ForwardReduced} {
				all = append(all, Call{Op: op, Contender: fmt.Sprint(i), Run: func(_, _, _ []float32) error { return nil }})
			}
		}
		return all
	}
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Samples: 1, Rotate: 1, Locals: []func(Workload) []Call{ways},
		Workloads: []Workload{{Shape: []int{64}, Loss: smoothl1.Loss{Beta: 1}}}})
	require.NoError(t, err)
	assert.Equal(t, 18, r.Groups[0].Tried)
	assert.Equal(t, 18, r.Groups[0].Ways())
	r.Groups[0].Tried = 0
	assert.Equal(t, 6, r.Groups[0].Ways(), "those that are there, without Go's copies")
	counts := map[string]int{}
	for _, e := range r.Groups[0].Entries {
		counts[e.Op]++
	}
	assert.Equal(t, map[string]int{ForwardNone: 1, ForwardReduced: 10, Backward: 1, ForwardBackward: 1, Copy: 2, Read: 3, Combine: 3}, counts)
}

// TestCold checks which calls are measured from cold caches, and that other memory is read before each.
func TestCold(t *testing.T) {
	loss := smoothl1.Loss{Beta: 1}
	calls := 0
	local := func(Workload) []Call {
		return []Call{{Op: ForwardReduced, Contender: "local", Run: func(_, _, _ []float32) error { calls++; return nil }},
			{Op: Read, Contender: "loop", Run: func(_, _, _ []float32) error { return nil }}}
	}
	r, err := Run(t.Context(), Config{Device: open(t, gpu.CPU()), Samples: 2, Rotate: 1, Walk: 1 << 20, Locals: []func(Workload) []Call{local}, Workloads: []Workload{
		{Shape: []int{32}, Loss: loss, Threads: 1}, {Shape: []int{32}, Loss: loss, Threads: 2}, {Shape: []int{1025}, Loss: loss, Threads: 1}}})
	require.NoError(t, err)
	assert.EqualValues(t, 1<<20, r.Walked)
	for i, g := range r.Groups {
		var cold []string
		for _, e := range g.Entries {
			if name := e.Contender; name == Cold(Ours) || name == Cold("local") || name == Cold("loop") {
				cold = append(cold, e.Op+" "+name)
				assert.Positive(t, e.DeviceNS.Median)
			}
		}
		want := []string{"backward smoothl1, cold", "forward local, cold", "forward none smoothl1, cold", "forward smoothl1, cold", "forward+backward smoothl1, cold"}
		if i > 0 {
			want = nil
		}
		slices.Sort(cold)
		assert.Equal(t, want, cold)
	}
	assert.Positive(t, calls)

	m := &otherMemory{bytes: 7 * 64}
	_, err = coldCalls(t.Context(), 5, m, func() error { return nil })
	require.NoError(t, err)
	assert.EqualValues(t, 5*7, m.sum)
	_, err = coldCalls(t.Context(), 5, m, func() error { return context.Canceled })
	require.ErrorIs(t, err, context.Canceled)
}

// TestSpread checks that every group is measured, in a time in which without spreading the first would take all.
func TestSpread(t *testing.T) {
	c := Config{Device: open(t, gpu.CPU()), Samples: 1_000_000, Rotate: 1, For: 1500 * time.Millisecond, Spread: true,
		Workloads: Sizes([]int{100, 200, 300}, []smoothl1.DType{smoothl1.Float32}, []float64{1})}
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, r.Groups, 3)
	for _, g := range r.Groups {
		assert.Positive(t, g.Samples)
		assert.Less(t, g.Samples, 1_000_000)
	}
	assert.Empty(t, r.Left)

	until := time.Now().Add(time.Hour)
	large := Workload{Shape: []int{1 << 24}}
	assert.WithinDuration(t, until, c.part(until, c.Workloads[2:], 0), time.Second, "the last has all that is left")
	assert.WithinDuration(t, until, c.part(until, []Workload{large, c.Workloads[0]}, 0), 5*time.Minute, "a large one has nearly all")
	assert.WithinDuration(t, time.Now(), c.part(until, []Workload{c.Workloads[0], large}, 0), 5*time.Minute)
	same := []Workload{large, large, large}
	assert.WithinDuration(t, time.Now().Add(20*time.Minute), c.part(until, same, 0), time.Second)
	assert.WithinDuration(t, time.Now().Add(10*time.Minute), c.part(until, same, 15*time.Minute), time.Second, "the preparations of two are reserved")
	assert.WithinDuration(t, time.Now(), c.part(until, same, 40*time.Minute), time.Second)
	assert.Zero(t, c.part(time.Time{}, c.Workloads, 0))
	c.Spread = false
	assert.Equal(t, until, c.part(until, c.Workloads, 0))
}

// TestSettles makes as many calls before the first sample as package cpu needs to choose how to make them, but of slow ones fewer.
func TestSettles(t *testing.T) {
	calls := 0
	c := &contender{most: 1000, settle: 150, sample: func(_ context.Context, n int) (float64, float64, error) {
		calls += n
		return 1e5, 1e5, nil
	}}
	require.NoError(t, c.calibrate(t.Context()))
	assert.GreaterOrEqual(t, calls, 150)
	assert.LessOrEqual(t, calls, 170)
	assert.Equal(t, 10, c.calls)

	calls, c.settle = 0, 0
	require.NoError(t, c.calibrate(t.Context()))
	assert.Equal(t, 1+10, calls)

	calls, c.settle = 0, 150
	c.sample = func(_ context.Context, n int) (float64, float64, error) {
		calls += n
		return 1e9, 1e9, nil
	}
	require.NoError(t, c.calibrate(t.Context()))
	assert.Equal(t, 1, calls)
}
