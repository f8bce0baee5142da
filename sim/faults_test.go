package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// A call that is made to fail fails in its turn, once, and leaves the device unchanged.
func TestFailNext(t *testing.T) {
	text := body("mov.u32 %r0, 1;")
	d := device(t)
	m, err := d.Load(text)
	require.NoError(t, err)
	f, err := d.Function(m, "k")
	require.NoError(t, err)
	p, err := d.Alloc(64)
	require.NoError(t, err)
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	_, host, err := d.AllocPinned(64)
	require.NoError(t, err)
	buf := make([]byte, 64)
	alloc := func() error {
		q, err := d.Alloc(16)
		if err == nil {
			require.NoError(t, d.Free(q))
		}
		return err
	}
	load := func() error {
		m, err := d.Load(text)
		if err == nil {
			require.NoError(t, d.Unload(m))
		}
		return err
	}
	for _, c := range []struct {
		name string
		kind sim.CallKind
		code int
		call func() error
	}{
		{"alloc", sim.AllocCall, 2, alloc},
		{"copy in", sim.CopyCall, 999, func() error { return d.CopyIn(p, buf, s) }},
		{"copy out", sim.CopyCall, 999, func() error { return d.CopyOut(buf, p, s) }},
		{"copy", sim.CopyCall, 999, func() error { return d.Copy(p, p+32, 32, s) }},
		{"zero", sim.CopyCall, 999, func() error { return d.Zero(p, 64, s) }},
		{"load", sim.LoadCall, 2, load},
		{"function", sim.LoadCall, 2, func() error { _, err := d.Function(m, "k"); return err }},
		{"launch", sim.LaunchCall, 701, func() error { return d.Launch(f, sim.Linear(1, 32), s, []uint64{uint64(p), 0}) }},
		{"wait", sim.WaitCall, 719, func() error { return d.Wait(s) }},
		{"stream", sim.StreamCall, 2, func() error {
			s, err := d.NewStream()
			if err == nil {
				require.NoError(t, d.CloseStream(s))
			}
			return err
		}},
		{"record", sim.EventCall, 2, func() error { return d.Record(e, s) }},
		{"await", sim.WaitCall, 719, func() error { return d.Await(e) }},
		{"copy in async", sim.CopyCall, 999, func() error { return d.CopyInAsync(p, host, 64, s) }},
		{"copy out async", sim.CopyCall, 999, func() error { return d.CopyOutAsync(host, p, 64, s) }},
		{"pinned", sim.PinnedCall, 2, func() error {
			_, q, err := d.AllocPinned(16)
			if err == nil {
				require.NoError(t, d.FreePinned(q))
			}
			return err
		}},
		{"info", sim.InfoCall, 999, func() error { _, _, err := d.MemoryInfo(); return err }},
		{"elapsed", sim.WaitCall, 719, func() error { _, err := d.Elapsed(e, e); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, d.Record(e, s))
			held := d.Held()
			before := d.Calls(c.kind)
			d.FailNext(c.kind, 1, false)
			err := c.call()
			var bad *sim.Error
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, c.code, bad.Code)
			assert.NotEmpty(t, bad.Name)
			assert.Contains(t, bad.Detail, "made to fail")
			assert.Equal(t, before+1, d.Calls(c.kind))
			assert.Equal(t, held, d.Held())
			assert.NoError(t, c.call(), "it fails once")
			assert.Equal(t, held, d.Held())
			// The third from now on.
			d.FailNext(c.kind, 3, false)
			first := d.Calls(c.kind)
			for c.call() == nil {
				require.Less(t, d.Calls(c.kind), first+3)
			}
			assert.Equal(t, first+3, d.Calls(c.kind))
			d.FailNext(c.kind, 0, false)
			d.FailNext(c.kind, -1, false)
			assert.NoError(t, c.call())
		})
	}
	t.Run("free", func(t *testing.T) { // the memory stays allocated
		q, err := d.Alloc(128)
		require.NoError(t, err)
		held := d.Held()
		d.FailNext(sim.FreeCall, 1, false)
		require.Error(t, d.Free(q))
		assert.Equal(t, held, d.Held())
		require.NoError(t, d.Free(q))
		assert.Equal(t, held.Bytes-128, d.Held().Bytes)
	})
	t.Run("two", func(t *testing.T) {
		d.FailNext(sim.LaunchCall, 1, false)
		d.FailNext(sim.LaunchCall, 3, false)
		var failed []int
		for i := range 5 {
			if d.Launch(f, sim.Linear(1, 32), s, []uint64{uint64(p), 0}) != nil {
				failed = append(failed, i)
			}
		}
		assert.Equal(t, []int{0, 2}, failed)
	})
	t.Run("sticky", func(t *testing.T) { // last: nothing works afterwards
		d.FailNext(sim.WaitCall, 1, true)
		assert.ErrorContains(t, d.Wait(s), "CUDA_ERROR_LAUNCH_FAILED (719) from cuStreamSynchronize")
		_, err := d.Alloc(16)
		assert.ErrorContains(t, err, "CUDA_ERROR_LAUNCH_FAILED (719) from cuMemAlloc")
		assert.Error(t, d.Launch(f, sim.Linear(1, 32), 0, []uint64{uint64(p), 0}))
		assert.NoError(t, d.Close(), "it was reported")
	})
}

// Held counts what has not been released, both while the device is open and after Close.
func TestHeld(t *testing.T) {
	d := device(t)
	assert.Equal(t, sim.Held{}, d.Held())
	p := upload(t, d, make([]byte, 100))
	_ = upload(t, d, make([]byte, 28))
	s, err := d.NewStream()
	require.NoError(t, err)
	e, err := d.NewEvent()
	require.NoError(t, err)
	m, err := d.Load(".version 7.8\n.target sm_60\n.address_size 64\n.global .b32 g[100];\n")
	require.NoError(t, err)
	all := sim.Held{Allocations: 2, Bytes: 128, Streams: 1, Events: 1, Modules: 1}
	assert.Equal(t, all, d.Held())
	require.NoError(t, d.Free(sim.Ptr(p)))
	require.NoError(t, d.CloseEvent(e))
	leaks := sim.Held{Allocations: 1, Bytes: 28, Streams: 1, Modules: 1}
	assert.Equal(t, leaks, d.Held())
	require.NoError(t, d.Close())
	assert.Equal(t, leaks, d.Held())
	assert.Error(t, d.CloseStream(s))
	assert.Error(t, d.Unload(m))
	assert.Equal(t, leaks, d.Held())
}
