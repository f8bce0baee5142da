//go:build cuda && linux && amd64 && cgo

package cuda

// cu's MemcpyHtoDAsync and MemcpyDtoHAsync take an unsafe.Pointer, for which cgo checks the whole Go object that it points into: for an
// array in a struct that also has a pointer field, they would panic. For &slice[0], as used here, cgo checks only the slice.

// #include "loader_cuda.h"
import "C"

import (
	"math"
	"runtime"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// cstream converts a stream to this package's C type: cgo types differ between packages.
func cstream(s stream) C.CUstream { return *(*C.CUstream)(unsafe.Pointer(&s.Stream)) }

func (d *device) Alloc(bytes uint64) (p driver.Ptr, err error) {
	const call = "cuMemAlloc"
	if bytes == 0 || bytes > math.MaxInt64 {
		return 0, refused(call, driver.CodeInvalidValue, "%d bytes", bytes)
	}
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	mem, err := cu.MemAlloc(int64(bytes))
	if err != nil {
		return 0, failed(call, err)
	}
	d.memory.put(uint64(mem), mem)
	return driver.Ptr(mem), nil
}

// Free waits for all work of the context. cuMemFree does so too, but CUDA does not document it.
func (d *device) Free(p driver.Ptr) (err error) {
	const call = "cuMemFree"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	waited := failed("cuCtxSynchronize", cu.Synchronize())
	if whileCapturing(waited) {
		return waited
	}
	mem, ok := d.memory.take(uint64(p))
	if !ok {
		return refused(call, driver.CodeInvalidValue, "0x%x is not the start of memory that this device allocated and has not freed yet", uint64(p))
	}
	if err := failed(call, cu.MemFree(mem)); err != nil && waited == nil {
		return err
	}
	return waited
}

// CopyIn waits for the copy to complete, because the driver may read src after the call returns: it does if the device can access
// pageable memory, or if src happens to be page-locked.
func (d *device) CopyIn(dst driver.Ptr, src []byte, on driver.Stream) (err error) {
	const call = "cuMemcpyHtoDAsync"
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if len(src) == 0 {
		return nil
	}
	var pin runtime.Pinner // cgo pins src only during the call; the copy may take longer
	pin.Pin(&src[0])
	defer pin.Unpin()
	code := C.cuMemcpyHtoDAsync(C.CUdeviceptr(dst), unsafe.Pointer(&src[0]), C.size_t(len(src)), cstream(s))
	if code != 0 {
		return newError(call, int(code))
	}
	return failed("cuStreamSynchronize", s.Synchronize())
}

func (d *device) CopyOut(dst []byte, src driver.Ptr, on driver.Stream) (err error) {
	const call = "cuMemcpyDtoHAsync"
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if len(dst) == 0 {
		return nil
	}
	var pin runtime.Pinner
	pin.Pin(&dst[0])
	defer pin.Unpin()
	code := C.cuMemcpyDtoHAsync(unsafe.Pointer(&dst[0]), C.CUdeviceptr(src), C.size_t(len(dst)), cstream(s))
	if code != 0 {
		return newError(call, int(code))
	}
	return failed("cuStreamSynchronize", s.Synchronize())
}

func (d *device) Copy(dst, src driver.Ptr, bytes uint64, on driver.Stream) (err error) {
	const call = "cuMemcpyDtoDAsync"
	if bytes > math.MaxInt64 {
		return refused(call, driver.CodeInvalidValue, "%d bytes", bytes)
	}
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if bytes == 0 {
		return nil
	}
	return failed(call, cu.MemcpyDtoDAsync(cu.DevicePtr(dst), cu.DevicePtr(src), int64(bytes), s.Stream))
}

func (d *device) Zero(dst driver.Ptr, bytes uint64, on driver.Stream) (err error) {
	const call = "cuMemsetD8Async"
	if bytes > math.MaxInt64 {
		return refused(call, driver.CodeInvalidValue, "%d bytes", bytes)
	}
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if bytes == 0 {
		return nil
	}
	return failed(call, cu.MemsetD8Async(cu.DevicePtr(dst), 0, int64(bytes), s.Stream))
}
