package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/sim"
)

// capturing returns a device, a stream and the graph of what work queues there.
func capturing(t *testing.T, d *sim.Device, work func(s sim.Stream) error) (sim.Graph, sim.Stream) {
	t.Helper()
	s, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, d.BeginCapture(s))
	require.NoError(t, work(s))
	g, err := d.EndCapture(s)
	require.NoError(t, err)
	return g, s
}

// A graph that outlives what it uses faults, with a message that says which.
func TestGraphOutlivesItsObjects(t *testing.T) {
	for _, work := range []func(d *sim.Device, p, q sim.Ptr, s sim.Stream) error{
		func(d *sim.Device, p, q sim.Ptr, s sim.Stream) error { return d.Zero(p, 64, s) },
		func(d *sim.Device, p, q sim.Ptr, s sim.Stream) error { return d.Copy(q, p, 64, s) },
		func(d *sim.Device, p, q sim.Ptr, s sim.Stream) error { return d.Copy(p, q, 64, s) },
	} {
		d := sim.New()
		p, err := d.Alloc(64)
		require.NoError(t, err)
		q, err := d.Alloc(64)
		require.NoError(t, err)
		require.NoError(t, d.Zero(p, 64, 0))
		require.NoError(t, d.Zero(q, 64, 0))
		require.NoError(t, d.Wait(0))
		g, s := capturing(t, d, func(s sim.Stream) error { return work(d, p, q, s) })
		require.NoError(t, d.LaunchGraph(g, s))
		require.NoError(t, d.Free(p))
		if err = d.LaunchGraph(g, s); err == nil { // the fault is seen as soon as the work is done
			err = d.Wait(s)
		}
		require.ErrorContains(t, err, "CUDA_ERROR_ILLEGAL_ADDRESS")
		require.ErrorContains(t, err, "a graph uses memory at 0x")
		_ = d.Close()
	}
	d := sim.New()
	m, err := d.Load(devicetest.PTX)
	require.NoError(t, err)
	f, err := d.Function(m, "shape")
	require.NoError(t, err)
	p, err := d.Alloc(56)
	require.NoError(t, err)
	g, s := capturing(t, d, func(s sim.Stream) error { return d.Launch(f, sim.Linear(1, 1), s, []uint64{uint64(p)}) })
	require.NoError(t, d.Unload(m))
	if err = d.LaunchGraph(g, s); err == nil {
		err = d.Wait(s)
	}
	require.ErrorContains(t, err, "a graph launches kernel shape, whose module has been unloaded")
	_ = d.Close()
}

// Work is counted when it is launched, not when it is captured, and graphs that were not closed are leaks.
func TestGraphIsCounted(t *testing.T) {
	d := sim.New()
	p, err := d.Alloc(64)
	require.NoError(t, err)
	g, s := capturing(t, d, func(s sim.Stream) error { return d.Zero(p, 64, s) })
	assert.Zero(t, d.Stats().Clears)
	for range 3 {
		require.NoError(t, d.LaunchGraph(g, s))
	}
	require.NoError(t, d.Wait(s))
	assert.Equal(t, uint64(3), d.Stats().Clears)
	assert.Equal(t, 1, d.Held().Graphs)
	require.NoError(t, d.Close())
	assert.Equal(t, sim.Held{Allocations: 1, Bytes: 64, Streams: 1, Graphs: 1}, d.Held())
}

func TestGraphCallsFail(t *testing.T) {
	d := sim.New()
	p, err := d.Alloc(64)
	require.NoError(t, err)
	g, s := capturing(t, d, func(s sim.Stream) error { return d.Zero(p, 64, s) })
	d.FailNext(sim.GraphCall, 1, false)
	require.ErrorContains(t, d.LaunchGraph(g, s), "made to fail")
	require.NoError(t, d.LaunchGraph(g, s))
	require.NoError(t, d.BeginCapture(s))
	require.ErrorContains(t, d.LaunchGraph(g, s), "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
	_, err = d.EndCapture(s)
	require.ErrorContains(t, err, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED")
	require.NoError(t, d.BeginCapture(s))
	d.FailNext(sim.GraphCall, 1, false)
	_, err = d.EndCapture(s)
	require.ErrorContains(t, err, "made to fail")
	require.NoError(t, d.Wait(s), "the capture has ended all the same")
	require.NoError(t, d.CloseGraph(g))
	require.NoError(t, d.Close())
}
