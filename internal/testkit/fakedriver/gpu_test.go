//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
	"github.com/smoothl1/smoothl1/kernels"
)

// theirs creates a stream in the device's primary context, like another library of the program.
func theirs(t *testing.T, d driver.Device) (cu.Stream, uintptr) {
	t.Helper()
	context, err := cu.Device(d.Info().Ordinal).RetainPrimaryCtx()
	require.NoError(t, err)
	in := func(f func() error) {
		require.NoError(t, cu.PushCurrentCtx(context))
		require.NoError(t, f())
		_, err := cu.PopCurrentCtx()
		require.NoError(t, err)
	}
	var s cu.Stream
	in(func() (err error) { s, err = cu.MakeStream(cu.NonBlocking); return err })
	t.Cleanup(func() {
		in(s.Destroy)
		require.NoError(t, cu.Device(d.Info().Ordinal).ReleasePrimaryCtx())
	})
	return s, uintptr(unsafe.Pointer(s.C()))
}

// A stream created by other code must be usable, and must not be destroyed.
func TestForeignStream(t *testing.T) {
	clean(t)
	d := open(t, 0)
	_, address := theirs(t, d)
	s := driver.Stream(address)
	echo := kernel(t, d, "echo")
	p, err := d.Alloc(40)
	require.NoError(t, err)
	args := []uint64{uint64(p), 2, 3, 4, 5}
	out := make([]byte, 40)
	require.NoError(t, d.Zero(p, 40, s))
	require.NoError(t, d.Launch(echo, driver.Linear(1, 1), s, args))
	assert.Equal(t, "non-blocking", fakedriver.LastLaunch().Stream)
	require.NoError(t, d.CopyOut(out, p, s))
	assert.Equal(t, byte(5), out[32])
	require.NoError(t, d.Wait(s))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = d.Launch(echo, driver.Linear(1, 1), s, args) }))
	var e *driver.Error
	require.ErrorAs(t, d.CloseStream(s), &e)
	assert.Equal(t, driver.CodeInvalidHandle, e.Code)
	require.NoError(t, d.Close())
	assert.Equal(t, 1, fakedriver.Alive().Streams, "it outlives the device")
}

// Another library finds the primary context current while it accesses a buffer, and the goroutine on the thread where it is.
func TestAccess(t *testing.T) {
	clean(t)
	dev, err := gpu.Open(gpu.CUDA(0))
	require.NoError(t, err)
	b, err := gpu.Upload(dev, []float32{1, 2, 3})
	require.NoError(t, err)
	require.NoError(t, b.Access(func(address uintptr) error {
		assert.True(t, lockedToThread())
		context, err := cu.CurrentContext()
		assert.NoError(t, err)
		assert.NotZero(t, context)
		assert.Equal(t, [3]float32{1, 2, 3}, **(**[3]float32)(unsafe.Pointer(&address))) // the fake's device memory is the host's
		return nil
	}))
	mustBeFree(t, "Access")
	require.NoError(t, dev.Close())
}

// TestGPU uses package gpu through all layers. It checks the kernels and arguments that reach the driver, that a training step does not
// allocate in Go, and that Close frees everything. (The fake driver does not compute.)
func TestGPU(t *testing.T) {
	clean(t)
	dev, err := gpu.Open(gpu.CUDA(0))
	require.NoError(t, err)
	defer dev.Close()
	assert.Equal(t, "cuda", dev.Backend())
	assert.Contains(t, dev.String(), "Fake GPU 0")
	const n = 5000
	crit, err := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 0.3, Reduction: smoothl1.Mean})
	require.NoError(t, err)
	pred, err := gpu.Upload(dev, make([]float32, n))
	require.NoError(t, err)
	target, err := gpu.Upload(dev, make([]float32, n))
	require.NoError(t, err)
	grad, err := gpu.Alloc[float32](dev, n)
	require.NoError(t, err)
	require.NoError(t, crit.ForwardBackward(pred, target, grad))

	const kernel = "smoothl1_forward_backward_f32_div"
	launch := fakedriver.LastLaunch()
	assert.Equal(t, kernel, launch.Kernel)
	var p op.Params
	require.Len(t, launch.Args, len(p.Words()))
	copy(p.Words(), launch.Args)
	for _, address := range []*uint64{&p.Sums, &p.Value, &p.Tickets, &p.Pred, &p.Target, &p.GradPred} {
		assert.NotZero(t, *address)
		*address = 0
	}
	assert.Equal(t, op.Params{N: n, Threshold: op.NumberOf(float32(0.3)), Inverse: op.NumberOf(1 / float32(0.3)), Outer: op.NumberOf(float32(1)),
		Norm: op.NumberOf(float32(1.0 / n)), G: op.NumberOf(float32(1)), Least: op.NumberOf(float32(0x1p-50)), Divisor: n}, p)

	stream, err := dev.NewStream()
	require.NoError(t, err)
	onStream := gpu.OnStream(stream)
	for range 2 { // the first call moves the op to the stream
		require.NoError(t, crit.ForwardBackward(pred, target, grad, onStream))
	}
	for name, options := range map[string][]gpu.Option{"default stream": nil, "on stream": {onStream}} {
		require.NoError(t, crit.ForwardBackward(pred, target, grad, options...))
		before := fakedriver.Calls("")
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if err := crit.ForwardBackward(pred, target, grad, options...); err != nil {
				t.Fatal(err)
			}
		}), name)
		assert.Equal(t, 101*4, fakedriver.Calls("")-before, "%s: a launch and a record a step, with the context pushed and popped once", name)
	}

	// An error says what failed, for a launch with its kernel and size. The tickets may then not be 0, and the next call clears them.
	call := func() error { return crit.ForwardBackward(pred, target, grad) }
	for function, want := range map[string]string{
		"cuCtxPushCurrent": "gpu: launch " + kernel + " (n=5000): CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701) from cuCtxPushCurrent",
		"cuLaunchKernel":   "gpu: launch " + kernel + " (n=5000): CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701) from cuLaunchKernel",
		"cuEventRecord":    "gpu: record an event: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701) from cuEventRecord",
		"cuCtxPopCurrent":  "gpu: record an event: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701) from cuCtxPopCurrent",
	} {
		require.NoError(t, call())
		fakedriver.Fail(function, 1, driver.CodeOutOfResources)
		require.ErrorContains(t, call(), want)
		for _, clears := range []int{1, 0} {
			before := fakedriver.Calls("cuMemsetD8Async")
			require.NoError(t, call())
			assert.Equal(t, clears, fakedriver.Calls("cuMemsetD8Async")-before, function)
		}
	}
	require.NoError(t, dev.Close())
	require.NoError(t, dev.Close())
}

// Devices must not open the devices that it lists, and must continue if one cannot be queried.
func TestDevices(t *testing.T) {
	clean(t)
	all, err := gpu.Devices()
	require.NoError(t, err)
	require.Len(t, all, 3)
	assert.Equal(t, fakedriver.Live{}, fakedriver.Alive())
	for ordinal, info := range all[:2] {
		dev, err := gpu.Open(gpu.CUDA(ordinal))
		require.NoError(t, err)
		assert.Equal(t, dev.Info(), info)
		require.NoError(t, dev.Close())
	}
	assert.Equal(t, "cpu", all[2].Backend)

	fakedriver.Fail("cuDeviceGetName", 1, driver.CodeUnknown)
	all, err = gpu.Devices()
	require.ErrorContains(t, err, "gpu: Devices: CUDA device 0: CUDA_ERROR_UNKNOWN (999) from cuDeviceGetName")
	require.Len(t, all, 3)
	assert.Equal(t, gpu.Info{Backend: "cuda"}, all[0])
	assert.Equal(t, "Fake GPU 1", all[1].Name)
}

// Every kernel of the shipped PTX must take the words of op.Params, and no other number of words.
func TestShippedPTX(t *testing.T) {
	clean(t)
	d := open(t, 0)
	words := new(op.Params).Words()
	for _, dtype := range kernels.DTypes() {
		text, err := kernels.PTX(dtype)
		require.NoError(t, err)
		m, err := d.Load(text)
		require.NoError(t, err)
		for _, v := range kernels.Of(dtype) {
			f, err := d.Function(m, v.Name())
			require.NoError(t, err)
			require.NoError(t, d.Launch(f, driver.Linear(1, 32), 0, words), v.Name())
			require.Error(t, d.Launch(f, driver.Linear(1, 32), 0, words[1:]), v.Name())
		}
	}
}

// A driver that refuses the oldest target, as one after CUDA 13 might, takes a newer one, and one that is too old says so.
func TestTargets(t *testing.T) {
	clean(t)
	loss := smoothl1.Loss{Beta: 1}
	for refused, want := range map[string]string{"": "sm_75", "sm_50": "sm_75", "sm_75": "sm_50"} {
		fakedriver.Driver(13000, driver.CodeUnsupportedPTX, refused)
		before := fakedriver.Calls("cuModuleLoadDataEx")
		dev, err := gpu.Open(gpu.CUDA(0))
		require.NoError(t, err)
		assert.Equal(t, want, dev.Target())
		assert.Contains(t, dev.String(), ", driver for CUDA 13.0, kernels for "+want+")")
		crit, err := gpu.NewSmoothL1[float64](dev, loss)
		require.NoError(t, err)
		require.NoError(t, crit.Close())
		loads := 2
		if refused == "sm_75" {
			loads = 3
		}
		assert.Equal(t, loads, fakedriver.Calls("cuModuleLoadDataEx")-before)
		require.NoError(t, dev.Close())
	}
	fakedriver.Driver(11040, driver.CodeUnsupportedPTX, "sm_50", "sm_75")
	_, err := gpu.Open(gpu.CUDA(0))
	for _, part := range []string{
		"for sm_75: CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222) from cuModuleLoadDataEx: the PTX requires a newer driver; for sm_50: CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
		"; they are of PTX ISA 7.8, which needs a driver for CUDA 11.8 (R520) or newer, and this one is for CUDA 11.4",
	} {
		assert.ErrorContains(t, err, part)
	}
	_, err = gpu.Open()
	require.ErrorContains(t, err, "this one is for CUDA 11.4", "no fallback to the CPU")
	fakedriver.Driver(13000, driver.CodeOutOfMemory, "sm_75")
	_, err = gpu.Open(gpu.CUDA(0))
	require.ErrorContains(t, err, "gpu: load a probe: CUDA_ERROR_OUT_OF_MEMORY (2) from cuModuleLoadDataEx")
}
