//go:build cuda && linux && amd64 && cgo

package main

// #include <stddef.h>
// #include <stdint.h>
// #include <stdio.h>
// typedef int CUresult;
// typedef uintptr_t handle;
//
// static CUresult error_name(CUresult code, char **to) {
//	static _Thread_local char s[40];
//	snprintf(s, sizeof s, "CUDA_ERROR_%d", code);
//	*to = s;
//	return 0;
// }
import "C"

import (
	"sync"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/driver"
)

//export cuGetErrorName
func cuGetErrorName(code C.CUresult, to **C.char) C.CUresult { return C.error_name(code, to) }

//export cuGetErrorString
func cuGetErrorString(code C.CUresult, to **C.char) C.CUresult { return C.error_name(code, to) }

//export cuStreamCreate
func cuStreamCreate(s *C.handle, _ C.uint) C.CUresult {
	made, err := device.NewStream()
	return give(s, C.handle(made), err)
}

//export cuStreamDestroy_v2
func cuStreamDestroy_v2(s C.handle) C.CUresult { return code(device.CloseStream(driver.Stream(s))) }

//export cuStreamSynchronize
func cuStreamSynchronize(s C.handle) C.CUresult { return code(device.Wait(driver.Stream(s))) }

//export cuEventCreate
func cuEventCreate(e *C.handle, _ C.uint) C.CUresult {
	made, err := device.NewEvent()
	return give(e, C.handle(made), err)
}

//export cuEventDestroy_v2
func cuEventDestroy_v2(e C.handle) C.CUresult {
	return code(device.CloseEvent(driver.Event(e)))
}

//export cuEventRecord
func cuEventRecord(e, on C.handle) C.CUresult {
	return code(device.Record(driver.Event(e), driver.Stream(on)))
}

func waitFor(e C.handle) C.CUresult {
	return code(device.Await(driver.Event(e)))
}

//export cuEventSynchronize
func cuEventSynchronize(e C.handle) C.CUresult { return waitFor(e) }

//export cuEventQuery
func cuEventQuery(e C.handle) C.CUresult { return waitFor(e) }

//export cuStreamQuery
func cuStreamQuery(s C.handle) C.CUresult { return code(device.Wait(driver.Stream(s))) }

//export cuStreamWaitEvent
func cuStreamWaitEvent(s, e C.handle, flags C.uint) C.CUresult {
	return code(device.WaitEvent(driver.Event(e), driver.Stream(s)))
}

//export cuEventElapsedTime
func cuEventElapsedTime(ms *C.float, start, end C.handle) C.CUresult {
	took, err := device.Elapsed(driver.Event(start), driver.Event(end))
	return give(ms, C.float(took), err)
}

// arguments maps each function to its number of arguments.
var arguments sync.Map

// texts maps each module to its PTX.
var texts sync.Map

//export cuModuleLoadDataEx
func cuModuleLoadDataEx(m *C.handle, image *C.char, n C.uint, options, values unsafe.Pointer) C.CUresult {
	text := C.GoString(image)
	made, err := device.Load(text)
	if err == nil {
		texts.Store(C.handle(made), text)
	}
	return give(m, C.handle(made), err)
}

//export cuModuleUnload
func cuModuleUnload(m C.handle) C.CUresult { return code(device.Unload(driver.Module(m))) }

//export cuModuleGetFunction
func cuModuleGetFunction(f *C.handle, m C.handle, name *C.char) C.CUresult {
	found, err := device.Function(driver.Module(m), C.GoString(name))
	if err != nil {
		return code(err)
	}
	text, _ := texts.Load(m)
	n, err := driver.Arguments(text.(string), C.GoString(name))
	if err != nil || n < 0 {
		return driver.CodeInvalidPTX
	}
	arguments.Store(C.handle(found), n)
	return give(f, C.handle(found), nil)
}

// cuLaunchKernel reads 8 bytes of each parameter, even of one that has 4: package cuda stores each in 8, and passes an address for each
// word of a struct.
//
//export cuLaunchKernel
func cuLaunchKernel(f C.handle, gx, gy, gz, bx, by, bz, shared C.uint, on C.handle, params **uint64, _ unsafe.Pointer) C.CUresult {
	count, ok := arguments.Load(f)
	if !ok {
		return driver.CodeInvalidHandle
	}
	var args []uint64
	for _, p := range unsafe.Slice(params, count.(int)) {
		args = append(args, *p)
	}
	g := driver.Geometry{Grid: [3]uint32{uint32(gx), uint32(gy), uint32(gz)}, Block: [3]uint32{uint32(bx), uint32(by), uint32(bz)}, SharedBytes: uint32(shared)}
	return code(device.Launch(driver.Function(f), g, driver.Stream(on), args))
}
