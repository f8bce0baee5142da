package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/sim"
)

// up uploads an array.
func up[T smoothl1.Element](t *testing.T, d *Device, x ...T) *Buffer[T] {
	t.Helper()
	b, err := Upload(d, x)
	require.NoError(t, err)
	return b
}

// openSim opens a simulated device.
func openSim(t *testing.T) (*Device, *sim.Device) {
	s := sim.New(sim.Seed(1))
	d, err := Open(On(s))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, s
}

// A call makes one launch, but for a gradient whose divisor only the device knows, and loads the rich kernels once, when it needs them.
func TestRichLaunches(t *testing.T) {
	d, s := openStub(t)
	mean := newOp[float32](t, d, smoothl1.Loss{Beta: 0.1})
	x, grad := up(t, d, 1, 2, 3, float32(4)), up(t, d, make([]float32, 4)...)
	mask := up(t, d, 1, 0, 1, uint8(1))
	require.Len(t, s.loads, 2, "the probe and the kernels of plain arrays")
	for _, c := range []struct {
		name string
		args Args[float32]
		want []string
	}{
		{"plain", Args[float32]{Pred: x, Target: x}, []string{"smoothl1_forward_f32_div"}},
		{"masked", Args[float32]{Pred: x, Target: x, Mask: mask}, []string{"smoothl1_rich_forward_f32_div"}},
		{"over those kept", Args[float32]{Pred: x, Target: x, Mask: mask, Divisor: smoothl1.DivideByKept()}, []string{"smoothl1_rich_forward_f32_div"}},
		{"gradient", Args[float32]{Pred: x, Target: x, Mask: mask, GradPred: grad}, []string{"smoothl1_rich_forward_backward_f32_div"}},
		{"gradient over a number", Args[float32]{Pred: x, Target: x, Mask: mask, GradPred: grad, Divisor: smoothl1.DivideBy(3)},
			[]string{"smoothl1_rich_forward_backward_f32_div"}},
		{"gradient over those kept", Args[float32]{Pred: x, Target: x, Mask: mask, GradPred: grad, Divisor: smoothl1.DivideByKept()},
			[]string{"smoothl1_divisor_f32", "smoothl1_rich_forward_backward_f32_div"}},
		{"gradient alone over those kept", Args[float32]{Pred: x, Target: x, Mask: mask, GradPred: grad, Divisor: smoothl1.DivideByKept(), NoLoss: true},
			[]string{"smoothl1_divisor_f32", "smoothl1_rich_forward_backward_f32_div"}},
	} {
		s.launches = nil
		require.NoError(t, mean.Run(&c.args), c.name)
		var got []string
		for _, l := range s.launches {
			got = append(got, l.kernel)
		}
		assert.Equal(t, c.want, got, c.name)
	}
	assert.Len(t, s.loads, 3)
	one := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	s.launches = nil
	require.NoError(t, one.Run(&Args[float32]{Pred: x, Target: x, Mask: mask}))
	require.NoError(t, one.Run(&Args[float32]{Pred: x, Target: x, Beta: x}))
	assert.Equal(t, "smoothl1_rich_forward_f32_mul", s.launches[0].kernel)
	assert.Equal(t, "smoothl1_rich_forward_f32_div", s.launches[1].kernel, "the other has no beta by element")
	assert.Len(t, s.loads, 3)
}

// A gradient over a divisor that the device computes leaves the last loss and its chunk sums as they were, even if it needs memory.
func TestDivisorLeavesTheLoss(t *testing.T) {
	d, _ := openSim(t)
	s := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	const n = 5000
	host := make([]float32, n)
	for i := range host {
		host[i] = float32(i)
	}
	x, zero, grad, mask := up(t, d, host...), up(t, d, make([]float32, n)...), up(t, d, make([]float32, n)...), up(t, d, make([]uint8, n)...)
	require.NoError(t, s.Forward(x, zero))
	require.NoError(t, s.Run(&Args[float32]{Pred: x, Target: zero, Mask: mask, GradPred: grad, NoLoss: true, Divisor: smoothl1.DivideByKept().ZeroIfEmpty()}))
	value, err := s.Value()
	require.NoError(t, err)
	assert.InDelta(t, (n-1)/2.0-0.5, value, 0.01)
	sums, err := s.ChunkSums(nil)
	require.NoError(t, err)
	require.Len(t, sums, 3)
	assert.InDelta(t, 2048*2047/2-2048/2, sums[0], 1)
	got := make([]float32, n)
	require.NoError(t, grad.Download(got))
	assert.Equal(t, make([]float32, n), got)
}

// An index out of range is reported once, by whoever waits for the call, with the lowest row and its index.
func TestIndexOutOfRange(t *testing.T) {
	for _, reduction := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.None} {
		d, _ := openSim(t)
		s := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: reduction})
		stream, err := d.NewStream()
		require.NoError(t, err)
		const rows, actions = 200, 3
		pred, target, grad, terms := up(t, d, make([]float32, rows*actions)...), up(t, d, make([]float32, rows)...),
			up(t, d, make([]float32, rows*actions)...), up(t, d, make([]float32, rows)...)
		index := make([]int32, rows)
		run := func(bad map[int]int32, options ...Option) {
			clear(index)
			for row, x := range bad {
				index[row] = x
			}
			require.NoError(t, s.Run(&Args[float32]{
				Pred: pred, Target: target, Index: up(t, d, index...), GradPred: grad, Terms: terms, Shape: &smoothl1.Shape{Rows: rows, Cols: actions},
			}, options...))
		}
		host := make([]float32, rows)
		waits := map[string]func() error{
			"Device.Wait": d.Wait,
			"Download":    func() error { return terms.Download(host) },
		}
		if reduction == smoothl1.Mean {
			waits["Value"] = func() error { _, err := s.Value(); return err }
			waits["ChunkSums"] = func() error { _, err := s.ChunkSums(nil); return err }
		}
		for name, wait := range waits {
			run(map[int]int32{7: actions, 150: -1, 199: math.MaxInt32})
			refused(t, wait(), smoothl1.ErrIndex, "Run", "index[7]", int32(actions))
			require.NoError(t, d.Wait(), "%s has reported it", name)
			run(map[int]int32{150: -1, 199: math.MinInt32})
			refused(t, wait(), smoothl1.ErrIndex, "Run", "index[150]", int32(-1))
			run(nil)
			require.NoError(t, wait(), name)
		}
		run(map[int]int32{0: -7})
		require.ErrorIs(t, d.Wait(), smoothl1.ErrIndex)
		require.NoError(t, terms.Download(host))
		assert.True(t, host[0] != host[0] && host[1] == 0, "the row's results are NaN")
		run(map[int]int32{5: 9}, OnStream(stream))
		require.NoError(t, d.Wait(), "of another stream")
		refused(t, stream.Wait(), smoothl1.ErrIndex, "Run", "index[5]", int32(9))
		run(map[int]int32{6: 9}, OnStream(stream))
		refused(t, stream.Close(), smoothl1.ErrIndex, "Run", "index[6]", int32(9))
		run(map[int]int32{4: 9})
		refused(t, s.Close(), smoothl1.ErrIndex, "Run", "index[4]", int32(9))
		require.NoError(t, d.Wait())
	}
}

// After Reserve no call with a divisor or by row allocates.
func TestReserveIsEnough(t *testing.T) {
	d, s := openStub(t)
	require.NoError(t, newOp[float32](t, d, smoothl1.Loss{Beta: 1}).readyRich()) // loads the kernels
	for _, shape := range [][2]int{{1, 3 * 2048}, {3, 2048}, {7, 900}, {2, 3000}, {6100, 1}, {1, 6143}} {
		rows, cols := shape[0], shape[1]
		n := rows * cols
		o := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		x, grad, mask, losses := up(t, d, make([]float32, n)...), up(t, d, make([]float32, n)...), up(t, d, make([]uint8, n)...), up(t, d, make([]float64, rows)...)
		require.NoError(t, o.Reserve(3*2048, rows))
		before := s.next
		for _, byRow := range []bool{false, true} {
			a := Args[float32]{Pred: x, Target: x, Mask: mask, Divisor: smoothl1.DivideByKept(), ByRow: byRow, Shape: &smoothl1.Shape{Rows: rows, Cols: cols}}
			if byRow {
				a.Losses = losses
			}
			require.NoError(t, o.Run(&a))
			a.GradPred = grad
			require.NoError(t, o.Run(&a))
		}
		assert.Equal(t, before, s.next, "%d × %d", rows, cols)
	}
}

func TestJobs(t *testing.T) {
	for _, c := range []struct {
		rows, cols uint64
		byRow      bool
		want       int
	}{
		{3, 2048, false, 3}, {3, 2049, false, 4}, {0, 5, false, 0},
		{128, 1, true, 1}, {129, 1, true, 2}, {32, 4, true, 1}, {33, 3, true, 2}, {5, 128, true, 5}, {3, 0, true, 1},
		{5, 129, true, 5}, {5, 2049, true, 10},
	} {
		p := op.Params{Rows: c.rows, Cols: c.cols}
		if c.byRow {
			p.Flags = op.FlagByRow
		}
		assert.Equal(t, c.want, jobsOf(&p), "%+v", c)
	}
}
