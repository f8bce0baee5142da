package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/sim"
)

// TestNothingIsAllocatedByARichCall makes calls of every form with the same Args.
func TestNothingIsAllocatedByARichCall(t *testing.T) {
	there, s := openStub(t)
	s.record = false
	for _, d := range []*Device{there, openCPUFor(t)} {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		const n = 3000
		all := sound(t, d, n, roles...)
		byRow := *all
		all.Losses, all.ByRow, all.Index = nil, false, nil
		all.Shape = &smoothl1.Shape{Rows: 3, Cols: n / 3}
		kept := *all
		kept.Divisor, kept.Weight = smoothl1.DivideByKept(), nil
		weights := *all
		weights.Divisor, weights.Shape = smoothl1.DivideByWeights().ZeroIfEmpty(), nil
		terms := Args[float32]{Pred: all.Pred, Target: all.Target, Mask: all.Mask, Terms: all.Terms, Abs: all.Abs, NoLoss: true}
		whole := Args[float32]{Pred: all.Pred, Target: all.Target, GradPred: all.GradPred, GradTarget: all.GradTarget, AccumulatePred: true}
		for name, a := range map[string]*Args[float32]{"all": all, "by row": &byRow, "kept": &kept, "weights": &weights, "terms": &terms, "accumulate": &whole} {
			require.NoError(t, op.Run(a), name)
			call := func() {
				if err := op.Run(a); err != nil {
					t.Error(err)
				}
			}
			assert.Zero(t, testing.AllocsPerRun(50, call), "%s: %s", d.Backend(), name)
		}
		half := newOp[smoothl1.F16](t, d, smoothl1.Loss{Beta: 1})
		f := newFour[smoothl1.F16](t, d, n)
		assert.Zero(t, testing.AllocsPerRun(50, func() { _ = half.ForwardBackward(f.pred, f.target, f.grad) }), "%s: float16", d.Backend())
	}
}

// TestValueByRow checks that there is no loss of the whole after a call by rows.
func TestValueByRow(t *testing.T) {
	simulated, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer simulated.Close()
	for _, d := range []*Device{openCPUFor(t), simulated} {
		pred, err := Upload(d, []float32{3, 3, 3, 0, 0, 0.5})
		require.NoError(t, err)
		target, err := Upload(d, make([]float32, 6))
		require.NoError(t, err)
		losses, err := Alloc[float64](d, 2)
		require.NoError(t, err)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
		a := &Args[float32]{Pred: pred, Target: target, ByRow: true, Losses: losses, Shape: &smoothl1.Shape{Rows: 2, Cols: 3}}
		require.NoError(t, op.Forward(pred, target))
		require.NoError(t, op.Run(a))
		_, err = op.Value()
		require.EqualError(t, err, "smoothl1: Value: op = smooth_l1(beta=1, sum): no loss has been computed for the whole: those of the rows are in Args.Losses")
		require.ErrorIs(t, err, smoothl1.ErrNoValue)
		got := make([]float64, 2)
		require.NoError(t, losses.Download(got))
		assert.Equal(t, []float64{7.5, 0.125}, got)
		sums, err := op.ChunkSums(nil)
		require.NoError(t, err)
		assert.Equal(t, []float64{7.5, 0.125}, sums, "those of each row in turn")

		require.ErrorIs(t, op.Forward(pred, nil), smoothl1.ErrNil)
		_, err = op.Value()
		require.ErrorIs(t, err, smoothl1.ErrNoValue, "a refused call changes nothing")
		require.NoError(t, op.Forward(pred, target))
		value, err := op.Value()
		require.NoError(t, err)
		assert.Equal(t, 7.625, value)
		a.GradPred, a.Losses, a.NoLoss = newFour[float32](t, d, 6).pred, nil, true
		require.NoError(t, op.Run(a))
		value, err = op.Value()
		require.NoError(t, err, "a call that computes no loss leaves it")
		assert.Equal(t, 7.625, value)
	}
}

// TestReserveForRows checks that no call within what was reserved allocates device memory, and that one beyond it does.
func TestReserveForRows(t *testing.T) {
	d, s := openStub(t)
	for _, c := range []struct{ rows, cols int }{{1, 3 << 20}, {1000, 3}, {700, cpu.Chunk + 1}, {3, 1 << 20}, {2, 5 * cpu.Chunk * cpu.Chunk}} {
		n := c.rows * c.cols
		at := func(bytes int) driver.Ptr { return driver.Ptr(1<<40 + bytes<<36) } // never read
		number := func(i int) *Buffer[float32] {
			b, err := Wrap[float32](d, uint64(at(i)), n)
			require.NoError(t, err)
			return b
		}
		losses, err := Alloc[float64](d, c.rows)
		require.NoError(t, err)
		a := &Args[float32]{Pred: number(1), Target: number(2), GradPred: number(3), Weight: number(4), ByRow: true, Losses: losses,
			Shape: &smoothl1.Shape{Rows: c.rows, Cols: c.cols}, Divisor: smoothl1.DivideByWeights()}
		reserved := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		require.NoError(t, reserved.Reserve(n, c.rows))
		log := s.logged(func() { require.NoError(t, reserved.Run(a)) })
		assert.NotContains(t, log, "Alloc on 0x0", "%d × %d", c.rows, c.cols)
		if c.rows*cpu.Chunks(c.cols) > firstChunks {
			beyond := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
			log = s.logged(func() { require.NoError(t, beyond.Run(a)) })
			assert.Contains(t, log, "Alloc on 0x0", "%d × %d", c.rows, c.cols)
		}
		// The second launch is that of the pass. Its sums, and those of the divisors in the first, end within their memory.
		l := s.launches[len(s.launches)-2:]
		sums := c.rows * op.Levels(cpu.Chunks(c.cols))
		for _, launch := range l {
			from := launch.arg(t, "sums")
			assert.GreaterOrEqual(t, len(s.at(driver.Ptr(from))), 8*sums, "%d × %d", c.rows, c.cols)
		}
		require.NoError(t, reserved.Close())
	}

	here := openCPUFor(t)
	op := newOp[float32](t, here, smoothl1.Loss{Beta: 1})
	require.NoError(t, op.Reserve(5000*3, 5000))
	first := &op.sums[0]
	f := newFour[float32](t, here, 5000*3)
	losses, err := Alloc[float64](here, 5000)
	require.NoError(t, err)
	require.NoError(t, op.Run(&Args[float32]{Pred: f.pred, Target: f.target, ByRow: true, Losses: losses, Shape: &smoothl1.Shape{Rows: 5000, Cols: 3}}))
	assert.Same(t, first, &op.sums[0])
	assert.Len(t, op.sums, 5000)
}

func TestComputeOfHalves(t *testing.T) {
	simulated, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer simulated.Close()
	for _, d := range []*Device{openCPUFor(t), simulated} {
		computeHalf[smoothl1.F16](t, d)
		computeHalf[smoothl1.BF16](t, d)
	}
}

func computeHalf[T smoothl1.Float](t *testing.T, d *Device) {
	const n = cpu.Chunk + 100
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], y[i] = float64(i%61)*0.173-5, float64(i%37)*0.1
	}
	x[5], x[6], y[7] = math.NaN(), math.Inf(1), 1e-7
	pred, target, grad, want := make([]T, n), make([]T, n), make([]T, n), make([]T, n)
	require.NoError(t, smoothl1.Convert(pred, x))
	require.NoError(t, smoothl1.Convert(target, y))
	for _, kind := range []smoothl1.Kind{smoothl1.SmoothL1, smoothl1.Huber} {
		l := smoothl1.Loss{Kind: kind, Beta: 0.3}
		value, err := Compute(d, l, pred[8:], target[8:], grad[8:])
		require.NoError(t, err)
		wantValue, err := cpu.RefForwardBackward(l, &cpu.Args[T]{Pred: pred[8:], Target: target[8:], GradPred: want[8:]})
		require.NoError(t, err)
		assert.Equal(t, wantValue, value)
		assert.Equal(t, want, grad)
		value, err = Compute(d, l, pred, target, nil)
		require.NoError(t, err)
		assert.True(t, math.IsNaN(value))
		_, err = Compute(d, l, pred, target, pred[1:])
		refused(t, err, smoothl1.ErrLength, "Compute", "len(gradPred)", n-1)
		_, err = Compute(d, l, pred[1:], target[1:], pred[:n-1])
		refused(t, err, smoothl1.ErrOverlap, "Compute", "gradPred", "in the memory of pred")
	}
	_, err := Compute(d, smoothl1.Loss{Beta: 1e-60}, pred, target, grad)
	refused(t, err, smoothl1.ErrBeta, "Compute", "beta", 1e-60)
}
