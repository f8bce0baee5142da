package gpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
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
