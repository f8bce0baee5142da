//go:build cuda && linux && amd64 && cgo

package cuda

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

type module struct {
	mod cu.Module
	ptx string // to look up the kernels' parameters

	mu        sync.Mutex
	functions map[string]driver.Function // by name, so that each has one handle
}

type function struct {
	fn        cu.Function
	name      string
	arguments int   // number of arguments of Launch; -1: unknown
	layout    error // why Launch cannot pass the parameters, or nil
}

// Load loads PTX, which the driver compiles. The compiler's messages are in the error.
func (d *device) Load(ptx string) (h driver.Module, err error) {
	const call = "cuModuleLoadDataEx"
	if i := strings.IndexByte(ptx, 0); i >= 0 {
		return 0, refused(call, driver.CodeInvalidPTX, "the PTX has a zero byte at %d of %d, where the driver would see its end", i, len(ptx))
	}
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	// cu passes the address of the buffer as an integer, so the runtime does not know that C writes to it.
	log := cu.JITErrorLogBuffer{Buffer: make([]byte, 8192)}
	var pin runtime.Pinner
	pin.Pin(&log.Buffer[0])
	defer pin.Unpin()
	mod, err := cu.LoadDataEx(ptx, &log)
	if err != nil {
		e := failed(call, err)
		text, _, _ := bytes.Cut(log.Buffer, []byte{0})
		if text = bytes.TrimSpace(text); len(text) > 0 {
			e.(*driver.Error).Detail += ":\n" + string(text)
		}
		return 0, e
	}
	return driver.Module(d.modules.add(&module{mod: mod, ptx: ptx, functions: make(map[string]driver.Function)})), nil
}

// Unload waits for the device's work, which may include the module's kernels.
func (d *device) Unload(h driver.Module) (err error) {
	const call = "cuModuleUnload"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	waited := failed("cuCtxSynchronize", cu.Synchronize())
	if whileCapturing(waited) {
		return waited
	}
	m, ok := d.modules.take(uint64(h))
	if !ok {
		return refused(call, driver.CodeInvalidHandle, "module %#x is not loaded on this device", uint64(h))
	}
	for _, f := range m.functions {
		d.functions.take(uint64(f))
	}
	if err := failed(call, m.mod.Unload()); err != nil && waited == nil {
		return err
	}
	return waited
}

func (d *device) Function(h driver.Module, name string) (f driver.Function, err error) {
	const call = "cuModuleGetFunction"
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return 0, refused(call, driver.CodeNotFound, "%q is not the name of a kernel", name)
	}
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	e := d.modules.get(uint64(h))
	if e == nil {
		return 0, refused(call, driver.CodeInvalidHandle, "module %#x is not loaded on this device", uint64(h))
	}
	defer e.users.Done()
	m := e.value
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.functions[name]; ok {
		return f, nil
	}
	fn, err := m.mod.Function(name)
	if err != nil {
		e := failed(call, err)
		e.(*driver.Error).Detail += ": " + name
		return 0, e
	}
	arguments, layout := driver.Arguments(m.ptx, name)
	f = driver.Function(d.functions.add(function{fn: fn, name: name, arguments: arguments, layout: layout}))
	m.functions[name] = f
	return f, nil
}

// maxArguments is the maximum number of arguments of a launch, enough for a struct of 1 KiB.
const maxArguments = 128

// boxes holds the arguments of a launch in the form that cu takes: one pointer to 8 bytes per argument. The pointers are set once and
// reused for many launches.
type boxes struct {
	values   [maxArguments]uint64
	pointers [maxArguments]unsafe.Pointer
}

var pool = sync.Pool{New: func() any {
	b := new(boxes)
	for i := range b.values {
		b.pointers[i] = unsafe.Pointer(&b.values[i])
	}
	return b
}}

func (d *device) Launch(h driver.Function, g driver.Geometry, on driver.Stream, args []uint64) (err error) {
	s, err := d.enterStream(callLaunch, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	return d.launch(h, g, s, args)
}

// LaunchRecord makes the context current once for both calls, and pops it in the call of C that records the event.
func (d *device) LaunchRecord(h driver.Function, g driver.Geometry, on driver.Stream, args []uint64, e driver.Event) (launched, recorded error) {
	s, err := d.enterStream(callLaunch, on)
	if err != nil {
		return err, err
	}
	launched = d.launch(h, g, s, args)
	return launched, d.recordAndLeave(e, s)
}

const callLaunch = "cuLaunchKernel"

// launch does not allocate in Go; cu allocates and frees two blocks in C. It copies the arguments to consecutive words of one block and
// passes the address of each to the driver, so that the address of the first word is that of a struct passed by value.
func (d *device) launch(h driver.Function, g driver.Geometry, s stream, args []uint64) error {
	e := d.functions.get(uint64(h))
	if e == nil {
		return refused(callLaunch, driver.CodeInvalidHandle, "function %#x is not loaded on this device", uint64(h))
	}
	defer e.users.Done()
	f := &e.value
	if f.layout != nil {
		return refused(callLaunch, driver.CodeInvalidValue, "%v", f.layout)
	}
	// The driver reads as many arguments as the kernel has, even if fewer were passed.
	if f.arguments >= 0 && len(args) != f.arguments {
		return refused(callLaunch, driver.CodeInvalidValue, "%s takes %d arguments, not %d", f.name, f.arguments, len(args))
	}
	b := pool.Get().(*boxes)
	defer pool.Put(b)
	if len(args) > len(b.values) {
		return refused(callLaunch, driver.CodeInvalidValue, "%d arguments exceed the maximum of %d", len(args), len(b.values))
	}
	copy(b.values[:], args)
	return failed(callLaunch, f.fn.Launch(
		int(g.Grid[0]), int(g.Grid[1]), int(g.Grid[2]),
		int(g.Block[0]), int(g.Block[1]), int(g.Block[2]),
		int(g.SharedBytes), s.Stream, b.pointers[:len(args)]))
}
