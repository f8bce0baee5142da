//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

// lockedToThread reports whether the calling goroutine is locked to its thread, according to the header of its stack trace.
func lockedToThread() bool {
	var text [64]byte
	head, _, _ := bytes.Cut(text[:runtime.Stack(text[:], false)], []byte("\n"))
	return bytes.Contains(head, []byte("locked to thread"))
}

// mustBeFree fails the test if the last call has left the goroutine locked to its thread, which would terminate together with the
// goroutine.
func mustBeFree(t *testing.T, call string) {
	t.Helper()
	require.False(t, lockedToThread(), "%s: the goroutine is locked to its thread", call)
}

func TestLockedToThread(t *testing.T) {
	require.False(t, lockedToThread())
	runtime.LockOSThread()
	require.True(t, lockedToThread())
	runtime.UnlockOSThread()
	require.False(t, lockedToThread())
}

// If a call fails, the goroutine must not stay locked to its thread.
func TestGoroutineIsUnlocked(t *testing.T) {
	clean(t)
	d := open(t, 0)
	mustBeFree(t, "Open")
	before := fakedriver.Calls("")
	require.NoError(t, useAll(d))
	mustBeFree(t, "all calls")
	require.NoError(t, d.Close())
	mustBeFree(t, "Close")
	for k := 1; k <= fakedriver.Calls("")-before; k++ {
		d := open(t, 0)
		fakedriver.Reset()
		fakedriver.Fail("", k, driver.CodeUnknown)
		err := useAll(d)
		mustBeFree(t, fmt.Sprint(err))
		err = d.Close()
		mustBeFree(t, fmt.Sprint("Close: ", err))
	}
}

// If the context cannot be popped after a call, that must be the error of a call that succeeded, but not replace the error of one that
// failed.
func TestFirstErrorIsKept(t *testing.T) {
	clean(t)
	d := open(t, 0)
	p, err := d.Alloc(64)
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	f := kernel(t, d, "shape")
	const closed = 1<<63 | 12345
	out, invalid, handle := driver.CodeOutOfMemory, driver.CodeInvalidValue, driver.CodeInvalidHandle
	for name, c := range map[string]struct {
		fails, succeeds func() error
		code            int
	}{
		"Alloc": {func() error { _, err := d.Alloc(1 << 40); return err }, func() error { _, err := d.Alloc(8); return err }, out},
		"Free":  {func() error { return d.Free(1) }, nil, invalid},
		"CopyIn": {func() error { return d.CopyIn(p+60, make([]byte, 8), 0) }, func() error { return d.CopyIn(p, make([]byte, 8), 0) },
			invalid},
		"CopyOut": {func() error { return d.CopyOut(make([]byte, 8), p+60, 0) }, func() error { return d.CopyOut(make([]byte, 8), p, 0) },
			invalid},
		"Copy": {func() error { return d.Copy(p, p+60, 8, 0) }, func() error { return d.Copy(p, p+32, 8, 0) }, invalid},
		"Zero": {func() error { return d.Zero(p, 65, 0) }, func() error { return d.Zero(p, 64, 0) }, invalid},
		"Launch": {func() error { return d.Launch(f, driver.Linear(1, 1), closed, []uint64{uint64(p)}) },
			func() error { return d.Launch(f, driver.Linear(1, 1), 0, []uint64{uint64(p)}) }, handle},
		"LaunchRecord": {func() error {
			_, recorded := driver.LaunchRecord(d, f, driver.Linear(1, 1), 0, []uint64{uint64(p)}, closed)
			return recorded
		}, func() error {
			launched, recorded := driver.LaunchRecord(d, f, driver.Linear(1, 1), 0, []uint64{uint64(p)}, e)
			require.NoError(t, launched)
			return recorded
		}, handle},
		"Wait":        {func() error { return d.Wait(closed) }, func() error { return d.Wait(0) }, handle},
		"Record":      {func() error { return d.Record(closed, 0) }, func() error { return d.Record(e, 0) }, handle},
		"WaitEvent":   {func() error { return d.WaitEvent(closed, 0) }, func() error { return d.WaitEvent(e, 0) }, handle},
		"Elapsed":     {func() error { _, err := d.Elapsed(e, closed); return err }, nil, handle},
		"CloseStream": {func() error { return d.CloseStream(closed) }, nil, handle},
		"CloseEvent":  {func() error { return d.CloseEvent(closed) }, nil, handle},
		"Load":        {func() error { _, err := d.Load(devicetest.PTX + "nosuch"); return err }, nil, driver.CodeInvalidPTX},
		"Unload":      {func() error { return d.Unload(closed) }, nil, handle},
		"Function":    {func() error { _, err := d.Function(closed, "shape"); return err }, nil, handle},
	} {
		t.Run(name, func(t *testing.T) {
			const code = driver.CodeUnknown
			var failed *driver.Error
			fakedriver.Fail("cuCtxPopCurrent", 1, code)
			require.ErrorAs(t, c.fails(), &failed)
			assert.Equal(t, c.code, failed.Code, "%v", failed)
			assert.NotEqual(t, "cuCtxPopCurrent", failed.Call)
			if c.succeeds == nil {
				return
			}
			fakedriver.Fail("cuCtxPopCurrent", 1, code)
			require.ErrorAs(t, c.succeeds(), &failed)
			assert.Equal(t, "cuCtxPopCurrent", failed.Call)
			assert.Equal(t, code, failed.Code)
		})
	}
	fakedriver.Reset()
}

// A capture belongs to a thread, to which the goroutine is locked until the capture ends. Other threads may allocate meanwhile, but not end it.
func TestCaptureIsOfAThread(t *testing.T) {
	clean(t)
	d := open(t, 0)
	c := d.(driver.Capturer)
	s, err := d.NewStream()
	require.NoError(t, err)
	elsewhere := func(f func() error) error {
		done := make(chan error)
		go func() { done <- f() }()
		return <-done
	}
	require.NoError(t, c.BeginCapture(s))
	require.True(t, lockedToThread())
	var p driver.Ptr
	require.NoError(t, elsewhere(func() (err error) { p, err = d.Alloc(64); return err }))
	var e *driver.Error
	require.ErrorAs(t, elsewhere(func() error { _, err := c.EndCapture(s); return err }), &e)
	assert.Equal(t, driver.CodeCaptureThread, e.Code)
	g, err := c.EndCapture(s)
	require.NoError(t, err)
	mustBeFree(t, "EndCapture")
	require.NoError(t, c.CloseGraph(g))

	// Free waits for the whole device.
	require.NoError(t, c.BeginCapture(s))
	require.ErrorAs(t, elsewhere(func() error { return d.Free(p) }), &e)
	assert.Equal(t, driver.CodeCaptureUnsupported, e.Code)
	_, err = c.EndCapture(s)
	require.ErrorAs(t, err, &e)
	assert.Equal(t, driver.CodeCaptureInvalidated, e.Code)
	mustBeFree(t, "EndCapture")
	require.NoError(t, d.Free(p), "the memory has not been lost")

	// Other code of the process may be capturing the stream.
	require.NoError(t, c.BeginCapture(s))
	require.ErrorAs(t, elsewhere(func() error { return c.BeginCapture(s) }), &e)
	assert.Equal(t, driver.CodeIllegalState, e.Code)
	g, err = c.EndCapture(s)
	require.NoError(t, err)
	require.NoError(t, c.CloseGraph(g))
}
