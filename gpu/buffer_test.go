package gpu

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

// everyType runs a test of buffers of each element type, with seven numbers.
func everyType(t *testing.T, d *Device) {
	ofType(t, d, []float32{1, float32(math.Copysign(0, -1)), float32(math.Inf(1)), 1e-45, 3, 4, 5})
	ofType(t, d, []float64{1, math.Copysign(0, -1), math.Inf(-1), 5e-324, 3, 4, 5})
	ofType(t, d, []smoothl1.F16{0x3c00, 0x8000, 0x7e01, 1, 0x7bff, 0xfc00, 0xffff})
	ofType(t, d, []smoothl1.BF16{0x3f80, 0x8000, 0x7fc1, 1, 0x7f7f, 0xff80, 0xffff})
	ofType(t, d, []uint8{0, 1, 2, 127, 128, 254, 255})
	ofType(t, d, []int32{0, 1, -1, math.MaxInt32, math.MinInt32, 0x01020304, 5})
}

// ofType moves x through buffers in every way.
func ofType[T smoothl1.Element](t *testing.T, d *Device, x []T) {
	name := fmt.Sprintf("%s of %v", d.Backend(), smoothl1.DTypeOf[T]())
	contents := func(b *Buffer[T]) []T {
		got := make([]T, b.Len())
		require.NoError(t, b.Download(got), name)
		return got
	}
	b, err := Upload(d, x)
	require.NoError(t, err, name)
	assert.Equal(t, fmt.Sprintf("%v[7]", smoothl1.DTypeOf[T]()), b.String())
	assert.Equal(t, x, contents(b), name)

	other, err := Alloc[T](d, len(x))
	require.NoError(t, err)
	require.NoError(t, other.CopyFrom(b))
	assert.Equal(t, x, contents(other), name)

	middle, err := other.Slice(1, 6)
	require.NoError(t, err)
	inner, err := middle.Slice(2, 4)
	require.NoError(t, err)
	assert.Equal(t, x[3:5], contents(inner), name)
	require.NoError(t, inner.Set(x[:2]))
	assert.Equal(t, []T{x[0], x[1], x[2], x[0], x[1], x[5], x[6]}, contents(other), name)
	assert.Equal(t, x, contents(b), "%s: a copy", name)
	refused(t, middle.CopyFrom(middle), smoothl1.ErrOverlap, "CopyFrom", "src", "in the memory of the buffer")
	refused(t, middle.Set(x), smoothl1.ErrLength, "Set", "len(x)", 7)

	none, err := Alloc[T](d, 0)
	require.NoError(t, err)
	assert.Empty(t, contents(none))
	require.NoError(t, b.Close())
	refused(t, b.Set(x), smoothl1.ErrClosed, "Set", "buffer", b)
	refused(t, other.CopyFrom(b), smoothl1.ErrClosed, "CopyFrom", "src", b)
	refused(t, other.CopyFrom(nil), smoothl1.ErrNil, "CopyFrom", "src", "nil")
	refused(t, other.CopyFrom(&Buffer[T]{}), smoothl1.ErrZero, "CopyFrom", "src", "Buffer{}")
	require.NoError(t, other.Close())
	refused(t, inner.Set(x[:2]), smoothl1.ErrClosed, "Set", "buffer", inner)
}

func TestBuffersOfEveryType(t *testing.T) {
	everyType(t, openCPUFor(t))
	d, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer d.Close()
	everyType(t, d)
}

func TestWrapOfEveryType(t *testing.T) {
	d, _ := openStub(t)
	wrapped[float32](t, d, 4)
	wrapped[float64](t, d, 8)
	wrapped[smoothl1.F16](t, d, 2)
	wrapped[smoothl1.BF16](t, d, 2)
	wrapped[uint8](t, d, 1)
	wrapped[int32](t, d, 4)
}

// wrapped wraps memory at aligned and other addresses, and a host slice.
func wrapped[T smoothl1.Element](t *testing.T, d *Device, size uint64) {
	owner, err := Alloc[uint8](d, 100)
	require.NoError(t, err)
	for shift := range uint64(9) {
		at := uint64(owner.ptr) + shift
		b, err := Wrap[T](d, at, 3)
		if shift%size != 0 {
			require.EqualError(t, err, fmt.Sprintf("smoothl1: Wrap: ptr = %#x: not a valid handle or address: not aligned to %d bytes", at, size))
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, int(3*size), b.bytes())
		x := make([]T, 3)
		x[2] = 1
		require.NoError(t, b.Set(x))
		require.NoError(t, b.Close())
		raw := make([]byte, 100)
		require.NoError(t, owner.Download(raw))
		assert.Equal(t, rawBytes(x), raw[shift:shift+3*size])
	}
	_, err = Wrap[T](d, uint64(math.MaxUint64)-2*size+1, 3)
	refused(t, err, smoothl1.ErrTooLarge, "Wrap", "n", 3)
	_, err = Alloc[T](d, -1)
	refused(t, err, smoothl1.ErrLength, "Alloc", "n", -1)
	if size > 1 {
		_, err = Alloc[T](d, math.MaxInt/int(size)+1)
		refused(t, err, smoothl1.ErrTooLarge, "Alloc", "n", math.MaxInt/int(size)+1)
	}

	here := openCPUFor(t)
	x := make([]T, 3)
	b, err := WrapHost(here, x)
	require.NoError(t, err)
	require.NoError(t, b.Set([]T{1, 2, 3}))
	assert.Equal(t, []T{1, 2, 3}, x, "no copy")
	_, err = WrapHost(d, x)
	require.ErrorIs(t, err, smoothl1.ErrDevice)
}
