package sim

import (
	"fmt"
	"sync"
	"time"

	"github.com/smoothl1/smoothl1/device"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

// The types of package device.
type (
	Ptr      = device.Ptr      // an address in device memory; 0 is no memory
	Stream   = device.Stream   // a stream; 0 is the default one
	Event    = device.Event    // an event
	Module   = device.Module   // a loaded PTX text
	Function = device.Function // a kernel of a module
	Info     = device.Info     // a description of a device
	Geometry = device.Geometry // the shape of a launch: Grid, Block, SharedBytes
	Error    = device.Error    // an error, with CUDA's code and name
)

var _ driver.Device = (*Device)(nil)

// Linear is the geometry of blocks × threads in one dimension.
func Linear(blocks, threads uint32) Geometry { return device.Linear(blocks, threads) }

// Device is a simulated CUDA device. Its methods may be called from any goroutine; a mutex serializes them. A kernel may use all
// cores.
//
// Work is queued as on a GPU. The seed decides whether a launch runs at once or only when something waits for it, so that a program
// that forgets to wait is caught.
type Device struct {
	isMade bool // by New; never reset
	opts   options
	info   Info

	mu       sync.Mutex
	closed   bool
	fault    *Error // once set, every later call fails with it, as on a GPU
	reported bool
	memory   *vm.Memory
	nextAddr uint64
	used     uint64
	draws    vm.Rand
	launches uint64
	handles  uint64 // the last handle given out
	streams  map[Stream]*stream
	inOrder  []*stream // in order of creation
	events   map[Event]*event
	graphs   map[Graph]*graph
	captures int // streams being captured
	modules  map[Module]*module
	kernels  map[Function]*kernel
	covered  map[string]map[string]*covered // by text and kernel
	coverage []*covered                     // in load order
	stats    Stats                          // without kernels
	planned  []planned
	calls    [callKinds]uint64
	leaked   Held
}

type stream struct {
	queue  []func() *Error
	next   int    // index in queue of the first item not yet done
	queued uint64 // work items enqueued so far
	done   uint64 // work items done so far

	capture *capture // or nil
}

type event struct{ mark *mark } // nil: never recorded

// mark is a point in a stream's work.
type mark struct {
	on       *stream
	end      uint64    // number of the stream's work items up to and including the mark's own
	at       time.Time // zero until they are done
	captured *capture  // the capture that the mark belongs to, or nil
}

type module struct {
	covered map[string]*covered // by kernel
	code    *vm.Module
	kernels map[string]Function
}

type kernel struct {
	prog   *vm.Program
	counts *vm.Cover
}

// New opens a simulated device. Option values out of range are replaced by the nearest valid ones.
func New(opts ...Option) *Device {
	d := &Device{isMade: true, opts: defaults(), memory: &vm.Memory{}, nextAddr: firstAddress, handles: firstHandle,
		streams: map[Stream]*stream{0: {}}, events: map[Event]*event{}, graphs: map[Graph]*graph{}, modules: map[Module]*module{},
		kernels: map[Function]*kernel{}, covered: map[string]map[string]*covered{}}
	for _, o := range opts {
		if o != nil {
			o(&d.opts)
		}
	}
	d.opts.settle()
	d.inOrder = append(d.inOrder, d.streams[0])
	d.draws = vm.NewRand(d.opts.seed, 1)
	d.info = Info{
		Backend: "sim", Name: "smoothl1 simulated device", Major: d.opts.major, Minor: d.opts.minor,
		Multiprocessors: d.opts.multiprocessors, MemoryBytes: d.opts.memory,
	}
	return d
}

// Info describes the device.
func (d *Device) Info() Info {
	if d == nil {
		return Info{}
	}
	return d.info
}

// Seed returns the seed of the device's random decisions. A device with the same seed that is used in the same way behaves the
// same.
func (d *Device) Seed() uint64 {
	if d == nil {
		return 0
	}
	return d.opts.seed
}

// Close waits for the device's work and releases everything. It returns a fault that no other call has reported. A second Close
// does nothing.
func (d *Device) Close() error {
	if !d.made() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.drainAll()
	d.closed, d.leaked = true, d.held()
	d.memory = &vm.Memory{}
	d.streams, d.inOrder, d.events, d.graphs, d.modules, d.kernels = nil, nil, nil, nil, nil, nil
	if d.fault != nil && !d.reported {
		d.reported = true
		return d.faultFrom("cuCtxDestroy")
	}
	return nil
}

// made reports whether the device was made by New. Methods of a nil device or a zero value return errors and zeros.
func (d *Device) made() bool { return d != nil && d.isMade }

// usable acquires the lock and returns an error if the call cannot be served. The caller must unlock in either case.
func (d *Device) usable(call string, kind CallKind) error {
	if !d.made() {
		return fail(call, driver.CodeInvalidContext, "the device is nil or a zero value: New makes devices")
	}
	d.mu.Lock()
	switch {
	case d.closed:
		return &Error{Call: call, Code: driver.CodeInvalidContext, Name: nameOf(driver.CodeInvalidContext), Detail: "the device is closed"}
	case d.opts.noSeed != "":
		return fail(call, driver.CodeInvalidValue, "%s", d.opts.noSeed)
	case d.fault != nil:
		d.reported = true
		return d.faultFrom(call)
	}
	if err := d.failing(call, kind); err != nil {
		return err
	}
	if d.captures > 0 && waits[kind] {
		return d.refuseCapture(call, "a call that waits, allocates or frees")
	}
	return nil
}

func (d *Device) unlock() {
	if d.made() {
		d.mu.Unlock()
	}
}

// faultFrom returns the device's fault as the error of a call.
func (d *Device) faultFrom(call string) error {
	e := *d.fault
	e.Call = call
	return &e
}

// after returns the device's fault, if any, to a call that has waited for work.
func (d *Device) after(call string) error {
	if d.fault != nil {
		d.reported = true
		return d.faultFrom(call)
	}
	return nil
}

func fail(call string, code int, format string, args ...any) error {
	return &Error{Call: call, Code: code, Name: nameOf(code), Detail: fmt.Sprintf(format, args...)}
}

var names = map[int]string{
	driver.CodeInvalidValue: "CUDA_ERROR_INVALID_VALUE", driver.CodeOutOfMemory: "CUDA_ERROR_OUT_OF_MEMORY",
	driver.CodeInvalidContext: "CUDA_ERROR_INVALID_CONTEXT", driver.CodeInvalidPTX: "CUDA_ERROR_INVALID_PTX",
	driver.CodeUnsupportedPTX: "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", driver.CodeInvalidHandle: "CUDA_ERROR_INVALID_HANDLE",
	driver.CodeIllegalState: "CUDA_ERROR_ILLEGAL_STATE",
	driver.CodeNotFound:     "CUDA_ERROR_NOT_FOUND", driver.CodeIllegalAddress: "CUDA_ERROR_ILLEGAL_ADDRESS",
	driver.CodeOutOfResources: "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", driver.CodeLaunchTimeout: "CUDA_ERROR_LAUNCH_TIMEOUT",
	driver.CodeIllegalInstr: "CUDA_ERROR_ILLEGAL_INSTRUCTION", driver.CodeMisaligned: "CUDA_ERROR_MISALIGNED_ADDRESS",
	driver.CodeLaunchFailed: "CUDA_ERROR_LAUNCH_FAILED", driver.CodeUnknown: "CUDA_ERROR_UNKNOWN",
	driver.CodeCaptureUnsupported: "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", driver.CodeCaptureInvalidated: "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
	driver.CodeCaptureIsolation: "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", driver.CodeCapturedEvent: "CUDA_ERROR_CAPTURED_EVENT",
}

func nameOf(code int) string { return names[code] }
