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

// capturing holds the streams that are being captured.
var capturing sync.Map

//export cuStreamIsCapturing
func cuStreamIsCapturing(s C.handle, status *C.int) C.CUresult {
	_, active := capturing.Load(s)
	if active {
		return give(status, 1, nil)
	}
	return give(status, 0, nil)
}

//export cuStreamBeginCapture_v2
func cuStreamBeginCapture_v2(s C.handle, mode C.int) C.CUresult {
	err := device.BeginCapture(driver.Stream(s))
	if err == nil {
		capturing.Store(s, true)
	}
	return code(err)
}

// cuStreamEndCapture returns a graph that can be launched as it is: the handle is also that of the executable graph.
//
//export cuStreamEndCapture
func cuStreamEndCapture(s C.handle, g *C.handle) C.CUresult {
	capturing.Delete(s)
	made, err := device.EndCapture(driver.Stream(s))
	return give(g, C.handle(made), err)
}

//export cuGraphInstantiateWithFlags
func cuGraphInstantiateWithFlags(exec *C.handle, g C.handle, flags C.ulonglong) C.CUresult {
	return give(exec, g, nil)
}

//export cuGraphInstantiate
func cuGraphInstantiate(exec *C.handle, g C.handle, node, log unsafe.Pointer, n C.size_t) C.CUresult {
	return give(exec, g, nil)
}

//export cuGraphDestroy
func cuGraphDestroy(C.handle) C.CUresult { return 0 }

//export cuGraphLaunch
func cuGraphLaunch(g, s C.handle) C.CUresult {
	return code(device.LaunchGraph(driver.Graph(g), driver.Stream(s)))
}

//export cuGraphExecDestroy
func cuGraphExecDestroy(g C.handle) C.CUresult { return code(device.CloseGraph(driver.Graph(g))) }
