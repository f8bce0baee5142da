//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

func open(t *testing.T, ordinal int) driver.Device {
	t.Helper()
	d, err := cuda.Open(ordinal)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func kernel(t *testing.T, d driver.Device, name string) driver.Function {
	t.Helper()
	m, err := d.Load(devicetest.PTX)
	require.NoError(t, err)
	f, err := d.Function(m, name)
	require.NoError(t, err)
	return f
}

func TestOpen(t *testing.T) {
	clean(t)
	require.NoError(t, cuda.Available())
	n, err := cuda.Count()
	require.NoError(t, err)
	require.Equal(t, 2, n)
	lib, err := cuda.Describe()
	require.NoError(t, err)
	assert.Contains(t, lib.Path, "libcuda.so.1")
	assert.Equal(t, 12020, lib.Version)
	for ordinal := range n {
		d := open(t, ordinal)
		assert.Equal(t, driver.Info{Backend: "cuda", Name: fmt.Sprintf("Fake GPU %d", ordinal), Ordinal: ordinal, Major: 8, Minor: 6,
			Multiprocessors: 84, MemoryBytes: 1 << 30, L2Bytes: 6 << 20, DriverVersion: 12020}, d.Info())
	}
	assert.Equal(t, fakedriver.Live{Contexts: 2}, fakedriver.Alive())
	for _, ordinal := range []int{-1, 2} {
		_, err := cuda.Open(ordinal)
		require.Error(t, err)
		assert.NotErrorIs(t, err, cuda.ErrUnavailable)
		assert.Equal(t, fmt.Sprintf("CUDA_ERROR_INVALID_DEVICE (101) from cuDeviceGet: there is no device %d: 2 found, counted from 0", ordinal), err.Error())
	}
}

// If a call fails while a device is opened, the error must name it, and nothing must leak.
func TestOpenFails(t *testing.T) {
	clean(t)
	require.NoError(t, open(t, 1).Close())
	calls := fakedriver.Calls("")
	failed := 0
	for k := 1; k <= calls; k++ {
		fakedriver.Reset()
		fakedriver.Fail("", k, driver.CodeUnknown)
		d, err := cuda.Open(1)
		if err != nil {
			failed++
			var e *driver.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, driver.CodeUnknown, e.Code)
			assert.Contains(t, err.Error(), "CUDA_ERROR_UNKNOWN (999) from cu")
			require.Equal(t, fakedriver.Live{}, fakedriver.Alive(), "call %d", k)
			continue
		}
		fakedriver.Reset()
		require.NoError(t, d.Close())
	}
	// This leaves out cuDriverGetVersion, whose failure is ignored, and the calls of Close.
	assert.Equal(t, 9, failed)
}

// Close must free what is still open, and release the context once.
func TestCloseFrees(t *testing.T) {
	clean(t)
	d := open(t, 0)
	_ = kernel(t, d, "echo")
	for range 3 {
		_, err := d.Alloc(1000)
		require.NoError(t, err)
		_, err = d.NewStream()
		require.NoError(t, err)
		_, err = d.NewEvent()
		require.NoError(t, err)
		_, _, err = driver.PinnedOf(d).AllocPinned(1000)
		require.NoError(t, err)
	}
	second := open(t, 0)
	s, err := d.NewStream()
	require.NoError(t, err)
	c := d.(driver.Capturer)
	require.NoError(t, c.BeginCapture(s))
	_, err = c.EndCapture(s)
	require.NoError(t, err)
	require.Equal(t, fakedriver.Live{Memory: 3, Streams: 4, Events: 3, Modules: 1, Contexts: 2, Graphs: 1, Pinned: 3}, fakedriver.Alive())
	require.NoError(t, c.BeginCapture(s), "and ends what is being captured")
	require.NoError(t, d.Close())
	require.Equal(t, fakedriver.Live{Contexts: 1}, fakedriver.Alive(), "somebody else keeps the context alive: its memory must go all the same")
	require.NoError(t, d.Close())
	require.NoError(t, second.Close())
	_, err = c.EndCapture(s)
	require.Error(t, err)
	mustBeFree(t, "EndCapture after Close")
}

// useAll calls every method, and returns the first error.
func useAll(d driver.Device) error {
	p, err := d.Alloc(64)
	if err != nil {
		return err
	}
	s, err := d.NewStream()
	if err != nil {
		return err
	}
	a, err := d.NewEvent()
	if err != nil {
		return err
	}
	m, err := d.Load(devicetest.PTX)
	if err != nil {
		return err
	}
	f, err := d.Function(m, "shape")
	if err != nil {
		return err
	}
	pinned := driver.PinnedOf(d)
	_, host, err := pinned.AllocPinned(64)
	if err != nil {
		return err
	}
	buf := make([]byte, 64)
	var g driver.Graph
	c := d.(driver.Capturer)
	for _, step := range []func() error{
		func() error { return c.BeginCapture(s) },
		func() error { return d.Zero(p, 64, s) },
		func() (err error) { g, err = c.EndCapture(s); return err },
		func() error { return c.LaunchGraph(g, s) },
		func() error { return c.CloseGraph(g) },
		func() error { return d.Zero(p, 64, s) },
		func() error { return d.CopyIn(p, buf, s) },
		func() error { return d.Copy(p, p+32, 32, s) },
		func() error { return d.Record(a, s) },
		func() error { return d.WaitEvent(a, 0) },
		func() error { return d.Launch(f, driver.Linear(1, 1), s, []uint64{uint64(p)}) },
		func() error {
			launched, recorded := driver.LaunchRecord(d, f, driver.Linear(1, 1), s, []uint64{uint64(p)}, a)
			return errors.Join(launched, recorded)
		},
		func() error { return d.CopyOut(buf, p, s) },
		func() error { return d.Wait(s) },
		func() error { return pinned.CopyInAsync(p, host, 64, s) },
		func() error { return pinned.CopyOutAsync(host, p, 64, s) },
		func() error { return d.Record(a, s) },
		func() error { return pinned.Await(a) },
		func() error { _, _, err := d.(driver.MemoryReporter).MemoryInfo(); return err },
		func() error { _, err := d.Elapsed(a, a); return err },
		func() error { return pinned.FreePinned(host) },
		func() error { return d.CloseEvent(a) },
		func() error { return d.CloseStream(s) },
		func() error { return d.Unload(m) },
		func() error { return d.Free(p) },
	} {
		if err := step(); err != nil {
			_, _ = c.EndCapture(s) // if it is still open
			return err
		}
	}
	return nil
}

// TestEveryCallFails makes each driver call of useAll fail in turn: the error must name it, and nothing must leak.
func TestEveryCallFails(t *testing.T) {
	clean(t)
	d := open(t, 0)
	before := fakedriver.Calls("")
	require.NoError(t, useAll(d))
	within := fakedriver.Calls("") - before
	require.NoError(t, d.Close())
	whole := fakedriver.Calls("") - before
	require.Greater(t, within, 50)
	require.Greater(t, whole, within)
	for k := 1; k <= whole; k++ {
		d := open(t, 0)
		fakedriver.Reset()
		fakedriver.Fail("", k, driver.CodeUnknown)
		err := useAll(d)
		closed := d.Close()
		if err == nil {
			err = closed
		}
		var e *driver.Error
		require.ErrorAsf(t, err, &e, "call %d of %d", k, whole)
		require.Equal(t, driver.CodeUnknown, e.Code)
		require.NoError(t, d.Close())
		require.Equalf(t, fakedriver.Live{}, fakedriver.Alive(), "call %d of %d, %s", k, whole, e.Call)
		require.Zerof(t, fakedriver.Depth(), "call %d of %d, %s", k, whole, e.Call)
		require.Zero(t, fakedriver.Misuse())
	}
}

// The context that the caller has made current on its thread must still be current after a call.
func TestCallersContextIsKept(t *testing.T) {
	clean(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d := open(t, 0)
	require.NoError(t, useAll(d))
	require.Zero(t, fakedriver.Depth(), "none before, none after")
	theirs, err := cu.Device(1).RetainPrimaryCtx()
	require.NoError(t, err)
	require.NoError(t, cu.SetCurrentContext(theirs))
	require.NoError(t, useAll(d))
	_, err = d.Alloc(0)
	require.Error(t, err)
	require.Error(t, d.Free(1))
	require.NoError(t, d.Close())
	now, err := cu.CurrentContext()
	require.NoError(t, err)
	assert.Equal(t, theirs, now)
	require.NoError(t, cu.SetCurrentContext(cu.CUContext{}))
	require.NoError(t, cu.Device(1).ReleasePrimaryCtx())
}

func TestLaunch(t *testing.T) {
	clean(t)
	d := open(t, 0)
	echo := kernel(t, d, "echo")
	p, err := d.Alloc(40)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	args := []uint64{uint64(p), 2, 3, 4, 5}
	g := driver.Geometry{Grid: [3]uint32{70000, 2, 3}, Block: [3]uint32{4, 5, 6}, SharedBytes: 1024}
	for on, name := range map[driver.Stream]string{0: "default", s: "non-blocking"} {
		require.NoError(t, d.Launch(echo, g, on, args))
		assert.Equal(t, fakedriver.Launch{Kernel: "echo", Grid: g.Grid, Block: g.Block, Shared: 1024, Stream: name, Args: args}, fakedriver.LastLaunch())
	}
}

// TestArguments checks what is specific to this device; package devicetest tests the rest of the contract.
func TestArguments(t *testing.T) {
	clean(t)
	d := open(t, 0)
	var e *driver.Error
	for _, n := range []uint64{1 << 63, 1<<64 - 1} {
		_, err := d.Alloc(n)
		require.ErrorAs(t, err, &e)
		assert.Equal(t, driver.Error{Call: "cuMemAlloc", Code: 1, Name: "CUDA_ERROR_INVALID_VALUE", Detail: fmt.Sprintf("%d bytes", n)}, *e)
	}
	_, err := d.Load(devicetest.PTX + "\x00")
	require.ErrorAs(t, err, &e)
	assert.Equal(t, driver.CodeInvalidPTX, e.Code)
	assert.Contains(t, e.Detail, "zero byte")

	// Only the low half of the word for a 4-byte parameter is used.
	p, err := d.Alloc(40)
	require.NoError(t, err)
	const dirty = 0xffffffff00000000
	require.NoError(t, d.Launch(kernel(t, d, "echo"), driver.Linear(1, 1), 0, []uint64{uint64(p), dirty | 1, 2, dirty | 3, 4}))
	assert.Equal(t, []uint64{uint64(p), 1, 2, 3, 4}, fakedriver.LastLaunch().Args)
}

// Closing a stream must not do its work, so that a caller that relies on that fails: CUDA does it some time later.
func TestClosedStreamIsNotDone(t *testing.T) {
	clean(t)
	d := open(t, 0)
	p, err := d.Alloc(1)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, d.Zero(p, 1, s))
	require.NoError(t, d.CloseStream(s))
	x := []byte{0}
	require.NoError(t, d.CopyOut(x, p, 0)) // waits for the default stream only
	assert.NotZero(t, x[0])
}

// The calls of a training step must not allocate in Go.
func TestAllocs(t *testing.T) {
	clean(t)
	d := open(t, 0)
	echo := kernel(t, d, "echo")
	p, err := d.Alloc(64)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	args := []uint64{uint64(p), 2, 3, 4, 5}
	buf := make([]byte, 64)
	c := d.(driver.Capturer)
	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, d.Launch(echo, driver.Linear(1, 32), s, args))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	pinned := driver.PinnedOf(d)
	_, host, err := pinned.AllocPinned(64)
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"Launch":  func() error { return d.Launch(echo, driver.Linear(1, 32), s, args) },
		"Wait":    func() error { return d.Wait(s) },
		"CopyIn":  func() error { return d.CopyIn(p, buf, s) },
		"CopyOut": func() error { return d.CopyOut(buf, p, s) },
		"Copy":    func() error { return d.Copy(p, p+32, 32, s) },
		"Zero":    func() error { return d.Zero(p, 64, s) },
		"Record":  func() error { return d.Record(e, s) },
		"Graph":   func() error { return c.LaunchGraph(g, s) },
		"Await":   func() error { return pinned.Await(e) },

		"CopyInAsync":  func() error { return pinned.CopyInAsync(p, host+8, 56, s) },
		"CopyOutAsync": func() error { return pinned.CopyOutAsync(host, p, 64, s) },
	} {
		n := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		})
		assert.Zero(t, n, name)
	}
}
