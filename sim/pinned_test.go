package sim_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// A program that changes a staging buffer before the copy from it is done, or reads one before the copy to it is done, gets wrong bytes
// with some seeds and right ones with others. One that waits always gets the right ones.
func TestStagingTooEarly(t *testing.T) {
	const seeds = 40
	bad := map[string]int{}
	for seed := range uint64(seeds) {
		d := device(t, sim.Seed(seed))
		host, at, err := d.AllocPinned(64)
		require.NoError(t, err)
		p, err := d.Alloc(64)
		require.NoError(t, err)
		s, err := d.NewStream()
		require.NoError(t, err)
		done, err := d.NewEvent()
		require.NoError(t, err)
		for _, waits := range []bool{true, false} {
			want := bytes.Repeat([]byte{7}, 64)
			copy(host, want)
			require.NoError(t, d.CopyInAsync(p, at, 64, s))
			require.NoError(t, d.Record(done, s))
			if waits {
				require.NoError(t, d.Await(done))
			}
			clear(host)
			got := make([]byte, 64)
			require.NoError(t, d.CopyOut(got, p, s))
			if !bytes.Equal(want, got) {
				require.False(t, waits, "seed %d", seed)
				bad["in"]++
			}

			require.NoError(t, d.CopyIn(p, want, s))
			require.NoError(t, d.CopyOutAsync(at, p, 64, s))
			require.NoError(t, d.Record(done, s))
			if waits {
				require.NoError(t, d.Await(done))
			}
			got = append([]byte(nil), host...)
			if !bytes.Equal(want, got) {
				require.False(t, waits, "seed %d", seed)
				bad["out"]++
			}
			require.NoError(t, d.Wait(s))
		}
	}
	for _, way := range []string{"in", "out"} {
		assert.Greater(t, bad[way], seeds/10, way)
		assert.Less(t, bad[way], seeds, way)
	}
}

// Kernels' accesses to page-locked memory are checked as those to device memory.
func TestPinnedIsChecked(t *testing.T) {
	everywhere(t, func(t *testing.T, d *sim.Device) {
		host, at, err := d.AllocPinned(64)
		require.NoError(t, err)
		m, err := d.Load(body("ld.param.u64 %rd0, [out]; ld.global.u32 %r1, [%rd0]; add.u32 %r1, %r1, 1; st.global.u32 [%rd0+4], %r1;"))
		require.NoError(t, err)
		f, err := d.Function(m, "k")
		require.NoError(t, err)
		copy(host[16:], []byte{41, 0, 0, 0})
		require.NoError(t, d.Launch(f, sim.Linear(1, 1), 0, []uint64{uint64(at) + 16, 0}))
		require.NoError(t, d.Wait(0))
		assert.Equal(t, byte(42), host[20])
		require.NoError(t, d.Launch(f, sim.Linear(1, 1), 0, []uint64{uint64(at) + 60, 0}))
		var bad *sim.Error
		require.ErrorAs(t, d.Wait(0), &bad)
		assert.Equal(t, driver.CodeIllegalAddress, bad.Code)
		assert.Contains(t, bad.Detail, "0 bytes after the one of 64 bytes")
	})
}

// Page-locked memory is the host's: it takes nothing of the device's memory.
func TestPinnedIsNotDeviceMemory(t *testing.T) {
	d := device(t, sim.MemoryBytes(1<<20))
	_, at, err := d.AllocPinned(2 << 20)
	require.NoError(t, err)
	assert.Equal(t, sim.Held{Pinned: 1, PinnedBytes: 2 << 20}, d.Held())
	free, total, err := d.MemoryInfo()
	require.NoError(t, err)
	assert.Equal(t, []uint64{1 << 20, 1 << 20}, []uint64{free, total})
	_, err = d.Alloc(1 << 19)
	require.NoError(t, err)
	free, _, err = d.MemoryInfo()
	require.NoError(t, err)
	assert.Equal(t, uint64(1<<19), free)
	require.NoError(t, d.FreePinned(at))
	assert.Equal(t, sim.Held{Allocations: 1, Bytes: 1 << 19}, d.Held())
}
