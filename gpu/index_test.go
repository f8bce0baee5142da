package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

const strayText = "smoothl1: Run: index[2] = 3: index out of range: pred has 3 columns"

// indexed returns the arguments of a call with four rows of three columns. The indices of rows 2 and 3 are out of range if stray is set.
func indexed(t *testing.T, d *Device, stray bool) *Args[float32] {
	a := sound(t, d, 4, "Index", "GradTarget")
	var err error
	a.Pred, err = Upload(d, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	require.NoError(t, err)
	a.GradPred, err = Upload(d, make([]float32, 12))
	require.NoError(t, err)
	index := []int32{2, 0, 1, 2}
	if stray {
		index[2], index[3] = 3, -1
	}
	require.NoError(t, a.Index.Set(index))
	require.NoError(t, a.Target.Set(make([]float32, 4)))
	require.NoError(t, a.GradTarget.Set([]float32{42, 42, 42, 42}))
	a.Shape.Cols, a.NoLoss = 3, false
	return a
}

// On the CPU a call with an index out of range is refused: it writes nothing, and leaves the last loss.
func TestIndexOutOfRangeOnTheCPU(t *testing.T) {
	d := openCPUFor(t)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	require.NoError(t, op.Run(indexed(t, d, false)))
	before, err := op.Value()
	require.NoError(t, err)
	sums, err := op.ChunkSums(nil)
	require.NoError(t, err)
	a := indexed(t, d, true)
	err = op.Run(a)
	require.EqualError(t, err, strayText)
	refused(t, err, smoothl1.ErrIndex, "Run", "index[2]", 3)
	assert.Equal(t, make([]float32, 12), a.GradPred.slice())
	assert.Equal(t, []float32{42, 42, 42, 42}, a.GradTarget.slice())
	after, err := op.Value()
	require.NoError(t, err)
	assert.Equal(t, before, after)
	again, err := op.ChunkSums(nil)
	require.NoError(t, err)
	assert.Equal(t, sums, again)
	for _, x := range []int32{math.MinInt32, math.MaxInt32} {
		require.NoError(t, a.Index.Set([]int32{0, x, 0, 0}))
		refused(t, op.Run(a), smoothl1.ErrIndex, "Run", "index[1]", x)
	}
}

// On a device, whoever waits first for a call with an index out of range hears of it, once; no call returns the loss.
func TestIndexOutOfRangeOnADevice(t *testing.T) {
	for name, wait := range map[string]func(op *SmoothL1[float32], a *Args[float32], on *Stream) error{
		"Value": func(op *SmoothL1[float32], _ *Args[float32], _ *Stream) error { _, err := op.Value(); return err },
		"ChunkSums": func(op *SmoothL1[float32], _ *Args[float32], _ *Stream) error {
			_, err := op.ChunkSums(nil)
			return err
		},
		"Wait": func(_ *SmoothL1[float32], _ *Args[float32], on *Stream) error { return on.Wait() },
		"Download": func(_ *SmoothL1[float32], a *Args[float32], on *Stream) error {
			return a.Pred.Download(make([]float32, 12), OnStream(on))
		},
		"SmoothL1.Close": func(op *SmoothL1[float32], _ *Args[float32], _ *Stream) error { return op.Close() },
	} {
		for _, reduction := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.None} {
			if reduction == smoothl1.None && (name == "Value" || name == "ChunkSums") {
				continue
			}
			d, err := Open(On(sim.New(sim.Seed(1))))
			require.NoError(t, err)
			on, err := d.NewStream()
			require.NoError(t, err)
			op := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: reduction})
			require.NoError(t, d.Wait())
			a := indexed(t, d, true)
			require.NoError(t, op.Run(a, OnStream(on)), name)
			err = wait(op, a, on)
			require.EqualError(t, err, strayText, name)
			refused(t, err, smoothl1.ErrIndex, "Run", "index[2]", 3)
			require.NoError(t, on.Wait(), "%s: once", name)
			if name == "SmoothL1.Close" {
				require.NoError(t, d.Close())
				continue
			}
			if reduction != smoothl1.None {
				_, err = op.Value()
				require.Error(t, err, "%s: there is no loss", name)
			}
			got := make([]float32, 4)
			require.NoError(t, a.GradTarget.Download(got))
			assert.NotContains(t, got[:2], float32(42), "%s: the rows that have an index", name)

			a = indexed(t, d, false)
			require.NoError(t, op.Run(a, OnStream(on)))
			require.NoError(t, on.Wait())
			if reduction != smoothl1.None {
				value, err := op.Value()
				require.NoError(t, err, "%s: the op works again", name)
				assert.Equal(t, (2.5+3.5+7.5+11.5)/4, value)
			}
			require.NoError(t, d.Close())
		}
	}
}

// A fault that no call has waited for is still reported after another call on the op, and does not touch that call's loss.
func TestIndexOutOfRangeOfAnEarlierCall(t *testing.T) {
	d, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer d.Close()
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
	require.NoError(t, op.Run(indexed(t, d, true)))
	two, err := Upload(d, []float32{2, 2})
	require.NoError(t, err)
	zero, err := Upload(d, []float32{0, 0})
	require.NoError(t, err)
	require.NoError(t, op.Forward(two, zero))
	_, err = op.Value()
	require.EqualError(t, err, strayText)
	value, err := op.Value()
	require.NoError(t, err)
	assert.Equal(t, 3.0, value)
}

// Calls that nobody has waited for share the place of their faults: the error does not say what is wrong of one of them.
func TestIndexOutOfRangeOfCallsThatDiffer(t *testing.T) {
	d, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer d.Close()
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	require.NoError(t, op.Run(indexed(t, d, true)))
	wide := indexed(t, d, false)
	wide.Shape.Cols, wide.GradPred = 5, nil
	wide.Pred, err = Upload(d, make([]float32, 20))
	require.NoError(t, err)
	require.NoError(t, op.Run(wide))
	_, err = op.Value()
	require.EqualError(t, err, "smoothl1: Run: index[2] = 3: index out of range in one of the calls since the last wait")
	require.NoError(t, op.Run(wide))
	value, err := op.Value()
	require.NoError(t, err)
	assert.Zero(t, value)
}

// A loss is lost by an index of its own call, whatever call on the op computes no loss after it, and by no other's.
func TestIndexOutOfRangeOfACallWithoutLoss(t *testing.T) {
	d, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer d.Close()
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	run := func(stray, loss bool) {
		a := indexed(t, d, stray)
		a.NoLoss = !loss
		require.NoError(t, op.Run(a))
	}
	run(false, true)
	run(true, false)
	_, err = op.Value()
	require.EqualError(t, err, strayText)
	value, err := op.Value()
	require.NoError(t, err, "the loss is a good one")
	assert.Equal(t, (2.5+3.5+7.5+11.5)/4, value)

	run(true, true)
	require.EqualError(t, d.Wait(), strayText)
	run(false, false)
	_, err = op.Value()
	require.EqualError(t, err, strayText, "the loss is not")
	_, err = op.Value()
	require.ErrorIs(t, err, smoothl1.ErrNoValue)
}

// Whoever waits hears of the faults of its stream, and takes none away from those that wait for later calls.
func TestIndexOutOfRangeOnTwoStreams(t *testing.T) {
	d, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer d.Close()
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	one, err := d.NewStream()
	require.NoError(t, err)
	two, err := d.NewStream()
	require.NoError(t, err)
	stray, sound := indexed(t, d, true), indexed(t, d, false)
	require.NoError(t, d.Wait())
	require.NoError(t, op.Run(stray, OnStream(one)))
	require.NoError(t, op.Run(sound, OnStream(two)))
	require.EqualError(t, one.Wait(), strayText)
	require.EqualError(t, two.Wait(), strayText, "its call may have had one, too")
	require.NoError(t, one.Wait())
	require.NoError(t, two.Wait())

	done := d.turnsQueued()
	require.NoError(t, op.Run(stray, OnStream(one)))
	require.NoError(t, d.wait(one.handle()))
	require.EqualError(t, d.reportIndices(one.handle(), done), strayText, "a call that was queued while another waited")
	require.EqualError(t, one.Wait(), strayText)
	require.NoError(t, one.Wait())
}
