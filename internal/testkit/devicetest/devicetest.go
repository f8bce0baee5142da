// Package devicetest tests the contract of driver.Device, for every implementation. It launches kernels of its own (PTX).
package devicetest

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// Run runs all tests but Fault, each on a new device returned by open.
func Run(t *testing.T, open func() (driver.Device, error)) {
	fresh := opener(open)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, fresh func(*testing.T) driver.Device)
	}{
		{"Info", testInfo},
		{"Alloc", testAlloc},
		{"Copies", testCopies},
		{"CopiesAreOrdered", testOrder},
		{"CopyFieldOfStruct", testCopyField},
		{"CopyErrors", testCopyErrors},
		{"Streams", testStreams},
		{"FreeIsOrdered", testFreeIsOrdered},
		{"Events", testEvents},
		{"WaitEvent", testWaitEvent},
		{"Capture", testCapture},
		{"CaptureRefuses", testCaptureRefuses},
		{"CaptureEvents", testCaptureEvents},
		{"CaptureHandles", testCaptureHandles},
		{"GraphOrder", testGraphOrder},
		{"CloseDuringCapture", testCloseDuringCapture},
		{"Load", testLoad},
		{"LaunchArguments", testLaunchArguments},
		{"LaunchGeometry", testLaunchGeometry},
		{"LaunchErrors", testLaunchErrors},
		{"LaunchRecord", testLaunchRecord},
		{"Pinned", testPinned},
		{"AsyncCopies", testAsyncCopies},
		{"KernelWritesPinned", testKernelWritesPinned},
		{"PinnedParallel", testPinnedParallel},
		{"MemoryInfo", testMemoryInfo},
		{"Parallel", testParallel},
		{"OtherDevice", testOtherDevice},
		{"CloseWhileBusy", testCloseWhileBusy},
		{"UseAfterClose", testUseAfterClose},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh) })
	}
}

// opener wraps open to fail the test on an error, and to close the device after the test.
func opener(open func() (driver.Device, error)) func(*testing.T) driver.Device {
	return func(t *testing.T) driver.Device {
		t.Helper()
		d, err := open()
		require.NoError(t, err)
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
}

// requireCode requires err to be an error of the driver with the given code, and returns it.
func requireCode(t *testing.T, code int, err error) *driver.Error {
	t.Helper()
	var e *driver.Error
	require.ErrorAs(t, err, &e)
	require.Equalf(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Call)
	require.NotEmpty(t, e.Name)
	return e
}

func alloc(t *testing.T, d driver.Device, bytes uint64) driver.Ptr {
	t.Helper()
	p, err := d.Alloc(bytes)
	require.NoError(t, err)
	return p
}

// pattern returns n bytes whose period is not a power of two.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i%251) ^ byte(i/251) ^ seed
	}
	return b
}

func words(b []byte) []uint64 {
	w := make([]uint64, len(b)/8)
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return w
}

func testInfo(t *testing.T, fresh func(*testing.T) driver.Device) {
	i := fresh(t).Info()
	assert.NotEmpty(t, i.Backend)
	assert.NotEmpty(t, i.Name)
	assert.GreaterOrEqual(t, i.Ordinal, 0)
	assert.GreaterOrEqual(t, i.Major, 3)
	assert.Positive(t, i.Multiprocessors)
	assert.Positive(t, i.MemoryBytes)
}

func testAlloc(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	seen := map[driver.Ptr]bool{}
	for _, n := range []uint64{1, 2, 255, 256, 257, 1 << 20} {
		p := alloc(t, d, n)
		assert.NotZero(t, p)
		assert.Zerof(t, p%256, "%d bytes at 0x%x", n, p)
		assert.False(t, seen[p])
		seen[p] = true
	}
	for p := range seen {
		assert.NoError(t, d.Free(p))
	}
	for p := range seen {
		assert.Contains(t, requireCode(t, driver.CodeInvalidValue, d.Free(p)).Error(), "0x")
	}
	requireCode(t, driver.CodeInvalidValue, d.Free(0))
	_, err := d.Alloc(0)
	requireCode(t, driver.CodeInvalidValue, err)
	_, err = d.Alloc(d.Info().MemoryBytes + 1<<40)
	requireCode(t, driver.CodeOutOfMemory, err)
	for _, n := range []uint64{1 << 63, 1<<64 - 1} {
		_, err := d.Alloc(n)
		require.Error(t, err)
	}
}

func testUseAfterClose(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := alloc(t, d, 64)
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	m, err := d.Load(PTX)
	require.NoError(t, err)
	f, err := d.Function(m, "shape")
	require.NoError(t, err)
	name := d.Info().Name
	require.NoError(t, d.Close())
	require.NoError(t, d.Close(), "the second Close does nothing")
	assert.Equal(t, name, d.Info().Name)

	out := pattern(64, 1)
	_, e1 := d.Alloc(64)
	_, e2 := d.NewStream()
	_, e3 := d.NewEvent()
	_, e4 := d.Elapsed(e, e)
	_, e5 := d.Load(PTX)
	_, e6 := d.Function(m, "shape")
	for i, err := range []error{e1, e2, e3, e4, e5, e6,
		d.Free(p), d.CopyIn(p, make([]byte, 8), 0), d.CopyOut(out, p, 0), d.Copy(p, p+8, 8, s), d.Zero(p, 8, s),
		d.CloseStream(s), d.Wait(0), d.Wait(s), d.CloseEvent(e), d.Record(e, s), d.WaitEvent(e, s), d.Unload(m),
		d.Launch(f, driver.Linear(1, 1), s, []uint64{uint64(p)}),
	} {
		require.Errorf(t, err, "call %d", i)
		assert.Containsf(t, requireCode(t, driver.CodeInvalidContext, err).Error(), "closed", "call %d", i)
	}
	assert.Equal(t, pattern(64, 1), out, "outputs are untouched")
}
