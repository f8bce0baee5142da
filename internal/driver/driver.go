// Package driver defines the device interface that package gpu needs: a subset of CUDA's driver interface, without its
// types, so that the same code in gpu can drive a real device (internal/cuda) or a simulated one (sim).
//
// All addresses and handles are numbers: a launch passes no pointers that the garbage collector would have to scan, and the
// hot path does not allocate.
package driver

import "github.com/smoothl1/smoothl1/device"

// The types of package device, which users of package sim see.
type (
	Ptr      = device.Ptr
	Stream   = device.Stream
	Event    = device.Event
	Graph    = device.Graph
	Module   = device.Module
	Function = device.Function
	Info     = device.Info
	Geometry = device.Geometry
	Error    = device.Error
)

// Linear is the geometry of blocks × threads in one dimension.
func Linear(blocks, threads uint32) Geometry { return device.Linear(blocks, threads) }

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
	// a float64 as its bits, a float32 as its bits in the low half. The last parameter may be a struct, passed by value: its
	// words of 8 bytes, as it lies in memory, are the last arguments. The device has read args when Launch returns.
	Launch(f Function, g Geometry, on Stream, args []uint64) error

	// Close waits for the device's work and releases the device with everything still allocated on it. A second Close does nothing.
	Close() error
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
	CodeNoBinaryForGPU = 209
	CodeInvalidPTX     = 218
	CodeNoJITCompiler  = 221
	CodeUnsupportedPTX = 222
	CodeJITDisabled    = 223
	CodeInvalidHandle  = 400
	CodeIllegalState   = 401
	CodeNotFound       = 500
	CodeIllegalAddress = 700
	CodeOutOfResources = 701
	CodeLaunchTimeout  = 702
	CodeIllegalInstr   = 715
	CodeMisaligned     = 716
	CodeLaunchFailed   = 719
	CodeNotSupported   = 801
	CodeUnknown        = 999
)
