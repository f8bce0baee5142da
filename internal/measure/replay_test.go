package measure

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// graphing is a simulated device that counts captures and launches of graphs. If broken, it launches none.
type graphing struct {
	*sim.Device
	captures, launches int
	broken             bool
	refused            error
}

func (d *graphing) BeginCapture(on driver.Stream) error {
	d.captures++
	if d.refused != nil {
		return d.refused
	}
	return d.Device.BeginCapture(on)
}

func (d *graphing) LaunchGraph(g driver.Graph, on driver.Stream) error {
	d.launches++
	if d.broken {
		return nil
	}
	return d.Device.LaunchGraph(g, on)
}

// TestReplays measures a graph on more sets than graphs are made for, and only where it can be of use.
func TestReplays(t *testing.T) {
	d := &graphing{Device: sim.New(sim.Fast())}
	dev := open(t, gpu.On(d))
	workloads := Sizes([]int{100}, []smoothl1.DType{smoothl1.Float32}, []float64{1})
	c := Config{Device: dev, Workloads: workloads, Samples: 3, Rotate: 50_000} // 49 sets
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	assert.Empty(t, r.Left)
	e, ok := r.Groups[0].Find(ForwardBackward, Replayed)
	require.True(t, ok)
	assert.Equal(t, 1200, e.Bytes)
	assert.Positive(t, e.DeviceNS.Median)
	assert.Positive(t, e.NS.Median)
	assert.LessOrEqual(t, d.captures, mostGraphs)
	assert.Greater(t, d.launches, 7)

	assert.True(t, workloads[0].replayed(dev))
	assert.False(t, Workload{Shape: []int{mostReplayed + 1}}.replayed(dev))
	assert.False(t, Workload{Shape: []int{100}, Ops: []string{ForwardReduced}}.replayed(dev))
	assert.False(t, workloads[0].replayed(open(t, gpu.CPU())))
}

// TestReplaysOfManySets binds more sets than there are graphs.
func TestReplaysOfManySets(t *testing.T) {
	d := &graphing{Device: sim.New(sim.Fast())}
	dev := open(t, gpu.On(d))
	w := Workload{Shape: []int{10}, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}}
	crit, err := gpu.NewSmoothL1[float32](dev, w.Loss)
	require.NoError(t, err)
	r, err := newRotation[float32](t.Context(), dev, w.layout(), 40*2*64*4)
	require.NoError(t, err)
	require.Greater(t, r.sets, mostGraphs)
	expected, err := check(t.Context(), r, w, crit)
	require.NoError(t, err)
	clock, err := newClock(dev)
	require.NoError(t, err)
	all, end, err := startReplays(t.Context(), &Config{Device: dev}, &Result{}, "", r, w, crit, clock, expected[form{}])
	require.NoError(t, err)
	require.Len(t, all, 1)
	stream, err := dev.NewStream()
	require.NoError(t, err)
	p := &replays[float32]{crit: crit, w: w, stream: stream, graphs: map[int]*gpu.Graph{}}
	for i := range r.sets {
		s, err := r.at(i)
		require.NoError(t, err)
		launch, err := p.bind(s)
		require.NoError(t, err)
		require.NoError(t, launch())
	}
	assert.Len(t, p.order, mostGraphs)
	assert.Equal(t, 1+mostGraphs, d.captures)
	require.NoError(t, errors.Join(p.close(), end(), clock.close(), r.close(), crit.Close()))
}

// TestReplaysThatFail checks that a graph that does nothing, or cannot be made, is left out, and the rest is measured.
func TestReplaysThatFail(t *testing.T) {
	for _, k := range []struct {
		d    *graphing
		want string
	}{
		{&graphing{Device: sim.New(sim.Fast()), broken: true}, "the loss is 0, the reference's "},
		{&graphing{Device: sim.New(sim.Fast()), refused: errors.New("this driver has none")}, "this driver has none"},
	} {
		r, err := Run(t.Context(), Config{Device: open(t, gpu.On(k.d)), Samples: 1, Rotate: 1, Workloads: Sizes([]int{100}, []smoothl1.DType{smoothl1.Float32}, []float64{1})})
		require.NoError(t, err)
		require.Len(t, r.Left, 1)
		assert.Contains(t, r.Left[0], "smoothl1, graph, forward+backward on 100 elements of float32: ")
		assert.Contains(t, r.Left[0], k.want)
		assert.False(t, slices.ContainsFunc(r.Groups[0].Entries, func(e Entry) bool { return e.Contender == Replayed }))
		assert.Len(t, r.Groups[0].Entries, 6)
	}
}
