//go:build cgo && linux

package dataparallel

import (
	"os"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
	"github.com/smoothl1/smoothl1/sim"
)

// hostDevice is a device whose memory is the host's, so that MPI can read and write it. It runs no kernels.
type hostDevice struct {
	driver.Device
	memory map[driver.Ptr][]uint64
	inside int // calls of Within
	broken bool
}

func (d *hostDevice) Info() driver.Info {
	i := d.Device.Info()
	i.Backend = "cuda"
	return i
}

func (d *hostDevice) Alloc(bytes uint64) (driver.Ptr, error) {
	x := make([]uint64, (bytes+7)/8)
	p := driver.Ptr(uintptr(unsafe.Pointer(&x[0])))
	d.memory[p] = x
	return p, nil
}

func (d *hostDevice) Free(p driver.Ptr) error { delete(d.memory, p); return nil }

func at(p driver.Ptr, n int) []byte { return unsafe.Slice(*(**byte)(unsafe.Pointer(&p)), n) }

func (d *hostDevice) CopyIn(to driver.Ptr, x []byte, _ driver.Stream) error {
	copy(at(to, len(x)), x)
	return nil
}

func (d *hostDevice) CopyOut(x []byte, from driver.Ptr, _ driver.Stream) error {
	if d.broken {
		return &driver.Error{Call: "cuMemcpyDtoH", Code: driver.CodeLaunchFailed, Name: "CUDA_ERROR_LAUNCH_FAILED"}
	}
	copy(x, at(from, len(x)))
	return nil
}

func (d *hostDevice) Zero(p driver.Ptr, n uint64, _ driver.Stream) error {
	clear(at(p, int(n)))
	return nil
}

func (d *hostDevice) Wait(s driver.Stream) error {
	if d.broken {
		return &driver.Error{Call: "cuStreamSynchronize", Code: driver.CodeLaunchFailed, Name: "CUDA_ERROR_LAUNCH_FAILED"}
	}
	return d.Device.Wait(s)
}

func (d *hostDevice) Within(f func() error) error {
	d.inside++
	return f()
}

// buffers combines buffers of three kinds of device: the CPU, one with page-locked memory, and one whose memory MPI reaches if it says so.
func buffers(t ranks.Check, world *mpi.Comm) {
	pieceLength = 100
	host := &hostDevice{Device: sim.New(), memory: map[driver.Ptr][]uint64{}}
	aware := os.Getenv("LD_PRELOAD") != ""
	option, path := gpu.CPU(), "pageable host memory: "
	switch world.Rank() {
	case 1:
		option, path = gpu.On(sim.New()), "page-locked host memory"
	case 2:
		option = gpu.On(host)
		if aware {
			path = "device memory"
		}
	}
	dev, err := gpu.Open(option)
	require.NoError(t, err)
	x, err := NewBuffers[float32](world, dev)
	require.NoError(t, err)
	require.Contains(t, x.Path(), path)
	for _, n := range []int{0, 1, 100, 1050} {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(i * (1 + world.Rank()))
		}
		b, err := gpu.Upload(dev, values)
		require.NoError(t, err)
		require.NoError(t, x.Allreduce(b))
		require.NoError(t, b.Download(values))
		for i, y := range values {
			require.EqualValues(t, i*6, y)
		}
		clear(values)
		if world.Rank() == 2 {
			for i := range values {
				values[i] = float32(7 * i)
			}
		}
		require.NoError(t, b.Set(values))
		require.NoError(t, x.Bcast(b, 2))
		require.NoError(t, b.Download(values))
		for i, y := range values {
			require.EqualValues(t, i*7, y)
		}
		require.NoError(t, b.Close())
	}
	require.Equal(t, world.Rank() == 2 && aware, host.inside > 0)

	odd := world.Rank() == 2
	b, err := gpu.Upload(dev, make([]float32, 250))
	require.NoError(t, err)
	part := b
	if odd {
		part, err = b.Slice(0, 249)
		require.NoError(t, err)
	}
	require.ErrorContains(t, x.Allreduce(part), "length: 250 on ranks 0, 1, 249 on rank 2")
	root := 0
	if odd {
		root = 1
	}
	require.ErrorContains(t, x.Bcast(b, root), "root: 0 on ranks 0, 1, 1 on rank 2")
	require.ErrorContains(t, x.Bcast(b, 3), "root = 3")
	if part = b; odd {
		part = nil
	}
	require.ErrorContains(t, x.Allreduce(part), "rank 2: smoothl1: Allreduce: buffer = nil")
	host.broken = true
	err = x.Allreduce(b) // rank 2 cannot read its memory, and takes part all the same
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "rank 2: gpu: ")
	host.broken = false
	require.NoError(t, x.Allreduce(b))
	if odd {
		require.NoError(t, b.Close())
	}
	require.ErrorContains(t, x.Allreduce(b), "rank 2: ")
	require.ErrorIs(t, x.Allreduce(&gpu.Buffer[float32]{}), smoothl1.ErrZero)
	x.mu.Lock()
	require.ErrorIs(t, x.Allreduce(b), smoothl1.ErrBusy)
	x.mu.Unlock()
	if odd {
		require.NoError(t, x.Close())
	}
	require.ErrorContains(t, x.Allreduce(b), "rank 2: smoothl1: Allreduce: buffers = ")
	require.NoError(t, x.Close())
	require.NoError(t, dev.Close())
	closed, err := NewBuffers[float32](world, dev)
	require.ErrorIs(t, err, ErrFailed)
	require.Nil(t, closed)
}
