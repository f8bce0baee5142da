// Package driver defines the device interface that package gpu needs: a subset of CUDA's driver interface, without its
// types, so that the same code in gpu can drive a real device (internal/cuda) or a simulated one (sim).
//
// All addresses and handles are numbers: a launch passes no pointers that the garbage collector would have to scan, and the
// hot path does not allocate.
package driver

import "fmt"

// Ptr is an address in a device's memory; 0 is the null pointer.
type Ptr uint64

// Handles of one device. Stream 0 is the device's default stream, and so is 1, CUDA's CU_STREAM_LEGACY; the other zero handles are
// invalid. The streams that a CUDA device itself creates have handles with the top bit set; a handle without it is a CUstream
// created elsewhere.
type (
	Stream   uint64
	Event    uint64
	Module   uint64
	Function uint64
)

// Info describes an open device.
type Info struct {
	Backend         string // "cuda" or "sim"
	Name            string // as reported by the driver
	Ordinal         int    // number of the device in its backend
	Major, Minor    int    // compute capability
	Multiprocessors int
	MemoryBytes     uint64 // total device memory
	L2Bytes         uint64 // 0: unknown
	DriverVersion   int    // CUDA version of the driver, 12040 for 12.4; 0: none
}

// Geometry is the shape of a launch, in blocks and in threads of a block.
type Geometry struct {
	Grid, Block [3]uint32
	SharedBytes uint32 // dynamic shared memory of a block
}

// Linear is the geometry of blocks × threads in one dimension.
func Linear(blocks, threads uint32) Geometry {
	return Geometry{Grid: [3]uint32{blocks, 1, 1}, Block: [3]uint32{threads, 1, 1}}
}

// Device is an open device. Its methods may be called from any goroutine.
//
// Work on one stream is done in the order of the calls. Launch, Zero, Copy, Record and WaitEvent return before it is done. A kernel's
// fault is reported by the first call that waits for the kernel or comes after the fault; as with CUDA, the device may then be
// unusable until it is closed.
//
// Errors of the device are of type *Error.
type Device interface {
	Info() Info

	// Alloc allocates bytes > 0 bytes of device memory, aligned to at least 256 bytes.
	Alloc(bytes uint64) (Ptr, error)
	// Free frees the memory once the work started before is done.
	Free(p Ptr) error
	// CopyIn copies src to the device after the stream's earlier work, and returns when src may be changed again.
	CopyIn(dst Ptr, src []byte, on Stream) error
	// CopyOut copies from the device after the stream's earlier work, and returns when dst is filled.
	CopyOut(dst []byte, src Ptr, on Stream) error
	// Copy copies within the device.
	Copy(dst, src Ptr, bytes uint64, on Stream) error
	// Zero clears device memory.
	Zero(dst Ptr, bytes uint64, on Stream) error

	NewStream() (Stream, error)
	CloseStream(s Stream) error
	// Wait returns when all earlier work of the stream is done.
	Wait(s Stream) error

	NewEvent() (Event, error)
	CloseEvent(e Event) error
	Record(e Event, on Stream) error
	// WaitEvent makes the stream's later work wait for the work that e was last recorded after, on whatever stream. The call itself
	// does not wait. It has no effect if e was never recorded.
	WaitEvent(e Event, on Stream) error
	// Elapsed waits for both events and returns the milliseconds between them.
	Elapsed(start, end Event) (float32, error)

	// Load compiles PTX text for the device. Its error includes the compiler's log.
	Load(ptx string) (Module, error)
	Unload(m Module) error
	Function(m Module, name string) (Function, error)
	// Launch starts a kernel. args holds one parameter each, in the order of the PTX: integers and addresses as they are,
	// a float64 as its bits, a float32 as its bits in the low half. The device has read args when Launch returns.
	Launch(f Function, g Geometry, on Stream, args []uint64) error

	// Close waits for the device's work and releases the device with everything still allocated on it. A second Close does nothing.
	Close() error
}

// Error is an error that a device's driver reported.
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

// Codes of CUresult that this project distinguishes, or whose names the binding lacks.
const (
	CodeInvalidValue   = 1
	CodeOutOfMemory    = 2
	CodeNotInitialized = 3
	CodeStubLibrary    = 34
	CodeNoDevice       = 100
	CodeInvalidDevice  = 101
	CodeInvalidContext = 201
	CodeInvalidPTX     = 218
	CodeUnsupportedPTX = 222
	CodeInvalidHandle  = 400
	CodeNotFound       = 500
	CodeIllegalAddress = 700
	CodeOutOfResources = 701
	CodeLaunchTimeout  = 702
	CodeIllegalInstr   = 715
	CodeMisaligned     = 716
	CodeLaunchFailed   = 719
	CodeUnknown        = 999
)
