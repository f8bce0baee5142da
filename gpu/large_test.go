package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// nowhere returns a buffer of n elements in memory of its own, which is never read.
func nowhere[T smoothl1.Element](t *testing.T, d *Device, place, n int) *Buffer[T] {
	b, err := Wrap[T](d, uint64(place)<<50, n)
	require.NoError(t, err)
	return b
}

// fits fails the test if a grid is not one that every device can run.
func fits(t *testing.T, g driver.Geometry) {
	assert.Equal(t, [2]uint32{1, 1}, [2]uint32{g.Grid[1], g.Grid[2]})
	assert.Equal(t, [2]uint32{1, 1}, [2]uint32{g.Block[1], g.Block[2]})
	assert.Positive(t, g.Grid[0])
	assert.LessOrEqual(t, g.Grid[0], uint32(math.MaxInt32))
	assert.Zero(t, g.Block[0]%kernels.WarpThreads)
	assert.LessOrEqual(t, g.Block[0], uint32(kernels.MaxWarps*kernels.WarpThreads))
}

// Counts, grids and scratch of arrays of more than 2^32 elements, on a device that launches nothing.
func TestLargeArrays(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("needs 64 bits")
	}
	for shift := 33; shift <= 45; shift++ {
		n := 1<<shift + 12345
		d, s := openStub(t)
		pred, target, grad := nowhere[float32](t, d, 1, n), nowhere[float32](t, d, 2, n), nowhere[float32](t, d, 3, n)

		none := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
		require.NoError(t, none.Backward(pred, target, grad))
		l := s.last()
		fits(t, l.g)
		assert.Equal(t, uint64(n), l.arg(t, "n"))

		mean := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		err := mean.ForwardBackward(pred, target, grad)
		sums := 8 * op.Levels(op.Chunks(n))
		if sums >= 1<<30 { // more than the stub has
			require.ErrorIs(t, err, smoothl1.ErrMemory)
			var e *DeviceError
			require.ErrorAs(t, err, &e)
			assert.GreaterOrEqual(t, e.Size, sums, "the error has the size")
			continue
		}
		require.NoError(t, err)
		l = s.last()
		fits(t, l.g)
		assert.Equal(t, uint64(n), l.arg(t, "n"))
		assert.Equal(t, math.Float64bits(float64(n)), l.arg(t, "divisor"))
		assert.Equal(t, op.NumberOf(float32(1/float64(n))), op.Number(l.arg(t, "norm")))
		at := driver.Ptr(l.arg(t, "sums"))
		assert.GreaterOrEqual(t, len(s.at(at)), sums, "room for the chunk sums of all levels")
	}
}

// The same for matrices. Of rows with an index there are at most 2^32 − 1, since a fault has 32 bits for the row.
func TestLargeMatrices(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("needs 64 bits")
	}
	for _, c := range []struct{ rows, cols int }{{1<<33 + 1, 4}, {3, 1<<33 + 1}, {1<<31 + 1, 200}, {1<<20 + 1, 1<<14 + 1}, {1<<36 + 1, 1}} {
		d, s := openStub(t)
		n := c.rows * c.cols
		shape := &smoothl1.Shape{Rows: c.rows, Cols: c.cols, Weight: smoothl1.PerRow()}
		a := &Args[float32]{Pred: nowhere[float32](t, d, 1, n), Target: nowhere[float32](t, d, 2, n), Terms: nowhere[float32](t, d, 3, n),
			Weight: nowhere[float32](t, d, 4, c.rows), Mask: nowhere[uint8](t, d, 5, n), Shape: shape, NoLoss: true}
		crit := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
		require.NoError(t, crit.Run(a))
		l := s.last()
		fits(t, l.g)
		assert.Equal(t, uint64(n), l.arg(t, "rows")*l.arg(t, "cols"))

		mean := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		byRow := *a
		byRow.NoLoss, byRow.ByRow, byRow.Losses = false, true, nowhere[float64](t, d, 6, c.rows)
		err := mean.Run(&byRow)
		if sums := 8 * c.rows * op.Levels(op.Chunks(c.cols)); sums >= 1<<30 {
			require.ErrorIs(t, err, smoothl1.ErrMemory)
			var e *DeviceError
			require.ErrorAs(t, err, &e)
			assert.GreaterOrEqual(t, e.Size, sums)
			continue
		}
		require.NoError(t, err)
		l = s.last()
		fits(t, l.g)
		assert.Equal(t, [2]uint64{uint64(c.rows), uint64(c.cols)}, [2]uint64{l.arg(t, "rows"), l.arg(t, "cols")})
	}

	d, s := openStub(t)
	crit := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
	for _, rows := range []int{1<<32 - 1, 1 << 32} {
		a := &Args[float32]{Pred: nowhere[float32](t, d, 1, 3*rows), Target: nowhere[float32](t, d, 2, rows), Terms: nowhere[float32](t, d, 3, rows),
			Index: nowhere[int32](t, d, 4, rows), Shape: &smoothl1.Shape{Rows: rows, Cols: 3}, NoLoss: true}
		s.launches = nil
		err := crit.Run(a)
		if rows > math.MaxUint32 {
			refused(t, err, smoothl1.ErrTooLarge, "Run", "shape.Rows", rows)
			assert.Empty(t, s.launches)
		} else if assert.NoError(t, err) {
			assert.Equal(t, uint64(rows), s.last().arg(t, "rows"))
		}
	}
}
