//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
	"github.com/smoothl1/smoothl1/kernels"
)

// theirs makes a stream in the device's primary context as another library of the program would.
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

// A stream that somebody else has made is used as it is, and is not ours to close.
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

// Package gpu as a user calls it, through all layers: the kernels and arguments that reach the driver, that a step of a
// training loop allocates nothing in Go, and that Close leaves nothing. (The stand-in does not compute.)
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

	entry := kernels.Entry{Op: kernels.ForwardBackward, DType: smoothl1.Float32, Divide: true}
	launch := fakedriver.LastLaunch()
	assert.Equal(t, entry.Name(), launch.Kernel)
	require.Len(t, launch.Args, len(entry.Params()))
	want := map[string]uint64{"n": n, "threshold": uint64(math.Float32bits(0.3)), "norm": uint64(math.Float32bits(1.0 / n)), "g": uint64(math.Float32bits(1)),
		"divisor": math.Float64bits(n), "grad_target": 0}
	for i, p := range entry.Params() {
		if bits, ok := want[p.Name]; ok {
			assert.Equalf(t, bits, launch.Args[i], "%s", p.Name)
			delete(want, p.Name)
		} else if p.Type == "u64" {
			assert.NotZerof(t, launch.Args[i], "%s", p.Name)
		}
	}
	assert.Empty(t, want)

	stream, err := dev.NewStream()
	require.NoError(t, err)
	onStream := gpu.OnStream(stream)
	for range 2 { // the op moves to the stream
		require.NoError(t, crit.ForwardBackward(pred, target, grad, onStream))
	}
	before := fakedriver.Calls("cuLaunchKernel")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if err := crit.ForwardBackward(pred, target, grad); err != nil {
			t.Fatal(err)
		}
	}))
	assert.Equal(t, 101, fakedriver.Calls("cuLaunchKernel")-before, "one launch a step")

	// A launch that the driver refuses names what was launched.
	fakedriver.Fail("cuLaunchKernel", 1, driver.CodeOutOfResources)
	err = crit.ForwardBackward(pred, target, grad)
	require.Error(t, err)
	assert.Contains(t, err.Error(), entry.Name())
	assert.Contains(t, err.Error(), "5000")
	assert.Contains(t, err.Error(), "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701) from cuLaunchKernel")
	require.NoError(t, crit.ForwardBackward(pred, target, grad))
	require.NoError(t, dev.Close())
	require.NoError(t, dev.Close())
}

// Devices opens none of the devices that it lists, and goes on where one cannot be asked.
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

// What a kernel of the shipped PTX takes is what package kernels says it takes, as this package counts it.
func TestShippedPTX(t *testing.T) {
	clean(t)
	d := open(t, 0)
	m, err := d.Load(kernels.PTX)
	require.NoError(t, err)
	for _, entry := range kernels.All() {
		f, err := d.Function(m, entry.Name())
		require.NoError(t, err)
		require.NoError(t, d.Launch(f, driver.Linear(1, 32), 0, make([]uint64, len(entry.Params()))), entry.Name())
		require.Error(t, d.Launch(f, driver.Linear(1, 32), 0, make([]uint64, len(entry.Params())-1)), entry.Name())
	}
}
