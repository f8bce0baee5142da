package gpu

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// Wrap returns a buffer of n elements at ptr, device memory that the caller owns, such as a cu.DevicePtr. The memory must be aligned
// to the element type and stay allocated until the buffer is closed, which does not free it. The caller must wait for work on other
// streams that writes it. The CPU has no device memory: see WrapHost.
func Wrap[T smoothl1.Element, P ~uintptr | ~uint64](d *Device, ptr P, n int) (*Buffer[T], error) {
	const op = "Wrap"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	if d.drv == nil {
		return nil, smoothl1.NewArgError(op, "device", d, fmt.Errorf("%w: the CPU has no device memory", smoothl1.ErrDevice))
	}
	bytes, err := byteSize[T](op, n)
	if err != nil {
		return nil, err
	}
	at := uint64(ptr)
	switch {
	case at == 0 && n > 0:
		return nil, smoothl1.NewArgError(op, "ptr", "0", smoothl1.ErrNil)
	case at%uint64(smoothl1.DTypeOf[T]().Size()) != 0:
		return nil, smoothl1.NewArgError(op, "ptr", fmt.Sprintf("%#x", at), fmt.Errorf("%w: not aligned to %d bytes", smoothl1.ErrHandle, smoothl1.DTypeOf[T]().Size()))
	case at > math.MaxUint64-uint64(bytes):
		return nil, smoothl1.NewArgError(op, "n", n, smoothl1.ErrTooLarge)
	}
	b := &Buffer[T]{array{dev: d, dtype: smoothl1.DTypeOf[T](), n: n, ptr: driver.Ptr(at)}}
	return b, nil
}

// WrapHost returns a buffer on the CPU that shares the memory of x. Other devices cannot access a Go slice: see Upload.
func WrapHost[T smoothl1.Element](d *Device, x []T) (*Buffer[T], error) {
	const op = "WrapHost"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	if d.drv != nil {
		return nil, smoothl1.NewArgError(op, "device", d, fmt.Errorf("%w: only the CPU computes on host memory", smoothl1.ErrDevice))
	}
	if _, err := byteSize[T](op, len(x)); err != nil {
		return nil, err
	}
	b := &Buffer[T]{array{dev: d, dtype: smoothl1.DTypeOf[T](), n: len(x), host: unsafe.Pointer(unsafe.SliceData(x))}}
	return b, nil
}

// Access calls f with the address of the buffer's first element in device memory, for a library that works there itself, such as cuBLAS or an
// MPI that is aware of CUDA. The earlier work of the default stream is done by then; on a CUDA device the primary context is current and the
// goroutine locked to its thread, and must still be when f returns. The buffer and its device are not closed before that, so that f must not
// close them. The memory may only be used until f returns. The error is that of f, if it was called. The CPU has no device memory: see WrapHost.
func (b *Buffer[T]) Access(f func(address uintptr) error) error {
	const op = "Access"
	if f == nil {
		return smoothl1.NewArgError(op, "f", "nil", smoothl1.ErrNil)
	}
	if err := b.enter(op); err != nil {
		return err
	}
	defer b.leave()
	if b.dev.drv == nil {
		return smoothl1.NewArgError(op, "device", b.dev, fmt.Errorf("%w: the CPU has no device memory", smoothl1.ErrDevice))
	}
	if !b.dev.quiet() {
		return whileCapturing(op, "buffer", b)
	}
	defer b.dev.loud()
	if err := b.dev.wait(0); err != nil {
		return err
	}
	call := func() error { return f(uintptr(b.ptr)) }
	if c, ok := b.dev.drv.(driver.Contexted); ok {
		return c.Within(call)
	}
	return call()
}
