package measure

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// counting is a device that counts its calls.
type counting struct {
	driver.Device
	since *int // calls since the context was last checked
}

func (d counting) Alloc(bytes uint64) (driver.Ptr, error) {
	*d.since++
	return d.Device.Alloc(bytes)
}

func (d counting) CopyIn(dst driver.Ptr, src []byte, on driver.Stream) error {
	*d.since++
	return d.Device.CopyIn(dst, src, on)
}

func (d counting) CopyOut(dst []byte, src driver.Ptr, on driver.Stream) error {
	*d.since++
	return d.Device.CopyOut(dst, src, on)
}

func (d counting) Copy(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	*d.since++
	return d.Device.Copy(dst, src, bytes, on)
}

func (d counting) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	*d.since++
	return d.Device.Launch(f, g, on, args)
}

// looked is a context that notes when it is checked, and ends after a number of checks.
type looked struct {
	context.Context
	at   func()
	left int
}

func (c *looked) Err() error {
	c.at()
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestLooksAtTheContext checks that a run can stop between any two pieces of work: when it allocates, fills, checks, calibrates and measures.
func TestLooksAtTheContext(t *testing.T) {
	run := func(looks int) (taken, most int, err error) {
		since := 0
		ctx := &looked{t.Context(), func() { most, since, taken = max(most, since), 0, taken+1 }, looks}
		dev := open(t, gpu.On(counting{sim.New(sim.Fast()), &since}))
		since = 0
		_, err = Run(ctx, Config{Device: dev, Samples: 2, Rotate: 1, Workloads: Sizes([]int{1000}, []smoothl1.DType{smoothl1.Float32}, []float64{1})})
		return taken, max(most, since), err
	}
	const few = lookEvery + 4
	for looks := 0; ; looks += 1 + looks/20 {
		taken, most, err := run(looks)
		assert.LessOrEqual(t, most, few, "pieces of work between two looks, of %d", looks)
		if taken <= looks { // how many a whole run takes depends on the clock
			require.NoError(t, err)
			require.Greater(t, looks, 20)
			break
		}
		require.ErrorIs(t, err, context.Canceled, looks)
		assert.LessOrEqual(t, taken, looks+10, "looks at a context that has ended")
	}
}

// TestPiecesLookAtTheContext cancels in the middle of an array of several pieces.
func TestPiecesLookAtTheContext(t *testing.T) {
	r, err := newRotation[float32](t.Context(), open(t, gpu.CPU()), layout{n: 3 * referencePiece}, 1)
	require.NoError(t, err)
	w := Workload{Shape: []int{r.n}, Loss: smoothl1.Loss{Beta: 1}}
	o := w.operations()[0]
	want, err := r.expect(t.Context(), w, o, 0)
	require.NoError(t, err)
	visited := 0
	err = want.outputs(&looked{t.Context(), func() {}, 1}, &o, func(int, []float32) error {
		visited++
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, visited)
	_, err = r.expect(&looked{t.Context(), func() {}, 1}, w, o, 0)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.close())
	r, err = newRotation[float32](t.Context(), open(t, gpu.CPU()), layout{n: 1}, 1)
	require.NoError(t, err)
	require.ErrorIs(t, fill(&looked{t.Context(), func() {}, 0}, r.whole[0], generateWeights[float32]), context.Canceled)
	require.NoError(t, r.close())
}
