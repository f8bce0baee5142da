package devicetest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

func testStreams(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	require.NoError(t, d.Wait(0))
	s, err := d.NewStream()
	require.NoError(t, err)
	other, err := d.NewStream()
	require.NoError(t, err)
	assert.NotZero(t, s)
	assert.NotEqual(t, s, other)
	p := alloc(t, d, 64)
	require.NoError(t, d.Zero(p, 64, s))
	require.NoError(t, d.Wait(s))
	require.NoError(t, d.CloseStream(s))

	out := pattern(64, 1)
	requireCode(t, driver.CodeInvalidHandle, d.CloseStream(0))
	for _, gone := range []driver.Stream{s, other + 1000} {
		for _, err := range []error{d.CloseStream(gone), d.Wait(gone), d.Zero(p, 8, gone), d.Copy(p, p+8, 8, gone),
			d.CopyIn(p, out, gone), d.CopyOut(out, p, gone), d.CopyOut(nil, p, gone)} {
			assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, err).Error(), "stream")
		}
	}
	assert.Equal(t, pattern(64, 1), out, "outputs are untouched")
	require.NoError(t, d.Wait(other))

	// CloseStream neither waits for queued work nor discards it.
	require.NoError(t, d.CopyIn(p, pattern(64, 2), 0))
	require.NoError(t, d.Wait(0))
	require.NoError(t, d.Zero(p, 64, other))
	done, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, d.Record(done, other))
	require.NoError(t, d.CloseStream(other))
	_, err = d.Elapsed(done, done) // waits for it
	require.NoError(t, err)
	require.NoError(t, d.CopyOut(out, p, 0))
	assert.Equal(t, make([]byte, 64), out)
}

// testFreeIsOrdered checks that memory is freed after the work queued before.
func testFreeIsOrdered(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	echo := kernel(t, d, "echo")
	s, err := d.NewStream()
	require.NoError(t, err)
	for _, on := range []driver.Stream{0, s} {
		p, q := alloc(t, d, 1<<20), alloc(t, d, 1<<20)
		require.NoError(t, d.Zero(p, 1<<20, on))
		require.NoError(t, d.Copy(q, p, 1<<20, on))
		require.NoError(t, d.Launch(echo, driver.Linear(1, 1), on, []uint64{uint64(p), 1, 2, 3, 4}))
		require.NoError(t, d.Free(p))
		require.NoError(t, d.Free(q))
		require.NoError(t, d.Wait(on))
	}
}

func testEvents(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	s, err := d.NewStream()
	require.NoError(t, err)
	a, err := d.NewEvent()
	require.NoError(t, err)
	b, err := d.NewEvent()
	require.NoError(t, err)
	assert.NotZero(t, a)
	assert.NotEqual(t, a, b)
	_, err = d.Elapsed(a, b)
	requireCode(t, driver.CodeInvalidHandle, err) // never recorded

	p := alloc(t, d, 1<<24)
	require.NoError(t, d.Record(a, s))
	for range 20 {
		require.NoError(t, d.Zero(p, 1<<24, s))
	}
	require.NoError(t, d.Record(b, s))
	ms, err := d.Elapsed(a, b)
	require.NoError(t, err)
	assert.Positive(t, ms)
	assert.Less(t, ms, float32(10e3))
	same, err := d.Elapsed(a, a)
	require.NoError(t, err)
	assert.Zero(t, same)

	requireCode(t, driver.CodeInvalidHandle, d.Record(0, s))
	requireCode(t, driver.CodeInvalidHandle, d.Record(a, s+1000))
	require.NoError(t, d.CloseEvent(b))
	for _, err := range []error{d.CloseEvent(b), d.CloseEvent(0), d.Record(b, s)} {
		assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, err).Error(), "event")
	}
	_, err = d.Elapsed(a, b)
	requireCode(t, driver.CodeInvalidHandle, err)
	_, err = d.Elapsed(b, a)
	requireCode(t, driver.CodeInvalidHandle, err)
}

// testWaitEvent copies bytes from place to place on different streams, each copy waiting for the event of the one before.
func testWaitEvent(t *testing.T, fresh func(*testing.T) driver.Device) {
	const n, links = 1 << 16, 8
	d := fresh(t)
	streams := []driver.Stream{0, 1} // the default stream by both of its names
	for range 3 {
		s, err := d.NewStream()
		require.NoError(t, err)
		streams = append(streams, s)
	}
	e, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, d.WaitEvent(e, streams[2]), "never recorded")
	p := alloc(t, d, n*(links+1))
	for round := range 20 {
		first := pattern(n, byte(round))
		require.NoError(t, d.CopyIn(p, first, streams[2]))
		require.NoError(t, d.Record(e, streams[2]))
		var last driver.Stream
		for link := range links {
			last = streams[(link+round)%len(streams)]
			require.NoError(t, d.WaitEvent(e, last))
			from := p + driver.Ptr(link*n)
			require.NoError(t, d.Copy(from+n, from, n, last))
			require.NoError(t, d.Record(e, last)) // earlier waits are not affected
		}
		out := make([]byte, n)
		require.NoError(t, d.CopyOut(out, p+n*links, last))
		require.Equal(t, first, out, "round %d", round)
	}

	// The work of a stream closed meanwhile is waited for too.
	gone := streams[len(streams)-1]
	require.NoError(t, d.Zero(p, n, gone))
	require.NoError(t, d.Record(e, gone))
	require.NoError(t, d.CloseStream(gone))
	require.NoError(t, d.WaitEvent(e, 0))
	out := pattern(n, 1)
	require.NoError(t, d.CopyOut(out, p, 0))
	assert.Equal(t, make([]byte, n), out)

	for _, err := range []error{d.WaitEvent(0, 0), d.WaitEvent(e+1000, 0), d.WaitEvent(e, gone), d.WaitEvent(e, streams[2]+1000)} {
		requireCode(t, driver.CodeInvalidHandle, err)
	}
}

// testParallel runs 64 goroutines, each with its own objects but all with one module.
func testParallel(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	m, err := d.Load(PTX)
	require.NoError(t, err)
	var all sync.WaitGroup
	for g := range 64 {
		all.Go(func() {
			s, err := d.NewStream()
			if !assert.NoError(t, err) {
				return
			}
			echo, err := d.Function(m, "echo")
			assert.NoError(t, err)
			p, err := d.Alloc(40)
			assert.NoError(t, err)
			out := make([]byte, 40)
			for i := range 20 {
				want := []uint64{uint64(p), uint64(g), uint64(i), 3, 4}
				assert.NoError(t, d.Zero(p, 40, s))
				assert.NoError(t, d.Launch(echo, driver.Linear(1, 1), s, want))
				assert.NoError(t, d.CopyOut(out, p, s))
				assert.Equal(t, want, words(out))
			}
			assert.NoError(t, d.Free(p))
			assert.NoError(t, d.CloseStream(s))
		})
	}
	all.Wait()
	require.NoError(t, d.Close())
}

// testOtherDevice checks that a handle of one device is invalid on another, and has no effect there.
func testOtherDevice(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, e := fresh(t), fresh(t)
	s, err := d.NewStream()
	require.NoError(t, err)
	ev, err := d.NewEvent()
	require.NoError(t, err)
	p := alloc(t, d, 64)
	m, err := d.Load(PTX)
	require.NoError(t, err)
	f, err := d.Function(m, "shape")
	require.NoError(t, err)
	requireCode(t, driver.CodeInvalidHandle, e.Wait(s))
	requireCode(t, driver.CodeInvalidHandle, e.CloseStream(s))
	requireCode(t, driver.CodeInvalidHandle, e.CloseEvent(ev))
	requireCode(t, driver.CodeInvalidHandle, e.Unload(m))
	requireCode(t, driver.CodeInvalidHandle, e.Launch(f, driver.Linear(1, 1), 0, []uint64{uint64(p)}))
	requireCode(t, driver.CodeInvalidValue, e.Free(p))
	require.NoError(t, e.Close())
	require.NoError(t, d.Launch(f, driver.Linear(1, 1), s, []uint64{uint64(p)}), "closing one does not disturb the other")
	require.NoError(t, d.Wait(s))
}

// testCloseWhileBusy closes a device in use: each call either completes or is refused, and nothing hangs.
func testCloseWhileBusy(t *testing.T, fresh func(*testing.T) driver.Device) {
	d := fresh(t)
	echo := kernel(t, d, "echo")
	var all sync.WaitGroup
	started := make(chan struct{}, 8)
	for range 8 {
		s, err := d.NewStream()
		require.NoError(t, err)
		p := alloc(t, d, 40)
		all.Go(func() {
			for i := 0; ; i++ {
				err := d.Launch(echo, driver.Linear(1, 1), s, []uint64{uint64(p), 1, 2, 3, 4})
				if err == nil {
					err = d.Wait(s)
				}
				if i == 0 {
					started <- struct{}{}
				}
				if err != nil {
					var e *driver.Error
					assert.ErrorAs(t, err, &e)
					assert.Equal(t, driver.CodeInvalidContext, e.Code)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	require.NoError(t, d.Close())
	all.Wait()
}
