package devicetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// capturer opens a device that can capture, and a stream of it.
func capturer(t *testing.T, fresh func(*testing.T) driver.Device) (driver.Device, driver.Capturer, driver.Stream) {
	t.Helper()
	d := fresh(t)
	c, ok := d.(driver.Capturer)
	require.True(t, ok)
	s, err := d.NewStream()
	require.NoError(t, err)
	return d, c, s
}

// testCapture checks that nothing is done during a capture, and that each launch of the graph does all of it.
func testCapture(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, c, s := capturer(t, fresh)
	echo := kernel(t, d, "echo")
	p, q := alloc(t, d, 64), alloc(t, d, 64)
	require.NoError(t, d.CopyIn(p, pattern(64, 1), s))
	require.NoError(t, d.CopyIn(q, pattern(64, 2), s))
	require.NoError(t, d.Wait(s))

	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, d.Copy(q, p, 64, s))
	args := []uint64{uint64(p), 1, 2, 3, 4}
	require.NoError(t, d.Launch(echo, driver.Linear(1, 1), s, args))
	clear(args) // Launch must have read them
	require.NoError(t, d.Zero(q+32, 32, s))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	assert.NotZero(t, g)
	got := make([]byte, 64)
	require.NoError(t, d.CopyOut(got, p, s))
	assert.Equal(t, pattern(64, 1), got, "nothing is done during a capture")
	require.NoError(t, d.CopyOut(got, q, s))
	assert.Equal(t, pattern(64, 2), got)

	for i := range byte(3) {
		require.NoError(t, d.CopyIn(p, pattern(64, 3+i), s))
		require.NoError(t, c.LaunchGraph(g, s))
		require.NoError(t, d.CopyOut(got, q, s))
		assert.Equal(t, append(pattern(32, 3+i), make([]byte, 32)...), got, "the order of the work")
		require.NoError(t, d.CopyOut(got, p, s))
		assert.Equal(t, []uint64{uint64(p), 1, 2, 3, 4}, words(got[:40]))
	}
	require.NoError(t, c.LaunchGraph(g, 0), "the default stream cannot be captured, but can launch")
	require.NoError(t, c.CloseGraph(g), "the launch may not be done yet")
	require.NoError(t, d.Wait(0))
	require.NoError(t, d.Zero(p, 64, s), "the stream is usable")
	require.NoError(t, d.Wait(s))

	require.NoError(t, c.BeginCapture(s))
	empty, err := c.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, c.LaunchGraph(empty, s))
	require.NoError(t, d.Wait(s))

	// Copies from and to page-locked memory are captured.
	pinned := driver.PinnedOf(d)
	require.NotNil(t, pinned)
	mem, host, err := pinned.AllocPinned(128)
	require.NoError(t, err)
	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, pinned.CopyInAsync(p, host, 64, s))
	require.NoError(t, pinned.CopyOutAsync(host+64, p, 64, s))
	g, err = c.EndCapture(s)
	require.NoError(t, err)
	for i := range byte(2) {
		copy(mem, pattern(64, 7+i))
		require.NoError(t, c.LaunchGraph(g, s))
		require.NoError(t, d.Wait(s))
		assert.Equal(t, pattern(64, 7+i), mem[64:])
	}
}

// testCaptureRefuses checks that a call that is not allowed fails, has no effect, and invalidates the capture, and nothing else.
func testCaptureRefuses(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, c, s := capturer(t, fresh)
	p := alloc(t, d, 64)
	require.NoError(t, d.CopyIn(p, pattern(64, 1), s))
	require.NoError(t, d.Wait(s))
	out := pattern(64, 2)
	pinned := driver.PinnedOf(d)
	require.NotNil(t, pinned)
	_, host, err := pinned.AllocPinned(64)
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	for name, call := range map[string]func() error{
		"AllocPinned": func() error { _, _, err := pinned.AllocPinned(64); return err },
		"FreePinned":  func() error { return pinned.FreePinned(host) },
		"Await":       func() error { return pinned.Await(e) },

		"Alloc":   func() error { _, err := d.Alloc(64); return err },
		"Free":    func() error { return d.Free(p) },
		"CopyIn":  func() error { return d.CopyIn(p, pattern(64, 3), s) },
		"CopyOut": func() error { return d.CopyOut(out, p, s) },
		"Wait":    func() error { return d.Wait(s) },
		"Close":   func() error { return d.CloseStream(s) },
	} {
		require.NoError(t, c.BeginCapture(s), name)
		require.NoError(t, d.Zero(p, 64, s), name)
		requireCode(t, driver.CodeCaptureUnsupported, call())
		_, err := c.EndCapture(s)
		requireCode(t, driver.CodeCaptureInvalidated, err)
		got := make([]byte, 64)
		require.NoError(t, d.CopyOut(got, p, s), name)
		assert.Equal(t, pattern(64, 1), got, name)
		assert.Equal(t, pattern(64, 2), out, name)
	}
	require.NoError(t, d.Free(p))
	require.NoError(t, pinned.FreePinned(host))
}

func testCaptureEvents(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, c, s := capturer(t, fresh)
	other, err := d.NewStream()
	require.NoError(t, err)
	before, err := d.NewEvent()
	require.NoError(t, err)
	within, err := d.NewEvent()
	require.NoError(t, err)
	require.NoError(t, d.Record(before, other))

	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, d.Record(within, s))
	require.NoError(t, d.WaitEvent(within, s))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	_, err = d.Elapsed(before, within)
	require.Error(t, err, "an event of a capture has no time")
	require.NoError(t, d.Record(within, other))
	_, err = d.Elapsed(before, within)
	require.NoError(t, err)
	require.NoError(t, c.LaunchGraph(g, s))

	require.NoError(t, c.BeginCapture(s))
	requireCode(t, driver.CodeCaptureIsolation, d.WaitEvent(before, s))
	_, err = c.EndCapture(s)
	requireCode(t, driver.CodeCaptureInvalidated, err)
	require.NoError(t, d.WaitEvent(before, s))
	require.NoError(t, d.Wait(s))
}

func testCaptureHandles(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, c, s := capturer(t, fresh)
	for _, standard := range []driver.Stream{0, 1} {
		requireCode(t, driver.CodeCaptureUnsupported, c.BeginCapture(standard))
	}
	requireCode(t, driver.CodeInvalidHandle, c.BeginCapture(s+1000))
	_, err := c.EndCapture(s + 1000)
	requireCode(t, driver.CodeInvalidHandle, err)
	_, err = c.EndCapture(s)
	requireCode(t, driver.CodeIllegalState, err)
	require.NoError(t, c.BeginCapture(s))
	requireCode(t, driver.CodeIllegalState, c.BeginCapture(s))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	requireCode(t, driver.CodeInvalidHandle, c.LaunchGraph(g+1000, s))
	requireCode(t, driver.CodeInvalidHandle, c.LaunchGraph(0, s))
	requireCode(t, driver.CodeInvalidHandle, c.LaunchGraph(g, s+1000))
	require.NoError(t, c.CloseGraph(g))
	for _, err := range []error{c.LaunchGraph(g, s), c.CloseGraph(g), c.CloseGraph(0)} {
		assert.Contains(t, requireCode(t, driver.CodeInvalidHandle, err).Error(), "graph")
	}
	require.NoError(t, d.Close())
	_, err = c.EndCapture(s)
	for _, err := range []error{c.BeginCapture(s), err, c.LaunchGraph(g, s), c.CloseGraph(g)} {
		assert.Contains(t, requireCode(t, driver.CodeInvalidContext, err).Error(), "closed")
	}
}

// testGraphOrder launches one graph on several streams in turn. Each launch must see what the one before has written.
func testGraphOrder(t *testing.T, fresh func(*testing.T) driver.Device) {
	const n, links = 1 << 16, 6
	d, c, s := capturer(t, fresh)
	p := alloc(t, d, n*(links+1))
	require.NoError(t, c.BeginCapture(s))
	for i := links - 1; i >= 0; i-- { // each launch moves everything on by one place
		from := p + driver.Ptr(i*n)
		require.NoError(t, d.Copy(from+n, from, n, s))
	}
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	other, err := d.NewStream()
	require.NoError(t, err)
	for round := range byte(20) { // a device that does some work at once may be right by chance
		require.NoError(t, d.Zero(p+n, n*links, s))
		require.NoError(t, d.CopyIn(p, pattern(n, round), s))
		require.NoError(t, d.Wait(s))
		var last driver.Stream
		for i := range links {
			last = []driver.Stream{s, other, 0}[i%3]
			require.NoError(t, c.LaunchGraph(g, last))
		}
		got := make([]byte, n)
		require.NoError(t, d.CopyOut(got, p+n*links, last))
		require.Equal(t, pattern(n, round), got)
	}
}

// testCloseDuringCapture closes a device with an open capture and with graphs that were not closed.
func testCloseDuringCapture(t *testing.T, fresh func(*testing.T) driver.Device) {
	d, c, s := capturer(t, fresh)
	p := alloc(t, d, 64)
	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, d.Zero(p, 64, s))
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, c.LaunchGraph(g, s))
	require.NoError(t, c.BeginCapture(s))
	require.NoError(t, d.Zero(p, 64, s))
	require.NoError(t, d.Close())
	_, err = c.EndCapture(s)
	requireCode(t, driver.CodeInvalidContext, err)
}
