package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// four are the buffers of an op.
type four[T smoothl1.Float] struct{ pred, target, grad, gradTarget *Buffer[T] }

func newFour[T smoothl1.Float](t testing.TB, d *Device, n int) four[T] {
	alloc := func() *Buffer[T] {
		b, err := Alloc[T](d, n)
		require.NoError(t, err)
		return b
	}
	return four[T]{alloc(), alloc(), alloc(), alloc()}
}

func newOp[T smoothl1.Float](t testing.TB, d *Device, l smoothl1.Loss) *SmoothL1[T] {
	op, err := NewSmoothL1[T](d, l)
	require.NoError(t, err)
	return op
}

func TestArgumentsOfALaunch(t *testing.T) {
	d, s := openStub(t)
	b := newFour[float32](t, d, 5000)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 0.1, Reduction: smoothl1.Mean})

	require.NoError(t, op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, GradTarget: b.gradTarget,
		Upstream: Number[float32](0.3), Divisor: smoothl1.DivideBy(7)}))
	l := s.last()
	assert.Equal(t, "smoothl1_forward_backward_f32_div", l.kernel)
	assert.Equal(t, uint64(b.pred.ptr), l.arg(t, "pred"))
	assert.Equal(t, uint64(b.target.ptr), l.arg(t, "target"))
	assert.Equal(t, uint64(b.grad.ptr), l.arg(t, "grad_pred"))
	assert.Equal(t, uint64(b.gradTarget.ptr), l.arg(t, "grad_target"))
	assert.EqualValues(t, 5000, l.arg(t, "n"))
	assert.Equal(t, uint64(math.Float32bits(0.1)), l.arg(t, "threshold"))
	assert.Equal(t, uint64(math.Float32bits(1)), l.arg(t, "outer"))
	assert.Equal(t, uint64(math.Float32bits(float32(1.0/7))), l.arg(t, "norm"))
	assert.Equal(t, uint64(math.Float32bits(0.3)), l.arg(t, "g"))
	assert.Equal(t, math.Float64bits(7), l.arg(t, "divisor"))
	assert.Equal(t, l.arg(t, "tickets")+32-ticketsOffset, l.arg(t, "sums"))

	require.NoError(t, op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Upstream: Elements(b.gradTarget), NoLoss: true}))
	l = s.last()
	assert.Equal(t, "smoothl1_backward_elementwise_f32_div", l.kernel)
	assert.Equal(t, uint64(b.gradTarget.ptr), l.arg(t, "upstream"))
	assert.Zero(t, l.arg(t, "grad_target"))
	assert.Equal(t, uint64(math.Float32bits(float32(1.0/5000))), l.arg(t, "norm"))

	require.NoError(t, op.ForwardTerms(b.pred, b.target, b.grad))
	l = s.last()
	assert.Equal(t, "smoothl1_forward_terms_f32_div", l.kernel)
	assert.Equal(t, uint64(b.grad.ptr), l.arg(t, "terms"))
}

func TestKernelOfALoss(t *testing.T) {
	d, s := openStub(t)
	for _, c := range []struct {
		loss             smoothl1.Loss
		suffix           string
		threshold, outer float64
		inverse          float64
	}{
		{smoothl1.Loss{Beta: 1}, "mul", 1, 1, 1},
		{smoothl1.Loss{Beta: 0.25}, "mul", 0.25, 1, 4},
		{smoothl1.Loss{Beta: 0.1}, "div", 0.1, 1, 1},
		{smoothl1.Loss{Beta: 0}, "mul", 0, 1, 1},
		{smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0.1}, "mul", 0.1, 0.1, 1},
		{smoothl1.Loss{Beta: 0x1p-1074}, "div", 0x1p-1074, 1, 1}, // 1/beta overflows
		{smoothl1.Loss{Beta: 0x1p1023}, "mul", 0x1p1023, 1, 0x1p-1023},
	} {
		b := newFour[float64](t, d, 10)
		op := newOp[float64](t, d, c.loss)
		require.NoError(t, op.Forward(b.pred, b.target))
		l := s.last()
		assert.Equal(t, "smoothl1_forward_f64_"+c.suffix, l.kernel, c.loss)
		assert.Equal(t, math.Float64bits(c.threshold), l.arg(t, "threshold"), c.loss)
		assert.Equal(t, math.Float64bits(c.outer), l.arg(t, "outer"), c.loss)
		assert.Equal(t, math.Float64bits(c.inverse), l.arg(t, "inverse"), c.loss)
	}
}

func TestGeometry(t *testing.T) {
	for _, c := range []struct {
		n, multiprocessors, limit int
		blocks, threads           uint32
	}{
		{0, 132, 0, 1, 128}, // an empty reduction still writes its value
		{1, 132, 0, 1, 128}, // four warps share a chunk
		{2048, 132, 0, 1, 128},
		{2049, 132, 0, 2, 128},
		{528 * 2048, 132, 0, 528, 128}, // as long as there are as many
		{529 * 2048, 132, 0, 106, 160}, // then each warp has one
		{100 * 2048, 132, 100, 100, 128},
		{101 * 2048, 132, 100, 100, 32}, // as fewer blocks than chunks
		{1 << 30, 132, 0, 264, 256},     // as many as fit at once; each warp takes several chunks
		{1 << 30, 132, 3, 3, 256},       // or fewer
		{1 << 30, 0, 0, 2, 256},         // a driver that does not report it
	} {
		assert.Equal(t, driver.Linear(c.blocks, c.threads), geometry(cpu.Chunks(c.n), c.multiprocessors, c.limit), "n=%d limit=%d", c.n, c.limit)
	}
}

func TestScratchHoldsEveryLevel(t *testing.T) {
	d, s := openStub(t)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	b := newFour[float32](t, d, (firstChunks+1)*2048)
	before := len(s.memory)
	require.NoError(t, op.Forward(b.pred, b.target))
	assert.Equal(t, before, len(s.memory), "the scratch that was too small is freed")
	assert.Len(t, s.memory[driver.Ptr(s.last().arg(t, "tickets"))-ticketsOffset], 32+8*(firstChunks+1+1))
}

func TestNothingIsAllocatedByACall(t *testing.T) {
	d, s := openStub(t)
	s.record = false
	b := newFour[float32](t, d, 5000)
	stream, err := d.NewStream()
	require.NoError(t, err)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	none := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
	for name, call := range map[string]func() error{
		"ForwardTerms":    func() error { return none.ForwardTerms(b.pred, b.target, b.grad) },
		"Forward":         func() error { return op.Forward(b.pred, b.target) },
		"Backward":        func() error { return op.Backward(b.pred, b.target, b.grad) },
		"ForwardBackward": func() error { return op.ForwardBackward(b.pred, b.target, b.grad) },
		"with options": func() error {
			return op.ForwardBackward(b.pred, b.target, b.grad, OnStream(stream), MaxBlocks(1))
		},
		"Run": func() error {
			return op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, GradTarget: b.gradTarget, Upstream: Number[float32](2),
				Divisor: smoothl1.DivideBy(9)}, OnStream(stream), MaxBlocks(1))
		},
		"Run by element": func() error {
			return op.Run(&Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Upstream: Elements(b.gradTarget), NoLoss: true})
		},
		"Value": func() error {
			_, err := op.Value()
			return err
		},
	} {
		require.NoError(t, op.Forward(b.pred, b.target))
		require.NoError(t, call(), name)
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = call() }), name)
	}
}

// An upstream gradient that is infinite in float32 gives infinite gradients, though 1/divisor times the number given is small.
func TestUpstreamThatBecomesInfinite(t *testing.T) {
	d, err := Open(On(sim.New()))
	require.NoError(t, err)
	pred, target := []float32{1, -2, 0, 5}, make([]float32, 4)
	l := smoothl1.Loss{Beta: 3}
	want, got := make([]float32, 4), make([]float32, 4)
	require.NoError(t, cpu.RefBackward(l, &cpu.Args[float32]{Pred: pred, Target: target, GradPred: want, Upstream: cpu.Number[float32](0x1p130),
		Divisor: smoothl1.DivideBy(0x1p60)}))
	grad := up(t, d, got...)
	require.NoError(t, newOp[float32](t, d, l).Run(&Args[float32]{Pred: up(t, d, pred...), Target: up(t, d, target...), GradPred: grad, NoLoss: true,
		Upstream: Number[float32](0x1p130), Divisor: smoothl1.DivideBy(0x1p60)}))
	require.NoError(t, grad.Download(got))
	for i := range got {
		assert.Equal(t, canonical(want[i]), canonical(got[i]), "element %d: %v, not %v", i, got[i], want[i])
	}
	require.NoError(t, d.Close())
}
