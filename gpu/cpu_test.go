package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// openCPUFor opens the CPU and closes it at the end of the test.
func openCPUFor(t testing.TB) *Device {
	d, err := Open(CPU())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestOpenDefault(t *testing.T) {
	d, err := Open()
	require.NoError(t, err)
	defer d.Close()
	if d.Backend() == "cpu" {
		assert.NotEmpty(t, d.Reason())
		assert.Contains(t, d.String(), d.Reason())
		_, err := Open(CUDA(0))
		require.ErrorIs(t, err, smoothl1.ErrNoCUDA)
		assert.ErrorContains(t, err, "gpu: Open: CUDA device 0: ")
		assert.ErrorContains(t, err, d.Reason())
	} else {
		assert.Equal(t, "cuda", d.Backend())
		assert.Empty(t, d.Reason())
	}
}

func TestCompute(t *testing.T) {
	d := openCPUFor(t)
	pred, target := []float64{0, 1, 3, 5}, []float64{0, 0.5, 1, 9}
	grad := make([]float64, 4)
	loss, err := Compute(d, smoothl1.Loss{Beta: 1}, pred, target, grad)
	require.NoError(t, err)
	assert.Equal(t, (0+0.125+1.5+3.5)/4, loss)
	assert.Equal(t, []float64{0, 0.125, 0.25, -0.25}, grad)

	loss, err = Compute(d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, pred, target, grad)
	require.NoError(t, err)
	assert.Equal(t, 5.125, loss)
	assert.Equal(t, []float64{0, 0.5, 1, -1}, grad)

	loss, err = Compute[float64](d, smoothl1.Loss{}, nil, nil, nil)
	require.NoError(t, err)
	assert.True(t, math.IsNaN(loss), "the mean of nothing")

	_, err = Compute(d, smoothl1.Loss{}, pred, target[:3], nil)
	refused(t, err, smoothl1.ErrLength, "Compute", "len(target)", 3)
	_, err = Compute(d, smoothl1.Loss{}, pred, target, grad[:1])
	refused(t, err, smoothl1.ErrLength, "Compute", "len(gradPred)", 1)
	_, err = Compute(nil, smoothl1.Loss{}, pred, target, grad)
	refused(t, err, smoothl1.ErrNil, "Compute", "device", "nil")
	_, err = Compute(d, smoothl1.Loss{Reduction: smoothl1.None}, pred, target, grad)
	require.ErrorIs(t, err, smoothl1.ErrReduction)
}

func TestShardsGiveTheLossOfTheWhole(t *testing.T) {
	d := openCPUFor(t)
	const n, cut = 3*cpu.Chunk + 100, cpu.Chunk
	x, zero := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(i%100) * 0.01
	}
	l := smoothl1.Loss{Beta: 0.3}
	wholeGrad := make([]float32, n)
	want, err := Compute(d, l, x, zero, wholeGrad)
	require.NoError(t, err)

	var sums []float64
	var grads []float32
	for _, r := range [][2]int{{0, cut}, {cut, n}} {
		op := newOp[float32](t, d, l)
		pred, err := WrapHost(d, x[r[0]:r[1]])
		require.NoError(t, err)
		target, err := WrapHost(d, zero[r[0]:r[1]])
		require.NoError(t, err)
		grad, err := Alloc[float32](d, pred.Len())
		require.NoError(t, err)
		require.NoError(t, op.Run(&Args[float32]{Pred: pred, Target: target, GradPred: grad, Divisor: smoothl1.DivideBy(n)}))
		sums, err = op.ChunkSums(sums)
		require.NoError(t, err)
		host := make([]float32, grad.Len())
		require.NoError(t, grad.Download(host))
		grads = append(grads, host...)
	}
	got, err := cpu.Finish(l, sums, n, smoothl1.Divisor{})
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, wholeGrad, grads)
}

func TestBuffersOfTheCPU(t *testing.T) {
	d := openCPUFor(t)
	x := []float32{1, 2, 3}
	copied, err := Upload(d, x)
	require.NoError(t, err)
	same, err := WrapHost(d, x)
	require.NoError(t, err)
	part, err := same.Slice(1, 3)
	require.NoError(t, err)
	require.NoError(t, part.Set([]float32{8, 9}))
	assert.Equal(t, []float32{1, 8, 9}, x)
	got := make([]float32, 3)
	require.NoError(t, copied.Download(got))
	assert.Equal(t, []float32{1, 2, 3}, got)
	assert.Equal(t, "float32[2]", part.String())
	empty, err := Upload(d, []float32{})
	require.NoError(t, err)
	require.NoError(t, empty.Download(nil))
	assert.Zero(t, empty.Len())
}

// TestPlainCallsAfterOthers checks that the short way of plain calls keeps nothing of the calls before, nor they of it.
func TestPlainCallsAfterOthers(t *testing.T) {
	dev, err := Open(CPU())
	require.NoError(t, err)
	defer dev.Close()
	crit, err := NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1})
	require.NoError(t, err)
	pred, err := Upload(dev, []float32{1, 2, 3, 5})
	require.NoError(t, err)
	target, err := Alloc[float32](dev, 4)
	require.NoError(t, err)
	grad, err := Alloc[float32](dev, 4)
	require.NoError(t, err)
	value := func() float64 {
		v, err := crit.Value()
		require.NoError(t, err)
		return v
	}
	read := func() []float32 {
		x := make([]float32, 4)
		require.NoError(t, grad.Download(x))
		return x
	}
	plain := func() {
		t.Helper()
		require.NoError(t, crit.ForwardBackward(pred, target, grad))
		assert.Equal(t, 2.25, value())
		assert.Equal(t, []float32{0.25, 0.25, 0.25, 0.25}, read())
	}
	plain()
	for _, a := range []Args[float32]{
		{Divisor: smoothl1.DivideBy(2)}, {Upstream: Number[float32](3)}, {AccumulatePred: true}, {Weight: pred}, {NoLoss: true},
		{Shape: &smoothl1.Shape{Rows: 2, Cols: 2}},
	} {
		a.Pred, a.Target, a.GradPred = pred, target, grad
		require.NoError(t, crit.Run(&a))
		plain()
	}
	require.NoError(t, crit.ForwardTerms(pred, target, grad))
	assert.Equal(t, []float32{0.5, 1.5, 2.5, 4.5}, read())
	assert.Equal(t, 2.25, value(), "the last loss stays")
	require.NoError(t, crit.Backward(pred, target, grad))
	assert.Equal(t, []float32{0.25, 0.25, 0.25, 0.25}, read())
	require.NoError(t, crit.Forward(target, target))
	assert.Zero(t, value())
	sums, err := crit.ChunkSums(nil)
	require.NoError(t, err)
	assert.Equal(t, []float64{0}, sums)

	// In place is no plain call, and what is wrong gets the error of any call.
	require.NoError(t, crit.Backward(pred, target, pred))
	short, err := Alloc[float32](dev, 3)
	require.NoError(t, err)
	assert.ErrorContains(t, crit.ForwardBackward(target, target, short), "ForwardBackward: len(gradPred) = 3")
	require.NoError(t, grad.Close())
	err = crit.ForwardBackward(target, target, grad)
	assert.ErrorIs(t, err, smoothl1.ErrClosed)
	assert.Zero(t, value(), "a refused call leaves the loss")
	require.NoError(t, dev.Close())
	assert.ErrorIs(t, crit.Forward(target, target), smoothl1.ErrClosed)
}
