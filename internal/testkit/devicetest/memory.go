package devicetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

func testCopies(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	for _, n := range []int{1, 3, 8, 255, 4096, 1<<20 + 1} {
		const guard = 64
		p := alloc(t, d, uint64(n+2*guard))
		whole := pattern(n+2*guard, 7)
		require.NoError(t, d.CopyIn(p, whole, 0))
		want := pattern(n, 9)
		src := pattern(n, 9)
		require.NoError(t, d.CopyIn(p+guard, src, 0))
		clear(src) // src may be changed once CopyIn has returned
		got := make([]byte, n+2*guard)
		require.NoError(t, d.CopyOut(got, p, 0))
		copy(whole[guard:], want)
		require.Equalf(t, whole, got, "%d bytes", n)

		q := alloc(t, d, uint64(n))
		require.NoError(t, d.Copy(q, p+guard, uint64(n), 0))
		got = make([]byte, n)
		require.NoError(t, d.CopyOut(got, q, 0))
		require.Equalf(t, want, got, "%d bytes", n)

		require.NoError(t, d.Zero(p+guard, uint64(n), 0))
		got = make([]byte, n+2*guard)
		require.NoError(t, d.CopyOut(got, p, 0))
		clear(whole[guard : guard+n])
		require.Equalf(t, whole, got, "%d bytes", n)
	}
	p := alloc(t, d, 8)
	require.NoError(t, d.CopyIn(p, nil, 0), "nothing to copy")
	require.NoError(t, d.CopyOut(nil, p, 0))
	require.NoError(t, d.Copy(p, p, 0, 0))
	require.NoError(t, d.Zero(p, 0, 0))
}

// In testOrder each step depends on the one before it, and only the last one waits.
func testOrder(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	const n = 1 << 20
	p, q := alloc(t, d, n), alloc(t, d, n)
	s, err := d.NewStream()
	require.NoError(t, err)
	for _, on := range []driver.Stream{0, s} {
		require.NoError(t, d.Zero(p, n, on))
		require.NoError(t, d.CopyIn(p+n/2, pattern(n/2, 3), on))
		require.NoError(t, d.Copy(q, p, n, on))
		require.NoError(t, d.Zero(p, n, on))
		got := make([]byte, n)
		require.NoError(t, d.CopyOut(got, q, on))
		require.Equal(t, append(make([]byte, n/2), pattern(n/2, 3)...), got)
		require.NoError(t, d.CopyOut(got, p, on))
		require.Equal(t, make([]byte, n), got)
	}
}

// testCopyField copies a field of a struct whose other fields hold Go pointers, which cgo's pointer checks must not reject.
func testCopyField(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	v := &struct {
		next *int
		data [64]byte
		last []string
	}{next: new(int), last: []string{"x"}}
	copy(v.data[:], pattern(64, 5))
	p := alloc(t, d, 64)
	require.NoError(t, d.CopyIn(p, v.data[:], 0))
	clear(v.data[:])
	require.NoError(t, d.CopyOut(v.data[:], p, 0))
	assert.Equal(t, pattern(64, 5), v.data[:])
}

func testCopyErrors(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := alloc(t, d, 64)
	out := pattern(64, 1)
	requireCode(t, driver.CodeInvalidValue, d.CopyIn(0, out, 0))
	requireCode(t, driver.CodeInvalidValue, d.CopyOut(out, 0, 0))
	requireCode(t, driver.CodeInvalidValue, d.Copy(0, p, 64, 0))
	requireCode(t, driver.CodeInvalidValue, d.Copy(p, 0, 64, 0))
	requireCode(t, driver.CodeInvalidValue, d.Zero(0, 64, 0))
	requireCode(t, driver.CodeInvalidValue, d.Copy(p, p, 1<<63, 0))
	requireCode(t, driver.CodeInvalidValue, d.Zero(p, 1<<63, 0))
	assert.Equal(t, pattern(64, 1), out, "outputs are untouched")
	require.NoError(t, d.CopyIn(p, out, 0), "an error of an argument leaves the device usable")
}
