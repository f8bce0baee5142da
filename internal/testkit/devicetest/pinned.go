package devicetest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// pinnedOf returns the page-locked memory of a device that must have it.
func pinnedOf(t *testing.T, d driver.Device) driver.Pinned {
	t.Helper()
	p := driver.PinnedOf(d)
	require.NotNil(t, p, "no page-locked memory")
	return p
}

func testPinned(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := pinnedOf(t, d)
	seen := map[driver.Ptr]bool{}
	for _, n := range []uint64{1, 7, 8, 255, 4097, 1 << 20} {
		host, at, err := p.AllocPinned(n)
		require.NoError(t, err)
		require.Len(t, host, int(n))
		copy(host, pattern(int(n), 1))
		require.Equal(t, pattern(int(n), 1), host)
		require.NotZero(t, at)
		require.Zero(t, at%256)
		require.False(t, seen[at])
		seen[at] = true
		requireCode(t, driver.CodeInvalidValue, d.Free(at))
		requireCode(t, driver.CodeInvalidValue, p.FreePinned(at+1))
	}
	for at := range seen {
		require.NoError(t, p.FreePinned(at))
	}
	for at := range seen {
		assert.Contains(t, requireCode(t, driver.CodeInvalidValue, p.FreePinned(at)).Error(), "0x")
	}
	requireCode(t, driver.CodeInvalidValue, p.FreePinned(0))
	requireCode(t, driver.CodeInvalidValue, p.FreePinned(alloc(t, d, 64)))
	_, _, err := p.AllocPinned(0)
	requireCode(t, driver.CodeInvalidValue, err)
	for _, n := range []uint64{1 << 62, 1 << 63, 1<<64 - 1} {
		_, _, err := p.AllocPinned(n)
		require.Error(t, err)
	}
	host, at, err := p.AllocPinned(64) // left for Close
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_ = host
	_, _, err = p.AllocPinned(64)
	requireCode(t, driver.CodeInvalidContext, err)
	requireCode(t, driver.CodeInvalidContext, p.FreePinned(at))
	requireCode(t, driver.CodeInvalidContext, p.CopyInAsync(at, at, 8, 0))
	requireCode(t, driver.CodeInvalidContext, p.CopyOutAsync(at, at, 8, 0))
	requireCode(t, driver.CodeInvalidContext, p.Await(1))
}

// testAsyncCopies moves bytes through a stream without waiting in between. Whoever waits for the event sees them.
func testAsyncCopies(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := pinnedOf(t, d)
	s, err := d.NewStream()
	require.NoError(t, err)
	done, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, p.Await(done), "never recorded")
	const n, off = 10000, 123
	host, at, err := p.AllocPinned(2*n + off)
	require.NoError(t, err)
	first, second := alloc(t, d, n), alloc(t, d, n)
	for round := range 10 {
		want := pattern(n, byte(round))
		copy(host[off:], want)
		clear(host[off+n:])
		require.NoError(t, p.CopyInAsync(first, at+off, n, s))
		require.NoError(t, d.Copy(second, first, n, s))
		require.NoError(t, p.CopyOutAsync(at+off+n, second, n, s))
		require.NoError(t, d.Record(done, s))
		require.NoError(t, p.Await(done))
		require.Equal(t, want, host[off+n:])
	}
	// Page-locked memory is a slice as any other for the copies that wait.
	require.NoError(t, d.CopyOut(host[:n], second, s))
	require.Equal(t, pattern(n, 9), host[:n])
	require.NoError(t, d.CopyIn(first, host[1:100], s))
	require.NoError(t, d.CopyOut(host[200:299], first, s))
	require.Equal(t, host[1:100], host[200:299])
	require.NoError(t, p.CopyInAsync(first, at, 0, s), "nothing to copy")
	require.NoError(t, p.CopyOutAsync(at, first, 0, s))

	for _, async := range []func(device, pinned driver.Ptr, bytes uint64, on driver.Stream) error{
		p.CopyInAsync,
		func(device, pinned driver.Ptr, bytes uint64, on driver.Stream) error {
			return p.CopyOutAsync(pinned, device, bytes, on)
		},
	} {
		requireCode(t, driver.CodeInvalidValue, async(first, at+2*n+off-7, 8, s)) // beyond the end
		requireCode(t, driver.CodeInvalidValue, async(first, at+2*n+off+1, 8, s))
		requireCode(t, driver.CodeInvalidValue, async(first, at, 1<<63, s))
		requireCode(t, driver.CodeInvalidValue, async(first, second, 8, s)) // not page-locked
		requireCode(t, driver.CodeInvalidValue, async(0, at, 8, s))
		requireCode(t, driver.CodeInvalidValue, async(first+n-7, at, 8, s))
		requireCode(t, driver.CodeInvalidHandle, async(first, at, 8, s+1000))
	}
	require.NoError(t, p.CopyInAsync(first, at, 8, s))
	require.NoError(t, d.Launch(kernel(t, d, "echo"), driver.Linear(1, 1), s, []uint64{uint64(at), 1, 2, 3, 4}))
	require.NoError(t, p.FreePinned(at), "after the work that uses it")
	require.NoError(t, d.Wait(s))
	require.NoError(t, d.CloseEvent(done))
	assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, p.Await(done)).Error(), "event")
	requireCode(t, driver.CodeInvalidHandle, p.Await(0))
}

// testKernelWritesPinned lets kernels write to page-locked memory, which the host reads after the event.
func testKernelWritesPinned(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := pinnedOf(t, d)
	echo := kernel(t, d, "echo")
	s, err := d.NewStream()
	require.NoError(t, err)
	done, err := d.NewEvent()
	require.NoError(t, err)
	host, at, err := p.AllocPinned(80)
	require.NoError(t, err)
	for i := range uint64(10) {
		clear(host)
		args := []uint64{uint64(at) + 40, i, 2, 3, 4}
		require.NoError(t, d.Launch(echo, driver.Linear(1, 1), s, args))
		require.NoError(t, d.Record(done, s))
		require.NoError(t, p.Await(done))
		require.Equal(t, append(make([]uint64, 5), args...), words(host))
	}
}

// testPinnedParallel uses page-locked memory from many goroutines.
func testPinnedParallel(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	p := pinnedOf(t, d)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			s, err := d.NewStream()
			assert.NoError(t, err)
			e, err := d.NewEvent()
			assert.NoError(t, err)
			q, err := d.Alloc(1000)
			assert.NoError(t, err)
			for i := range 10 {
				host, at, err := p.AllocPinned(2000)
				if !assert.NoError(t, err) {
					return
				}
				copy(host, pattern(1000, byte(16*i+g)))
				assert.NoError(t, p.CopyInAsync(q, at, 1000, s))
				assert.NoError(t, p.CopyOutAsync(at+1000, q, 1000, s))
				assert.NoError(t, d.Record(e, s))
				assert.NoError(t, p.Await(e))
				assert.Equal(t, pattern(1000, byte(16*i+g)), host[1000:])
				assert.NoError(t, p.FreePinned(at))
			}
		})
	}
	all.Wait()
}

func testMemoryInfo(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	m, ok := d.(driver.MemoryReporter)
	require.True(t, ok)
	free, total, err := m.MemoryInfo()
	require.NoError(t, err)
	assert.Positive(t, free)
	assert.LessOrEqual(t, free, total)
	assert.LessOrEqual(t, total, d.Info().MemoryBytes)
	p := alloc(t, d, 64<<20)
	less, _, err := m.MemoryInfo()
	require.NoError(t, err)
	assert.Less(t, less, free)
	require.NoError(t, d.Free(p))
	require.NoError(t, d.Close())
	_, _, err = m.MemoryInfo()
	requireCode(t, driver.CodeInvalidContext, err)
}
