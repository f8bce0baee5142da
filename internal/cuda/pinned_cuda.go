//go:build cuda && linux && amd64 && cgo

package cuda

// Page-locked host memory, for which cu has no calls. Its host addresses are kept as numbers: the memory is not Go's, so the garbage
// collector need not know about them.

// #include <stdlib.h>
// #include "loader_cuda.h"
// static CUresult smoothl1_copy_in(CUdeviceptr dst, unsigned long long host, size_t n, CUstream s) { return cuMemcpyHtoDAsync(dst, (void *)host, n, s); }
// static CUresult smoothl1_copy_out(unsigned long long host, CUdeviceptr src, size_t n, CUstream s) { return cuMemcpyDtoHAsync((void *)host, src, n, s); }
// static CUresult smoothl1_free_host(unsigned long long host) { return cuMemFreeHost((void *)host); }
import "C"

import (
	"math"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// pinned is an allocation of page-locked host memory.
type pinned struct{ base, host, bytes uint64 } // base is its address for kernels, host for the host

func (p pinned) free() error {
	if code := C.smoothl1_free_host(C.ulonglong(p.host)); code != 0 {
		return newError("cuMemFreeHost", int(code))
	}
	return nil
}

// has reports whether the driver library has all the functions.
func has(functions ...string) bool {
	for _, f := range functions {
		name := C.CString(f)
		found := C.smoothl1_cuda_has(name)
		C.free(unsafe.Pointer(name))
		if found == 0 {
			return false
		}
	}
	return true
}

var hasPinned = sync.OnceValue(func() bool {
	return has("cuMemHostAlloc", "cuMemHostGetDevicePointer_v2", "cuMemFreeHost")
})

// Pinned returns the device's page-locked memory, or nil if the driver library lacks a function for it.
func (d *device) Pinned() driver.Pinned {
	if !hasPinned() {
		return nil
	}
	return d
}

func (d *device) AllocPinned(bytes uint64) (host []byte, at driver.Ptr, err error) {
	const call = "cuMemHostAlloc"
	if bytes == 0 || bytes > math.MaxInt64 {
		return nil, 0, refused(call, driver.CodeInvalidValue, "%d bytes", bytes)
	}
	if err := d.enter(call); err != nil {
		return nil, 0, err
	}
	defer d.leave(&err)
	var p unsafe.Pointer
	if code := C.cuMemHostAlloc(&p, C.size_t(bytes), C.CU_MEMHOSTALLOC_PORTABLE|C.CU_MEMHOSTALLOC_DEVICEMAP); code != 0 {
		return nil, 0, newError(call, int(code))
	}
	mem := pinned{host: uint64(uintptr(p)), bytes: bytes}
	var base C.CUdeviceptr
	if code := C.cuMemHostGetDevicePointer(&base, p, 0); code != 0 {
		_ = mem.free() // the first error is the one to report
		return nil, 0, newError("cuMemHostGetDevicePointer", int(code))
	}
	mem.base = uint64(base)
	d.pinned.put(mem.base, mem)
	return unsafe.Slice((*byte)(p), bytes), driver.Ptr(base), nil
}

// FreePinned waits for all work of the context: CUDA does not document that cuMemFreeHost does.
func (d *device) FreePinned(p driver.Ptr) (err error) {
	const call = "cuMemFreeHost"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	waited := failed("cuCtxSynchronize", cu.Synchronize())
	if whileCapturing(waited) {
		return waited
	}
	mem, ok := d.pinned.take(uint64(p))
	if !ok {
		return refused(call, driver.CodeInvalidValue, "0x%x is not the start of page-locked memory that this device allocated and has not freed yet", uint64(p))
	}
	if err := mem.free(); err != nil && waited == nil {
		return err
	}
	return waited
}

// hostOf returns the host address of bytes of page-locked memory at p, and its entry in use.
func (d *device) hostOf(call string, p driver.Ptr, bytes uint64) (uint64, *entry[pinned], error) {
	within := func(m pinned) bool {
		return uint64(p) >= m.base && uint64(p)-m.base <= m.bytes && bytes <= m.bytes-(uint64(p)-m.base)
	}
	e := d.pinned.get(uint64(p))
	if e != nil && !within(e.value) {
		e.users.Done()
		e = nil
	}
	if e == nil {
		e = d.pinned.find(within)
	}
	if e == nil {
		return 0, nil, refused(call, driver.CodeInvalidValue, "%d bytes at 0x%x are not page-locked memory of this device", bytes, uint64(p))
	}
	return e.value.host + uint64(p) - e.value.base, e, nil
}

func (d *device) CopyInAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	return d.copyAsync("cuMemcpyHtoDAsync", src, bytes, on, func(host uint64, s stream) C.CUresult {
		return C.smoothl1_copy_in(C.CUdeviceptr(dst), C.ulonglong(host), C.size_t(bytes), cstream(s))
	})
}

func (d *device) CopyOutAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	return d.copyAsync("cuMemcpyDtoHAsync", dst, bytes, on, func(host uint64, s stream) C.CUresult {
		return C.smoothl1_copy_out(C.ulonglong(host), C.CUdeviceptr(src), C.size_t(bytes), cstream(s))
	})
}

// copyAsync starts a copy of bytes whose end on the host is page-locked memory at p.
func (d *device) copyAsync(call string, p driver.Ptr, bytes uint64, on driver.Stream, start func(host uint64, s stream) C.CUresult) (err error) {
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if bytes == 0 {
		return nil
	}
	host, e, err := d.hostOf(call, p, bytes)
	if err != nil {
		return err
	}
	defer e.users.Done()
	if code := start(host, s); code != 0 {
		return newError(call, int(code))
	}
	return nil
}

func (d *device) Await(h driver.Event) (err error) {
	const call = "cuEventSynchronize"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	e := d.events.get(uint64(h))
	if e == nil {
		return refused(call, driver.CodeInvalidHandle, "event %#x is not open on this device", uint64(h))
	}
	defer e.users.Done()
	return failed(call, e.value.Synchronize())
}

// MemoryInfo returns the bytes of the device's memory that are free, for all processes, and how many there are.
func (d *device) MemoryInfo() (free, total uint64, err error) {
	const call = "cuMemGetInfo"
	if err := d.enter(call); err != nil {
		return 0, 0, err
	}
	defer d.leave(&err)
	f, t, err := cu.MemInfo()
	return uint64(f), uint64(t), failed(call, err)
}
