package dataparallel

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
)

// pieceLength is the number of elements that Buffers moves at once. All ranks use the same, since each piece is a call of MPI. Tests make it
// smaller.
var pieceLength = 1 << 20

// Buffers makes collective operations on buffers of a device, such as parameters and their gradients: directly in the device's memory where
// the MPI library is aware of CUDA, which it is asked when the program runs; else piece by piece through host memory of its own,
// page-locked where the device has that. Ranks of both kinds can work together. It takes one call at a time.
type Buffers[T float32 | float64] struct {
	mu     sync.Mutex
	group  group
	dev    *gpu.Device // nil once closed
	host   *gpu.HostBuffer[T]
	direct bool
	path   string
}

// NewBuffers returns Buffers for this rank's device. It is collective.
func NewBuffers[T float32 | float64](c *mpi.Comm, dev *gpu.Device) (*Buffers[T], error) {
	if c.Size() == 0 {
		return nil, c.Barrier() // refuses a nil or zero communicator
	}
	x := &Buffers[T]{group: newGroup(c), dev: dev}
	host, err := gpu.AllocHost[T](dev, pieceLength)
	if err == nil {
		x.host = host
		switch pageable := dev.Pageable(); {
		case dev.Backend() == "cuda" && mpi.CUDAAware() && mpi.Provided() >= mpi.Serialized:
			x.direct, x.path = true, "device memory"
		case pageable != "":
			x.path = "pageable host memory: " + pageable
		case dev.Backend() == "cpu":
			x.path = "pageable host memory: that of the CPU"
		default:
			x.path = "page-locked host memory"
		}
		x.group.own[fieldDType] = int64(smoothl1.DTypeOf[T]())
	}
	if err := x.group.agree(callNewBuffers, err); err != nil {
		return nil, errors.Join(err, host.Close())
	}
	return x, nil
}

// Path says which memory MPI reads and writes: "device memory", "page-locked host memory", or "pageable host memory: " and why.
func (x *Buffers[T]) Path() string {
	if x == nil {
		return ""
	}
	return x.path
}

// Allreduce replaces b, of the same length on all ranks, by the sum of all ranks' b. It waits for the earlier work of the default stream, and is
// done when it returns. The sum is the same on all ranks, but its last bits depend on their number: see Gradient. If it fails on one rank, it
// fails on all, and the contents of b are undefined. It is collective.
func (x *Buffers[T]) Allreduce(b *gpu.Buffer[T]) error {
	return x.do("Allreduce", callAllreduce, b, 0, func(piece []T) error {
		return mpi.Allreduce(x.group.comm, piece)
	}, func(address uintptr, n int) error {
		return mpi.AllreduceDevice[T](x.group.comm, address, n)
	})
}

// Bcast copies b of the rank root to b of all ranks, of the same length; otherwise it is like Allreduce. It is collective.
func (x *Buffers[T]) Bcast(b *gpu.Buffer[T], root int) error {
	return x.do("Bcast", callBcast, b, root, func(piece []T) error {
		return mpi.Bcast(x.group.comm, piece, root)
	}, func(address uintptr, n int) error {
		return mpi.BcastDevice[T](x.group.comm, address, n, root)
	})
}

func (x *Buffers[T]) do(name string, call int, b *gpu.Buffer[T], root int, inHost func([]T) error, inDevice func(uintptr, int) error) error {
	switch {
	case x == nil:
		return smoothl1.NewArgError(name, "buffers", "nil", smoothl1.ErrNil)
	case !x.mu.TryLock():
		return smoothl1.NewArgError(name, "buffers", x.path, smoothl1.ErrBusy)
	}
	defer x.mu.Unlock()
	if x.group.comm == nil {
		return smoothl1.NewArgError(name, "buffers", "Buffers{}", smoothl1.ErrZero)
	}
	var err error
	switch {
	case x.dev == nil:
		err = smoothl1.NewArgError(name, "buffers", x.path, smoothl1.ErrClosed)
	case b == nil:
		err = smoothl1.NewArgError(name, "buffer", "nil", smoothl1.ErrNil)
	case root < 0 || root >= x.group.comm.Size():
		err = smoothl1.NewArgError(name, "root", root, fmt.Errorf("%w: there are %d", mpi.ErrRank, x.group.comm.Size()))
	default:
		_, err = b.Slice(0, b.Len()) // refuses a closed or zero buffer, an empty one too
	}
	h := &x.group.own
	h[fieldDType], h[fieldLength], h[fieldRoot] = int64(smoothl1.DTypeOf[T]()), int64(b.Len()), int64(root)
	if err := x.group.agree(call, err); err != nil {
		return err
	}
	var failed error // this rank's, which takes part nevertheless: the others wait for it
	began := false
	if x.direct {
		failed = b.Access(func(address uintptr) error {
			began = true
			err = pieces(b.Len(), func(i, j int) error {
				return inDevice(address+uintptr(i)*unsafe.Sizeof(*new(T)), j-i)
			})
			return nil
		})
	}
	if !began {
		err = pieces(b.Len(), func(i, j int) error {
			if failed == nil {
				failed = x.download(b, i, j)
			}
			if err := inHost(x.host.Slice()[:j-i]); err != nil {
				return err
			}
			if failed == nil {
				failed = x.upload(b, i, j)
			}
			return nil
		})
	}
	if err != nil {
		return errors.Join(err, failed)
	}
	return x.group.agree(call, failed)
}

// pieces calls f for [0, n) in pieces.
func pieces(n int, f func(i, j int) error) error {
	for i := 0; i < n; {
		j := n
		if j-i > pieceLength {
			j = i + pieceLength
		}
		if err := f(i, j); err != nil {
			return err
		}
		i = j
	}
	return nil
}

func (x *Buffers[T]) download(b *gpu.Buffer[T], i, j int) error {
	part, err := b.Slice(i, j)
	if err != nil {
		return err
	}
	if err := part.DownloadAsync(x.host); err != nil {
		return err
	}
	return x.dev.Wait()
}

func (x *Buffers[T]) upload(b *gpu.Buffer[T], i, j int) error {
	part, err := b.Slice(i, j)
	if err != nil {
		return err
	}
	if err := part.SetAsync(x.host); err != nil {
		return err
	}
	return x.dev.Wait() // the next piece takes its place
}

// Close frees the host memory. It is not collective. A second Close does nothing.
func (x *Buffers[T]) Close() error {
	if x == nil {
		return nil
	}
	if !x.mu.TryLock() {
		return smoothl1.NewArgError("Close", "buffers", x.path, smoothl1.ErrBusy)
	}
	defer x.mu.Unlock()
	x.dev = nil
	return x.host.Close()
}
