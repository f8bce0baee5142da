//go:build cuda && linux && amd64 && cgo

// Command simdriver is a libcuda.so.1 with one device, a simulated one. With it, unmodified programs built for CUDA run without a GPU and
// execute the kernels' PTX. The libcuda of package fakedriver checks calls more strictly, but does not run kernels. Command simdriver is
// for tests only.
//
//	go build -tags cuda -buildmode=c-shared -o DIR/libcuda.so.1 ./internal/testkit/simdriver
//	LD_LIBRARY_PATH=DIR GODEBUG=asyncpreemptoff=1 PROGRAM
//
// The setting is needed because the program and the library each have a Go runtime, of which only one receives the signals by which Go
// preempts goroutines.
package main

// #include <stdint.h>
// typedef int CUresult;
// typedef uintptr_t handle; // CUcontext, CUstream, CUevent, CUmodule, CUfunction, CUdeviceptr
import "C"

import (
	"errors"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

func main() {}

// memory is the memory size of the device: too small for the largest arrays, whose simulation would take hours.
const memory = 1 << 30

// context is the handle of the only context. The current context of a thread is not tracked.
const context = 1

var device = sim.New(sim.Fast(), sim.MemoryBytes(memory), sim.Multiprocessors(16))

// code returns the CUresult for an error of the simulation.
func code(err error) C.CUresult {
	if err == nil {
		return 0
	}
	if e := (*driver.Error)(nil); errors.As(err, &e) {
		return C.CUresult(e.Code)
	}
	return driver.CodeUnknown
}

// give stores value in *to unless err is not nil, and returns the CUresult for err.
func give[T any](to *T, value T, err error) C.CUresult {
	if err == nil {
		*to = value
	}
	return code(err)
}

//export cuInit
func cuInit(C.uint) C.CUresult { return 0 }

//export cuDriverGetVersion
func cuDriverGetVersion(v *C.int) C.CUresult { return give(v, 13000, nil) }

//export cuDeviceGetCount
func cuDeviceGetCount(n *C.int) C.CUresult { return give(n, 1, nil) }

//export cuDeviceGet
func cuDeviceGet(d *C.int, ordinal C.int) C.CUresult {
	if ordinal != 0 {
		return driver.CodeInvalidDevice
	}
	return give(d, 0, nil)
}

//export cuDeviceGetName
func cuDeviceGetName(s *C.char, n C.int, _ C.int) C.CUresult {
	name := unsafe.Slice((*byte)(unsafe.Pointer(s)), n)
	name[copy(name[:n-1], "Simulated GPU")] = 0
	return 0
}

//export cuDeviceTotalMem_v2
func cuDeviceTotalMem_v2(n *C.size_t, _ C.int) C.CUresult { return give(n, memory, nil) }

//export cuDeviceGetAttribute
func cuDeviceGetAttribute(v *C.int, attribute, _ C.int) C.CUresult {
	info := device.Info()
	value, ok := map[C.int]int{16: info.Multiprocessors, 38: 1 << 16, 75: info.Major, 76: info.Minor}[attribute]
	if !ok {
		return driver.CodeInvalidValue
	}
	return give(v, C.int(value), nil)
}

//export cuDevicePrimaryCtxRetain
func cuDevicePrimaryCtxRetain(c *C.handle, _ C.int) C.CUresult { return give(c, context, nil) }

//export cuDevicePrimaryCtxRelease_v2
func cuDevicePrimaryCtxRelease_v2(C.int) C.CUresult { return 0 }

//export cuCtxPushCurrent_v2
func cuCtxPushCurrent_v2(C.handle) C.CUresult { return 0 }

//export cuCtxPopCurrent_v2
func cuCtxPopCurrent_v2(c *C.handle) C.CUresult { return give(c, context, nil) }

//export cuCtxSetCurrent
func cuCtxSetCurrent(C.handle) C.CUresult { return 0 }

//export cuCtxGetCurrent
func cuCtxGetCurrent(c *C.handle) C.CUresult { return give(c, context, nil) }

//export cuCtxSynchronize
func cuCtxSynchronize() C.CUresult { return code(device.Wait(0)) }

//export cuMemAlloc_v2
func cuMemAlloc_v2(p *C.handle, n C.size_t) C.CUresult {
	at, err := device.Alloc(uint64(n))
	return give(p, C.handle(at), err)
}

//export cuMemFree_v2
func cuMemFree_v2(p C.handle) C.CUresult { return code(device.Free(driver.Ptr(p))) }

//export cuMemcpyHtoDAsync_v2
func cuMemcpyHtoDAsync_v2(to C.handle, from *byte, n C.size_t, on C.handle) C.CUresult {
	if at := pinnedAt(unsafe.Pointer(from)); at != 0 {
		return code(device.CopyInAsync(driver.Ptr(to), at, uint64(n), driver.Stream(on)))
	}
	return code(device.CopyIn(driver.Ptr(to), unsafe.Slice(from, n), driver.Stream(on)))
}

//export cuMemcpyDtoHAsync_v2
func cuMemcpyDtoHAsync_v2(to *byte, from C.handle, n C.size_t, on C.handle) C.CUresult {
	if at := pinnedAt(unsafe.Pointer(to)); at != 0 {
		return code(device.CopyOutAsync(at, driver.Ptr(from), uint64(n), driver.Stream(on)))
	}
	return code(device.CopyOut(unsafe.Slice(to, n), driver.Ptr(from), driver.Stream(on)))
}

//export cuMemcpyDtoDAsync_v2
func cuMemcpyDtoDAsync_v2(to, from C.handle, n C.size_t, on C.handle) C.CUresult {
	return code(device.Copy(driver.Ptr(to), driver.Ptr(from), uint64(n), driver.Stream(on)))
}

//export cuMemsetD8Async
func cuMemsetD8Async(to C.handle, value C.uchar, n C.size_t, on C.handle) C.CUresult {
	if value != 0 {
		return driver.CodeInvalidValue
	}
	return code(device.Zero(driver.Ptr(to), uint64(n), driver.Stream(on)))
}
