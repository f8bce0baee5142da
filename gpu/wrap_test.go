package gpu

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

func TestWrapIsRefused(t *testing.T) {
	d, _ := openStub(t)
	_, err := Wrap[float32](d, uintptr(0), 1)
	refused(t, err, smoothl1.ErrNil, "Wrap", "ptr", "0")
	_, err = Wrap[float64](d, uintptr(0x1004), 1)
	require.EqualError(t, err, "smoothl1: Wrap: ptr = 0x1004: not a valid handle or address: not aligned to 8 bytes")
	_, err = Wrap[float32](d, uint64(math.MaxUint64-7), 2)
	refused(t, err, smoothl1.ErrTooLarge, "Wrap", "n", 2)
	_, err = WrapHost(d, []float32{1})
	require.ErrorIs(t, err, smoothl1.ErrDevice)
	_, err = d.WrapStream(2)
	refused(t, err, smoothl1.ErrHandle, "WrapStream", "handle", 2)
	require.ErrorContains(t, err, "CU_STREAM_PER_THREAD")
	for _, handle := range []uintptr{0, 1, 3} {
		s, err := d.WrapStream(handle)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}

	c, err := Open(CPU())
	require.NoError(t, err)
	defer c.Close()
	_, err = Wrap[float32](c, uintptr(0x1000), 1)
	require.ErrorIs(t, err, smoothl1.ErrDevice)
	_, err = c.WrapStream(1)
	require.ErrorIs(t, err, smoothl1.ErrDevice)
}

func TestAccess(t *testing.T) {
	d, s := openStub(t)
	b, err := Alloc[float32](d, 8)
	require.NoError(t, err)
	part, err := b.Slice(2, 8)
	require.NoError(t, err)
	broken := errors.New("broken")
	var at uintptr
	require.ErrorIs(t, part.Access(func(address uintptr) error { at = address; return broken }), broken)
	require.EqualValues(t, b.ptr+8, at)

	called := func(uintptr) error { t.Error("f was called"); return nil }
	s.failing("Wait", driver.CodeLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED")
	require.ErrorContains(t, b.Access(called), "LAUNCH_FAILED")
	s.faults.Mend()
	refused(t, b.Access(nil), smoothl1.ErrNil, "Access", "f", "nil")
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Access(called), smoothl1.ErrClosed)
	require.ErrorIs(t, part.Access(called), smoothl1.ErrClosed)
	require.ErrorIs(t, new(Buffer[float32]).Access(called), smoothl1.ErrZero)

	c, err := Open(CPU())
	require.NoError(t, err)
	defer c.Close()
	host, err := Upload(c, []float32{1})
	require.NoError(t, err)
	require.ErrorIs(t, host.Access(called), smoothl1.ErrDevice)
}
