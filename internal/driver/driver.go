// Package driver is what package gpu needs of a device: a dozen calls in the shape of CUDA's driver interface, without its
// types, so that a real device (internal/cuda) and a simulated one (sim) can stand behind the same gpu code.
//
// All addresses and handles are numbers: a launch passes nothing that a garbage collector would have to look at, and the
// hot path allocates nothing.
package driver

import "fmt"

// Ptr is an address in a device's memory; 0 is no memory.
type Ptr uint64

// Handles of one device. The zero Stream is the device's default stream, as is 1, the name that CUDA has for it too; the other
// zeros name nothing. A CUDA device gives its own streams handles with the top bit set; one without it is a CUstream that somebody
// else made.
type (
	Stream   uint64
	Event    uint64
	Module   uint64
	Function uint64
)

// Info describes an open device.
type Info struct {
	Backend         string // "cuda" or "sim"
	Name            string // as the driver names it
	Ordinal         int    // number of the device in its backend
	Major, Minor    int    // compute capability
	Multiprocessors int
	MemoryBytes     uint64 // total device memory
	L2Bytes         uint64 // 0: not known
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
// Work on one stream happens in the order of the calls; Launch, Zero, Copy, Record and WaitEvent return before it has happened. A fault
// of a kernel is reported by the first call that waits for it or comes after it, and as with CUDA the device may then be
// unusable until it is closed.
//
// Errors of the device are of type *Error.
type Device interface {
	Info() Info

	// Alloc returns bytes > 0 of device memory, aligned to at least 256.
	Alloc(bytes uint64) (Ptr, error)
	// Free returns the memory after the work that was started before.
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
	// WaitEvent has the stream's later work wait for the work that e was last recorded after, of whatever stream; nothing
	// waits here. An event that was never recorded is nothing to wait for.
	WaitEvent(e Event, on Stream) error
	// Elapsed waits for both events and returns the milliseconds between them.
	Elapsed(start, end Event) (float32, error)

	// Load compiles PTX text for the device. Its error carries the compiler's log.
	Load(ptx string) (Module, error)
	Unload(m Module) error
	Function(m Module, name string) (Function, error)
	// Launch starts a kernel. args holds one parameter each, in the order of the PTX: integers and addresses as they are,
	// a float64 as its bits, a float32 as its bits in the low half. The device has read args when Launch returns.
	Launch(f Function, g Geometry, on Stream, args []uint64) error

	// Close waits for the device's work and releases it; what is still allocated is lost. The second Close does nothing.
	Close() error
}

// Error is an error that a device's driver reported.
type Error struct {
	Call   string // the driver's call: "cuMemAlloc"
	Code   int    // CUresult: 2
	Name   string // the code's name: "CUDA_ERROR_OUT_OF_MEMORY"
	Detail string // what else is known: the compiler's log, the place of a fault; may be empty
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

// Codes of CUresult that this project tells apart or gives a name that the binding lacks.
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
