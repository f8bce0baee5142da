package gpu_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

func TestNilAndZeroValues(t *testing.T) {
	type half = smoothl1.F16
	testkit.Zero(t, ".", new(gpu.Device), new(gpu.Buffer[float32]), new(gpu.Buffer[float64]), new(gpu.Buffer[half]), new(gpu.Buffer[uint8]),
		new(gpu.Buffer[int32]), new(gpu.SmoothL1[float32]), new(gpu.SmoothL1[float64]), new(gpu.SmoothL1[half]), new(gpu.Stream), new(gpu.Event), new(gpu.Graph), new(gpu.DeviceError), new(gpu.Option), new(gpu.OpenOption), new(gpu.Usage),
		gpu.Open, gpu.CPU, gpu.CUDA, gpu.On, gpu.Alloc[float32], gpu.Upload[float32], gpu.Wrap[float64, uintptr], gpu.WrapHost[float32],
		gpu.Alloc[half], gpu.AllocHost[float32], gpu.AllocHost[int32], new(gpu.HostBuffer[float32]), new(gpu.HostBuffer[uint8]), gpu.Upload[uint8], gpu.Wrap[int32, uint64], gpu.Wrap[uint8, uintptr], gpu.WrapHost[smoothl1.BF16],
		gpu.NewSmoothL1[float64], gpu.NewSmoothL1[half], gpu.Compute[float32], gpu.Compute[half], gpu.Number[float32], gpu.Elements[float64],
		new(gpu.Args[float32]), new(gpu.Args[half]), new(gpu.Upstream[float64]), new(gpu.Info), gpu.Devices, gpu.OnStream, gpu.MaxBlocks)
}

// TestZeroOperands passes nil and zero values as arguments to calls on valid objects.
func TestZeroOperands(t *testing.T) {
	for _, open := range []gpu.OpenOption{gpu.CPU(), gpu.On(sim.New())} {
		d, err := gpu.Open(open)
		require.NoError(t, err)
		defer d.Close()
		op, err := gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1})
		require.NoError(t, err)
		b, err := gpu.Alloc[float32](d, 3)
		require.NoError(t, err)
		e, err := d.NewEvent()
		require.NoError(t, err)
		for _, x := range []*gpu.Buffer[float32]{nil, {}} {
			for what, err := range map[string]error{
				"pred": op.Forward(x, b), "target": op.Forward(b, x), "terms": op.ForwardTerms(b, b, x), "gradPred": op.Backward(b, b, x),
				"upstream": op.Run(&gpu.Args[float32]{Pred: b, Target: b, GradPred: b, NoLoss: true, Upstream: gpu.Elements(x)}), "src": b.CopyFrom(x),
			} {
				zeroOrNil(t, err, x == nil, what)
			}
		}
		for _, s := range []*gpu.Stream{nil, {}} {
			zeroOrNil(t, op.Forward(b, b, gpu.OnStream(s)), s == nil, "stream")
			zeroOrNil(t, e.Record(gpu.OnStream(s)), s == nil, "stream")
		}
		for _, start := range []*gpu.Event{nil, {}} {
			_, err := e.Since(start)
			zeroOrNil(t, err, start == nil, "start")
		}
		_, err = gpu.Compute(new(gpu.Device), smoothl1.Loss{}, []float32{1}, []float32{1}, nil)
		require.ErrorIs(t, err, smoothl1.ErrZero)
	}
	_, err := gpu.Open(gpu.On((*sim.Device)(nil)))
	require.ErrorIs(t, err, smoothl1.ErrNil)
}

func zeroOrNil(t *testing.T, err error, isNil bool, what string) {
	t.Helper()
	want := smoothl1.ErrZero
	if isNil {
		want = smoothl1.ErrNil
	}
	require.ErrorIs(t, err, want, what)
	var e *smoothl1.ArgError
	require.ErrorAs(t, err, &e, what)
	assert.NotEmpty(t, e.Arg)
}
