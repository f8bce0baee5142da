//go:build cuda && linux && amd64 && cgo

package gorgonia

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/gorgonia/cuda"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

// The fake driver executes no kernel, but says with which arguments one was launched. Gorgonia's own machines do not run on it: see
// scripts/cuda-check.sh.
func TestMain(m *testing.M) { os.Exit(fakedriver.Run(m)) }

// onEngine returns tensors that belong to an engine of Gorgonia, in memory that the fake driver takes for managed memory.
func onEngine(n int) []*tensor.Dense {
	e := &cuda.Engine{}
	out := make([]*tensor.Dense, n)
	for i := range out {
		out[i] = random(tensor.Float32, uint64(i), 5000)
		tensor.WithEngine(e)(out[i])
	}
	return out
}

func address(x *tensor.Dense) uint64 { return uint64(x.Uintptr()) }

func TestOnDeviceLaunchesOnTheTensors(t *testing.T) {
	x := onEngine(4)
	fakedriver.Reset()
	_, err := Run(huber, &Args{Pred: x[0], Target: x[1], GradPred: x[2], GradTarget: x[3], NoLoss: true})
	require.NoError(t, err)
	l := fakedriver.LastLaunch()
	assert.Contains(t, l.Kernel, "backward_f32")
	assert.Equal(t, uint64(5000), l.Args[0])
	for _, x := range x {
		assert.Contains(t, l.Args, address(x))
	}
	assert.Zero(t, fakedriver.Misuse())
	live := fakedriver.Alive()
	_, err = Forward(huber, x[0], x[1])
	require.NoError(t, err)
	assert.Contains(t, fakedriver.LastLaunch().Kernel, "smoothl1_forward_f32")
	_, err = Forward(huber, x[0], x[1])
	require.NoError(t, err)
	assert.LessOrEqual(t, fakedriver.Alive().Memory, live.Memory+1, "calls allocate nothing, but for the scratch of a loss")

	fakedriver.Fail("cuLaunchKernel", 1, 719)
	_, err = Forward(huber, x[0], x[1])
	require.Error(t, err)
	_, err = Forward(huber, x[0], random(tensor.Float32, 1, 5000))
	require.ErrorIs(t, err, smoothl1.ErrDevice)
}

// external is a machine without work to do.
type external struct{ G.External }

func (external) Signal() {}

func TestCUDADo(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	p.differentiate(t, n)
	x := onEngine(3)
	loss := G.NewF32(7)
	v, err := n.loss.Op().(G.CUDADoer).CUDADo(external{}, 0, loss, x[0], x[1])
	require.NoError(t, err)
	assert.Same(t, loss, v)
	assert.NotEqual(t, G.F32(7), *loss)
	assert.Contains(t, fakedriver.LastLaunch().Kernel, "smoothl1_forward_f32")

	grad := n.grads[1].Op().(G.CUDADoer)
	v, err = grad.CUDADo(external{}, 0, x[2], x[0], x[1], G.NewF32(3), loss)
	require.NoError(t, err)
	assert.Same(t, x[2], v)
	l := fakedriver.LastLaunch()
	assert.Contains(t, l.Kernel, "backward_f32")
	assert.Contains(t, l.Args, address(x[2]))

	for _, op := range []G.CUDADoer{n.loss.Op().(G.CUDADoer), grad} {
		_, err = op.CUDADo(external{}, 0, nil, x[0], x[1], G.NewF32(3), loss)
		require.ErrorIs(t, err, smoothl1.ErrDType, "no memory for the output")
	}
	assert.Zero(t, fakedriver.Misuse())
}
