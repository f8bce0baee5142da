package gpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

// TestLossOfAClosedStream computes on streams that are closed, in several ways, before the loss is read or the op is used on another
// stream. On the simulated device a kernel may run as late as CUDA allows; each seed makes it run at other times.
func TestLossOfAClosedStream(t *testing.T) {
	const n = 5000
	l := smoothl1.Loss{Beta: 0.5}
	for seed := range seeds() {
		drv := sim.New(sim.Seed(seed))
		d, err := Open(On(drv))
		require.NoError(t, err)
		foreign, err := drv.NewStream()
		require.NoError(t, err)
		target, err := Upload(d, make([]float32, n))
		require.NoError(t, err)
		crit, err := NewSmoothL1[float32](d, l)
		require.NoError(t, err)

		x := make([]float32, n)
		for step := range 24 {
			for i := range x {
				x[i] = float32((i+step)%(step+3)) - 1
			}
			want, err := Compute(d, l, x, make([]float32, n), nil)
			require.NoError(t, err)
			pred, err := Upload(d, x)
			require.NoError(t, err)

			var s *Stream
			if step%3 == 0 {
				s, err = d.WrapStream(uintptr(foreign))
			} else {
				s, err = d.NewStream()
			}
			require.NoError(t, err)
			require.NoError(t, crit.Forward(pred, target, OnStream(s)))
			switch {
			case step%2 == 0: // the next reduction is on another stream while this one is open
			case step%3 == 1: // the state that another goroutine sees during Close
				_, err = s.guard.close()
				require.NoError(t, err)
			default:
				require.NoError(t, s.Close())
			}
			if step%4 == 3 { // do not read this loss: the next reduction follows at once
				continue
			}
			got, err := crit.Value()
			require.NoError(t, err)
			sums, err := crit.ChunkSums(nil)
			require.NoError(t, err)
			where := fmt.Sprintf("seed %d, step %d", seed, step)
			require.Equal(t, want, got, where)
			assert.Len(t, sums, 3, where)
		}
		require.NoError(t, d.Close())
	}
}

// seeds returns the number of seeds for a test in which the simulated device chooses at random when to run its work.
func seeds() uint64 {
	if testing.Short() { // under the race detector
		return 5
	}
	return 40
}

func TestComputeOnAStream(t *testing.T) {
	x, y := make([]float32, 3000), make([]float32, 3000)
	for i := range x {
		x[i] = float32(i%17) * 0.3
	}
	l := smoothl1.Loss{Beta: 1}
	here, err := Open(CPU())
	require.NoError(t, err)
	defer here.Close()
	want, err := Compute(here, l, x, y, nil)
	require.NoError(t, err)
	for seed := range seeds() {
		d, err := Open(On(sim.New(sim.Seed(seed))))
		require.NoError(t, err)
		s, err := d.NewStream()
		require.NoError(t, err)
		got, err := Compute(d, l, x, y, make([]float32, len(x)), OnStream(s))
		require.NoError(t, err)
		require.Equal(t, want, got, "seed %d", seed)
		require.NoError(t, d.Close())
	}
}

// TestNoLossAfterAnError checks that a failed reduction discards the previous loss, and that a refused one keeps it.
func TestNoLossAfterAnError(t *testing.T) {
	drv := sim.New(sim.Seed(1))
	d, err := Open(On(drv))
	require.NoError(t, err)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	b, err := Upload(d, []float32{1, 2, 3})
	require.NoError(t, err)
	z, err := Upload(d, make([]float32, 3))
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, op.Forward(b, z))
	require.ErrorIs(t, op.Forward(b, nil), smoothl1.ErrNil)
	_, err = op.Value()
	require.NoError(t, err)
	drv.FailNext(sim.EventCall, 1, false)
	require.ErrorContains(t, op.Forward(z, z, OnStream(s)), "gpu: wait for the last loss")
	_, err = op.Value()
	require.ErrorIs(t, err, smoothl1.ErrNoValue)
	require.NoError(t, op.Forward(z, z, OnStream(s)))
	loss, err := op.Value()
	require.NoError(t, err)
	assert.Zero(t, loss)
	require.NoError(t, d.Close())
}

// A driver destroys a stream without waiting for its work, so Close must wait first.
func TestCloseOfAStreamWaits(t *testing.T) {
	d, stub := openStub(t)
	s, err := d.NewStream()
	require.NoError(t, err)
	wait := []string{fmt.Sprintf("Wait on %#x", uint64(s.handle()))}
	assert.Equal(t, wait, stub.logged(func() { require.NoError(t, s.Close()) }))
}
