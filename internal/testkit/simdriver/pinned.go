//go:build cuda && linux && amd64 && cgo

package main

// #include <stddef.h>
// #include <stdint.h>
// typedef int CUresult;
// typedef uintptr_t handle;
import "C"

import (
	"sync"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// pinned holds the page-locked memory: for each allocation, where the host and the device have it.
var pinned struct {
	sync.Mutex
	all []pinnedMemory
}

type pinnedMemory struct {
	host uintptr
	n    uintptr
	at   driver.Ptr
}

// pinnedAt returns the device's address of page-locked memory, or 0 for other memory of the host.
func pinnedAt(host unsafe.Pointer) driver.Ptr {
	pinned.Lock()
	defer pinned.Unlock()
	for _, p := range pinned.all {
		if off := uintptr(host) - p.host; off < p.n {
			return p.at + driver.Ptr(off)
		}
	}
	return 0
}

// cuMemHostAlloc hands out memory of this library's Go heap, which does not move, and which the device keeps alive.
//
//export cuMemHostAlloc
func cuMemHostAlloc(p *C.handle, n C.size_t, _ C.uint) C.CUresult {
	host, at, err := device.AllocPinned(uint64(n))
	if err != nil {
		return code(err)
	}
	pinned.Lock()
	defer pinned.Unlock()
	made := pinnedMemory{uintptr(unsafe.Pointer(&host[0])), uintptr(n), at}
	pinned.all = append(pinned.all, made)
	return give(p, C.handle(made.host), nil)
}

//export cuMemHostGetDevicePointer_v2
func cuMemHostGetDevicePointer_v2(d *C.handle, host C.handle, _ C.uint) C.CUresult {
	pinned.Lock()
	defer pinned.Unlock()
	for _, p := range pinned.all {
		if p.host == uintptr(host) {
			return give(d, C.handle(p.at), nil)
		}
	}
	return driver.CodeInvalidValue
}

//export cuMemFreeHost
func cuMemFreeHost(host C.handle) C.CUresult {
	pinned.Lock()
	defer pinned.Unlock()
	for i, p := range pinned.all {
		if p.host == uintptr(host) {
			pinned.all = append(pinned.all[:i], pinned.all[i+1:]...)
			return code(device.FreePinned(p.at))
		}
	}
	return driver.CodeInvalidValue
}

//export cuMemGetInfo_v2
func cuMemGetInfo_v2(free, total *C.size_t) C.CUresult {
	f, t, err := device.MemoryInfo()
	if err != nil {
		return code(err)
	}
	*free, *total = C.size_t(f), C.size_t(t)
	return 0
}
