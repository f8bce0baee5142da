package mpi

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// ErrHost is the reason for refusing device memory.
var ErrHost = errors.New("the MPI library takes host memory only: it is not aware of CUDA")

// CUDAAware reports whether the MPI library takes addresses of CUDA device memory, as far as the library knows: Open MPI has to be built with
// CUDA, which Debian's is not. It is false before Init.
func CUDAAware() bool {
	library.mu.RLock()
	defer library.mu.RUnlock()
	return library.phase == running && cudaAware()
}

// BcastDevice is Bcast for n elements in device memory, whose first is at the address given. If CUDAAware is false, the error wraps ErrHost.
// The memory must be ready, without work in progress that writes it, and the device's context current on the calling thread: see
// gpu.Buffer.Access. The thread is the caller's only at level Multiple or Serialized, and CUDA's contexts belong to threads: at a
// lower level the error wraps ErrState. For other ranks it does not matter which kind of memory a rank has.
func BcastDevice[T Element](c *Comm, address uintptr, n, root int) error {
	const op = "BcastDevice"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	if root < 0 || root >= c.size {
		return smoothl1.NewArgError(op, "root", root, fmt.Errorf("%w: there are %d", ErrRank, c.size))
	}
	c.call.kind, c.call.root = doBcast, int32(root)
	return onDevice[T](c, op, address, n)
}

// AllreduceDevice is Allreduce for n elements in device memory; what BcastDevice needs, it needs too.
func AllreduceDevice[T float32 | float64](c *Comm, address uintptr, n int) error {
	const op = "AllreduceDevice"
	if err := c.enter(op); err != nil {
		return err
	}
	defer c.leave()
	c.call.kind = doAllreduce
	return onDevice[T](c, op, address, n)
}

// onDevice makes the communicator's call on device memory.
func onDevice[T Element](c *Comm, op string, address uintptr, n int) error {
	switch {
	case !cudaAware():
		return smoothl1.NewArgError(op, "address", fmt.Sprintf("%#x", address), ErrHost)
	case library.provided < Serialized:
		return smoothl1.NewArgError(op, "level", library.provided, fmt.Errorf("%w: device memory needs %v", ErrState, Serialized))
	case n < 0 || n > most:
		return smoothl1.NewArgError(op, "n", n, fmt.Errorf("%w: from 0 to %d", smoothl1.ErrLength, most))
	case address == 0 && n > 0:
		return smoothl1.NewArgError(op, "address", "0", smoothl1.ErrNil)
	}
	k := &c.call
	k.device, k.count, k.element = address, int32(n), elementOf[T]()
	return c.failed(op, k.do())
}
