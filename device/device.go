// Package device defines the types that all devices share: the description of a device, the handles it hands out, the shape of a
// launch, and the errors of its driver. Programs that open devices with package gpu do not need it. Programs that run kernels of
// their own on the simulated device find here the parameter and result types of the methods of sim.Device; package sim has aliases
// of the same names.
package device

import "fmt"

// Ptr is an address in a device's memory; 0 is the null pointer.
type Ptr uint64

// A Stream is a handle of a stream of one device. 0 is the default stream, and so is 1, CUDA's CU_STREAM_LEGACY. The streams that a
// CUDA device itself creates have handles with the top bit set; a handle without it is a CUstream created elsewhere.
type Stream uint64

// An Event is a handle of an event of one device; 0 is invalid.
type Event uint64

// A Graph is a handle of captured work that is ready to be launched; 0 is invalid.
type Graph uint64

// A Module is a handle of a loaded PTX text on one device; 0 is invalid.
type Module uint64

// A Function is a handle of a kernel in a module; 0 is invalid.
type Function uint64

// Info describes an open device.
type Info struct {
	Backend         string // "cuda" or "sim"
	Name            string // as reported by the driver
	Ordinal         int    // number of the device in its backend
	Major, Minor    int    // compute capability
	Multiprocessors int
	MemoryBytes     uint64 // total device memory
	L2Bytes         uint64 // size of the L2 cache; 0: unknown
	DriverVersion   int    // CUDA version of the driver, 12040 for 12.4; 0: none
}

// Geometry is the shape of a launch, in blocks and in threads of a block.
type Geometry struct {
	Grid, Block [3]uint32
	SharedBytes uint32 // dynamic shared memory of a block
}

// Linear returns the one-dimensional geometry of the given number of blocks, each of the given number of threads.
func Linear(blocks, threads uint32) Geometry {
	return Geometry{Grid: [3]uint32{blocks, 1, 1}, Block: [3]uint32{threads, 1, 1}}
}

// Error is an error reported by a device's driver.
type Error struct {
	Call   string // the driver's call: "cuMemAlloc"
	Code   int    // CUresult: 2
	Name   string // the code's name: "CUDA_ERROR_OUT_OF_MEMORY"
	Detail string // further information, such as the compiler's log or the location of a fault; may be empty
}

func (e *Error) Error() string {
	if e == nil {
		return "no error"
	}
	name := e.Name
	if name == "" {
		name = "CUDA error"
	}
	s := fmt.Sprintf("%s (%d) from %s", name, e.Code, e.Call)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}
