package gpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
	"github.com/smoothl1/smoothl1/sim"
)

// withAndWithoutPinned runs a test on simulated devices whose kernels write losses to page-locked memory, and to the scratch.
func withAndWithoutPinned(t *testing.T, f func(t *testing.T, d *Device, drv *faults.Device)) {
	for _, pinned := range []bool{true, false} {
		drv := faults.Wrap(sim.New())
		var given driver.Device = drv
		if !pinned {
			given = struct {
				driver.Device
				driver.Capturer
			}{drv, drv}
		}
		d, err := Open(On(given))
		require.NoError(t, err)
		f(t, d, drv)
		require.NoError(t, d.Close())
	}
}

// lossOf returns the loss of an op and its chunk sums.
func lossOf(t *testing.T, s *SmoothL1[float32]) (float64, []float64) {
	value, err := s.Value()
	require.NoError(t, err)
	sums, err := s.ChunkSums(nil)
	require.NoError(t, err)
	return value, sums
}

// byRows returns arguments of a call that computes no loss, and needs tickets for the divisors of its three rows.
func byRows(t *testing.T, d *Device) *Args[float32] {
	const rows, cols = 3, 4500
	numbers, err := Upload(d, make([]float32, rows*cols))
	require.NoError(t, err)
	mask, err := Upload(d, make([]uint8, rows*cols))
	require.NoError(t, err)
	return &Args[float32]{Pred: numbers, Target: numbers, GradPred: numbers, Mask: mask, Divisor: smoothl1.DivideByKept(), ByRow: true, NoLoss: true,
		Shape: &smoothl1.Shape{Rows: rows, Cols: cols}}
}

// A call that moves the scratch discards the loss that was there, though it computes none itself.
func TestLossInMovedScratch(t *testing.T) {
	withAndWithoutPinned(t, func(t *testing.T, d *Device, _ *faults.Device) {
		s, x, zero := newOp[float32](t, d, smoothl1.Loss{Beta: 1}), up[float32](t, d, 3, 4), up[float32](t, d, 0, 0)
		a := byRows(t, d)
		require.NoError(t, s.Forward(x, zero))
		require.NoError(t, s.Run(a))
		_, err := s.Value()
		require.ErrorIs(t, err, smoothl1.ErrNoValue)
		_, err = s.ChunkSums(nil)
		require.ErrorIs(t, err, smoothl1.ErrNoValue)

		require.NoError(t, s.Forward(x, zero))
		require.NoError(t, s.Run(a), "it fits by then")
		value, sums := lossOf(t, s)
		assert.Equal(t, 3.0, value)
		assert.Equal(t, []float64{6}, sums)
	})
}

// A call that is refused because a graph uses the scratch, or a stream is being captured, leaves the loss in place.
func TestLossAfterARefusedCall(t *testing.T) {
	withAndWithoutPinned(t, func(t *testing.T, d *Device, _ *faults.Device) {
		s, x, zero := newOp[float32](t, d, smoothl1.Loss{Beta: 1}), up[float32](t, d, 3, 4), up[float32](t, d, 0, 0)
		rows := byRows(t, d)
		rows.NoLoss = false
		rows.Losses = up[float64](t, d, 0, 0, 0)
		on, err := d.NewStream()
		require.NoError(t, err)
		require.NoError(t, s.Forward(x, zero))
		g, err := on.Capture(func() error {
			require.ErrorIs(t, s.Run(rows), smoothl1.ErrCapture)
			return s.Forward(x, x, OnStream(on))
		})
		require.NoError(t, err)
		require.ErrorIs(t, s.Run(rows), smoothl1.ErrGraph)
		value, sums := lossOf(t, s)
		assert.Equal(t, 3.0, value)
		assert.Equal(t, []float64{6}, sums)
		require.NoError(t, g.Close())
		require.NoError(t, s.Run(rows))
	})
}

// Clearing the tickets that a failed call may have left does not clear the loss.
func TestLossAfterAFailedCall(t *testing.T) {
	withAndWithoutPinned(t, func(t *testing.T, d *Device, drv *faults.Device) {
		s, x, zero := newOp[float32](t, d, smoothl1.Loss{Beta: 1}), up[float32](t, d, 3, 4), up[float32](t, d, 0, 0)
		a := byRows(t, d)
		require.NoError(t, s.Run(a))
		require.NoError(t, s.Forward(x, zero))
		drv.Fail("Launch", 1, driver.CodeUnknown, "CUDA_ERROR_UNKNOWN")
		require.Error(t, s.Run(a))
		require.NoError(t, s.Run(a))
		value, sums := lossOf(t, s)
		assert.Equal(t, 3.0, value)
		assert.Equal(t, []float64{6}, sums)
	})
}
