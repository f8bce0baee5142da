package devicetest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// kernel loads PTX and returns the named kernel.
func kernel(t *testing.T, d driver.Device, name string) driver.Function {
	t.Helper()
	m, err := d.Load(PTX)
	require.NoError(t, err)
	f, err := d.Function(m, name)
	require.NoError(t, err)
	return f
}

func testLoad(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	_, err := d.Load(badPTX)
	e := requireCode(t, driver.CodeInvalidPTX, err)
	assert.Contains(t, e.Detail, "line 6", "the compiler's log")

	m, err := d.Load(PTX)
	require.NoError(t, err)
	other, err := d.Load(PTX)
	require.NoError(t, err)
	assert.NotEqual(t, m, other)
	f, err := d.Function(m, "shape")
	require.NoError(t, err)
	again, err := d.Function(m, "shape")
	require.NoError(t, err)
	assert.Equal(t, f, again)
	for _, name := range []string{"nosuch", "", "shape\x00"} {
		_, err = d.Function(m, name)
		e = requireCode(t, driver.CodeNotFound, err)
		if name == "nosuch" {
			assert.Contains(t, e.Error(), name)
		}
	}

	require.NoError(t, d.Unload(m))
	requireCode(t, driver.CodeInvalidHandle, d.Unload(m))
	requireCode(t, driver.CodeInvalidHandle, d.Unload(0))
	_, err = d.Function(m, "shape")
	requireCode(t, driver.CodeInvalidHandle, err)
	p := alloc(t, d, 64)
	requireCode(t, driver.CodeInvalidHandle, d.Launch(f, driver.Linear(1, 1), 0, []uint64{uint64(p)}))
	f, err = d.Function(other, "shape")
	require.NoError(t, err, "the other module is still there")
	require.NoError(t, d.Launch(f, driver.Linear(9, 1), 0, []uint64{uint64(p)}))
	require.NoError(t, d.Unload(other), "the kernel may not have run yet")
	out := make([]byte, 8)
	require.NoError(t, d.CopyOut(out, p, 0))
	assert.Equal(t, []uint64{9}, words(out))
}

func testLaunchArguments(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	kernels := map[string]driver.Function{"echo": kernel(t, d, "echo"), "block": kernel(t, d, "block")}
	p := alloc(t, d, 40)
	s, err := d.NewStream()
	require.NoError(t, err)
	for _, on := range []driver.Stream{0, s} {
		for _, a := range []float64{0, math.Copysign(0, -1), 1.5, math.Inf(-1), math.Pi, math.SmallestNonzeroFloat64} {
			want := []uint64{uint64(p), uint64(math.Float32bits(float32(a))), math.Float64bits(a), 0xfedcba98, 0xfedcba9876543210}
			for name, f := range kernels {
				require.NoError(t, d.Zero(p, 40, on))
				args := append([]uint64(nil), want...)
				require.NoError(t, d.Launch(f, driver.Linear(1, 1), on, args), name)
				clear(args) // Launch must have read them
				out := make([]byte, 40)
				require.NoError(t, d.CopyOut(out, p, on))
				require.Equal(t, want, words(out), name)
			}
		}
	}
}

func testLaunchGeometry(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	shape := kernel(t, d, "shape")
	p := alloc(t, d, 56)
	for _, g := range []driver.Geometry{
		driver.Linear(1, 1),
		driver.Linear(70000, 1), // more blocks than the limit for y and z
		driver.Linear(3, 1024),
		{Grid: [3]uint32{2, 3, 4}, Block: [3]uint32{5, 6, 7}, SharedBytes: 48 << 10},
	} {
		require.NoError(t, d.Launch(shape, g, 0, []uint64{uint64(p)}))
		out := make([]byte, 56)
		require.NoError(t, d.CopyOut(out, p, 0))
		want := []uint64{0, 0, 0, 0, 0, 0, uint64(g.SharedBytes)}
		for i := range 3 {
			want[i], want[3+i] = uint64(g.Grid[i]), uint64(g.Block[i])
		}
		require.Equal(t, want, words(out))
	}
}

func testLaunchErrors(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	shape := kernel(t, d, "shape")
	p := alloc(t, d, 56)
	args := []uint64{uint64(p)}
	requireCode(t, driver.CodeInvalidHandle, d.Launch(0, driver.Linear(1, 1), 0, args))
	requireCode(t, driver.CodeInvalidHandle, d.Launch(shape+1000, driver.Linear(1, 1), 0, args))
	for _, g := range []driver.Geometry{{}, driver.Linear(0, 32), driver.Linear(1, 0), driver.Linear(1, 1025), {Grid: [3]uint32{1, 0, 1}, Block: [3]uint32{1, 1, 1}}} {
		requireCode(t, driver.CodeInvalidValue, d.Launch(shape, g, 0, args))
	}
	for _, bad := range [][]uint64{nil, {uint64(p), 1}, make([]uint64, 1000)} {
		e := requireCode(t, driver.CodeInvalidValue, d.Launch(shape, driver.Linear(1, 1), 0, bad))
		assert.Contains(t, e.Error(), "shape")
	}
	block := kernel(t, d, "block")
	for _, n := range []int{0, 1, 4, 6} { // words of a struct that has 5
		e := requireCode(t, driver.CodeInvalidValue, d.Launch(block, driver.Linear(1, 1), 0, make([]uint64, n)))
		assert.Contains(t, e.Error(), "block")
	}
	require.NoError(t, d.Launch(shape, driver.Linear(1, 1), 0, args), "an error of an argument leaves the device usable")
	require.NoError(t, d.Wait(0))
}

// testLaunchRecord checks that driver.LaunchRecord is Launch followed by Record, and that neither's failure prevents the other.
func testLaunchRecord(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	echo := kernel(t, d, "echo")
	p := alloc(t, d, 40)
	s, err := d.NewStream()
	require.NoError(t, err)
	other, err := d.NewStream()
	require.NoError(t, err)
	event := func() driver.Event {
		e, err := d.NewEvent()
		require.NoError(t, err)
		return e
	}
	want := []uint64{uint64(p), 2, 3, 4, 5}
	written := func(on driver.Stream) {
		out := make([]byte, 40)
		require.NoError(t, d.CopyOut(out, p, on))
		require.Equal(t, want, words(out))
	}
	one, e := driver.Linear(1, 1), event()
	for _, on := range []driver.Stream{0, s} {
		require.NoError(t, d.Zero(p, 40, on))
		args := append([]uint64(nil), want...)
		launched, recorded := driver.LaunchRecord(d, echo, one, on, args, e)
		require.NoError(t, launched)
		require.NoError(t, recorded)
		clear(args) // LaunchRecord must have read them
		require.NoError(t, d.WaitEvent(e, other))
		written(other)
	}

	e = event()
	launched, recorded := driver.LaunchRecord(d, echo, one, s, want[1:], e)
	assert.Contains(t, requireCode(t, driver.CodeInvalidValue, launched).Error(), "echo")
	require.NoError(t, recorded)
	_, err = d.Elapsed(e, e)
	require.NoError(t, err, "it has been recorded")

	require.NoError(t, d.CloseEvent(e))
	require.NoError(t, d.Zero(p, 40, s))
	launched, recorded = driver.LaunchRecord(d, echo, one, s, want, e)
	require.NoError(t, launched)
	assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, recorded).Error(), "event")
	written(s)

	e = event()
	require.NoError(t, d.CloseStream(s))
	launched, recorded = driver.LaunchRecord(d, echo, one, s, want, e)
	for _, err := range []error{launched, recorded} {
		assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, err).Error(), "stream")
	}
	require.NoError(t, d.Close())
	launched, recorded = driver.LaunchRecord(d, echo, one, other, want, e)
	requireCode(t, driver.CodeInvalidContext, launched)
	requireCode(t, driver.CodeInvalidContext, recorded)
}

// Fault tests a fault in a kernel: the call that waits for the kernel reports it, and the device is unusable until it is closed. If
// recovers is set, a device opened afterwards works. (After some faults CUDA requires a new process, so there Fault must run last.)
func Fault(t *testing.T, open func() (driver.Device, error), recovers bool) {
	fresh := opener(open)
	d := fresh(t)
	fault := kernel(t, d, "fault")
	s, err := d.NewStream()
	require.NoError(t, err)
	require.NoError(t, d.Launch(fault, driver.Linear(1, 1), s, nil), "Launch does not wait for the kernel")
	requireCode(t, driver.CodeIllegalAddress, d.Wait(s))
	requireCode(t, driver.CodeIllegalAddress, d.Wait(0))
	if err := d.Close(); err != nil { // it may report the fault again
		requireCode(t, driver.CodeIllegalAddress, err)
	}
	require.NoError(t, d.Close())
	if !recovers {
		return
	}

	d = fresh(t)
	require.NoError(t, d.Launch(kernel(t, d, "fault"), driver.Linear(1, 1), 0, nil))
	requireCode(t, driver.CodeIllegalAddress, d.Close()) // Close waits too

	d = fresh(t)
	p := alloc(t, d, 56)
	require.NoError(t, d.Launch(kernel(t, d, "shape"), driver.Linear(1, 1), 0, []uint64{uint64(p)}))
	require.NoError(t, d.Wait(0))
}
