package gpu

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

func TestHostBuffer(t *testing.T) {
	for seed := range uint64(20) {
		for name, drv := range map[string]driver.Device{"pinned": sim.New(sim.Seed(seed)), "pageable": unpinned{sim.New(sim.Seed(seed))}, "cpu": nil} {
			option := CPU()
			if drv != nil {
				option = On(drv)
			}
			d, err := Open(option)
			require.NoError(t, err)
			h, err := AllocHost[float32](d, 100)
			require.NoError(t, err)
			require.Len(t, h.Slice(), 100)
			b, err := Alloc[float32](d, 90)
			require.NoError(t, err)
			s, err := d.NewStream()
			require.NoError(t, err)
			for round := range 5 {
				x := h.Slice()
				for i := range x {
					x[i] = float32(100*round + i)
				}
				require.NoError(t, b.SetAsync(h, OnStream(s)))
				require.NoError(t, s.Wait())
				clear(x)
				require.NoError(t, b.DownloadAsync(h, OnStream(s)))
				require.NoError(t, s.Wait())
				for i, got := range x[:90] {
					require.Equal(t, float32(100*round+i), got, name)
				}
				require.Equal(t, make([]float32, 10), x[90:])
			}
			require.Equal(t, name == "pageable", d.Pageable() != "")
			require.NoError(t, b.SetAsync(h, OnStream(s)))
			require.NoError(t, h.Close())
			require.NoError(t, h.Close())
			require.Nil(t, h.Slice())
			left, err := AllocHost[uint8](d, 3)
			require.NoError(t, err)
			_ = left
			require.NoError(t, d.Close())
			require.NoError(t, left.Close())
			if device, ok := drv.(*sim.Device); ok {
				require.Zero(t, device.Held().Pinned)
			}
		}
	}
}

func TestHostBufferErrors(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		h, err := AllocHost[float32](d, 5)
		require.NoError(t, err)
		b, err := Alloc[float32](d, 6)
		require.NoError(t, err)
		refused(t, b.SetAsync(h), smoothl1.ErrLength, "SetAsync", "len(src)", "5")
		refused(t, b.DownloadAsync(h), smoothl1.ErrLength, "DownloadAsync", "len(dst)", "5")
		refused(t, b.SetAsync(nil), smoothl1.ErrNil, "SetAsync", "src", "nil")
		refused(t, b.SetAsync(&HostBuffer[float32]{}), smoothl1.ErrZero, "SetAsync", "src", "HostBuffer{}")
		_, err = AllocHost[float32](d, -1)
		refused(t, err, smoothl1.ErrLength, "AllocHost", "n", "-1")
		five, err := b.Slice(0, 5)
		require.NoError(t, err)
		refused(t, five.SetAsync(h, MaxBlocks(1)), smoothl1.ErrOption, "SetAsync", "option", "MaxBlocks")
		other := openCPUFor(t)
		o, err := AllocHost[float32](other, 6)
		require.NoError(t, err)
		err = b.SetAsync(o)
		require.ErrorIs(t, err, smoothl1.ErrDevice)
		require.NoError(t, h.Close())
		err = five.SetAsync(h)
		require.ErrorIs(t, err, smoothl1.ErrClosed)
		none, err := AllocHost[float32](d, 0)
		require.NoError(t, err)
		empty, err := b.Slice(0, 0)
		require.NoError(t, err)
		assert.NoError(t, empty.SetAsync(none))
		assert.NoError(t, empty.DownloadAsync(none))
	})
}
