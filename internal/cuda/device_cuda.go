//go:build cuda && linux && amd64 && cgo

package cuda

// In cu's own PopCurrentCtx the result escapes to the heap, which would cost every call of this package an allocation of 8 bytes.

// #include "loader_cuda.h"
// static CUresult smoothl1_pop(void) { CUcontext top; return cuCtxPopCurrent(&top); }
import "C"

import (
	"runtime"
	"sync"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// device is a CUDA device, used through its primary context. CUDA's runtime API and the libraries on top of it use the same context,
// so memory can be shared with them. The context is pushed at the beginning of each call and popped at its end, which restores the
// context that the caller had made current on its thread.
//
// device keeps tables of the objects that it has created. A handle that is not in its table is refused before the driver sees it. Close
// frees the objects that are left, since the primary context, and memory with it, stays alive if other code has retained it too.
type device struct {
	info driver.Info
	dev  cu.Device
	ctx  cu.CUContext

	life   sync.RWMutex // held for reading by calls in progress, for writing by Close
	closed bool

	memory    table[cu.DevicePtr]
	pinned    table[pinned]
	streams   table[cu.Stream]
	events    table[cu.Event]
	modules   table[*module]
	functions table[function]
	graphs    table[graph]
	captures  captures
}

// Count returns the number of CUDA devices.
func Count() (int, error) {
	if err := Available(); err != nil {
		return 0, err
	}
	n, err := cu.NumDevices()
	return n, failed("cuDeviceGetCount", err)
}

// Open returns the CUDA device with the given ordinal, counted from 0. The same device may be opened more than once; memory and
// handles belong to the driver.Device that created them. The error wraps ErrUnavailable if there is no CUDA device at all, and is
// otherwise a *driver.Error.
func Open(ordinal int) (driver.Device, error) {
	d, err := find(ordinal)
	if err != nil {
		return nil, err
	}
	if d.ctx, err = d.dev.RetainPrimaryCtx(); err != nil {
		return nil, failed("cuDevicePrimaryCtxRetain", err)
	}
	return d, nil
}

// Inspect describes a CUDA device without opening it, that is, without creating a context. Its errors are those of Open.
func Inspect(ordinal int) (driver.Info, error) {
	d, err := find(ordinal)
	if err != nil {
		return driver.Info{}, err
	}
	return d.info, nil
}

// find returns the device with the given ordinal, without a context.
func find(ordinal int) (*device, error) {
	n, err := Count()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &unavailable{reason: "the driver " + C.GoString(C.smoothl1_cuda_path()) + " has no device"}
	}
	if ordinal < 0 || ordinal >= n {
		return nil, refused("cuDeviceGet", driver.CodeInvalidDevice, "there is no device %d: %d found, counted from 0", ordinal, n)
	}
	d := &device{info: driver.Info{Backend: "cuda", Ordinal: ordinal, DriverVersion: max(cu.Version(), 0)}}
	if d.dev, err = cu.GetDevice(ordinal); err != nil {
		return nil, failed("cuDeviceGet", err)
	}
	return d, d.inspect()
}

// inspect fills in d.info from the driver.
func (d *device) inspect() error {
	var err error
	if d.info.Name, err = d.dev.Name(); err != nil {
		return failed("cuDeviceGetName", err)
	}
	total, err := d.dev.TotalMem()
	if err != nil {
		return failed("cuDeviceTotalMem", err)
	}
	d.info.MemoryBytes = uint64(total)
	var l2 int
	for _, a := range []struct {
		which cu.DeviceAttribute
		value *int
	}{
		{cu.ComputeCapabilityMajor, &d.info.Major},
		{cu.ComputeCapabilityMinor, &d.info.Minor},
		{cu.MultiprocessorCount, &d.info.Multiprocessors},
		{cu.L2CacheSize, &l2},
	} {
		if *a.value, err = d.dev.Attribute(a.which); err != nil {
			return failed("cuDeviceGetAttribute", err)
		}
	}
	d.info.L2Bytes = uint64(l2)
	return nil
}

func (d *device) Info() driver.Info { return d.info }

// enter makes the context current and keeps Close out until leave. If it returns an error, leave must not be called.
func (d *device) enter(call string) error {
	d.life.RLock()
	if d.closed {
		d.life.RUnlock()
		return refused(call, driver.CodeInvalidContext, "the device is closed")
	}
	if err := d.push(); err != nil {
		d.life.RUnlock()
		return err
	}
	return nil
}

// leave ends a call begun by enter. It sets *err to its own error unless there is one already.
func (d *device) leave(err *error) {
	d.pop(err)
	d.life.RUnlock()
}

// Within calls f with the device's context current.
func (d *device) Within(f func() error) (err error) {
	if err := d.enter("Within"); err != nil {
		return err
	}
	defer d.leave(&err)
	return f()
}

func (d *device) push() error {
	runtime.LockOSThread() // the current context belongs to the thread
	if err := cu.PushCurrentCtx(d.ctx); err != nil {
		runtime.UnlockOSThread()
		return failed("cuCtxPushCurrent", err)
	}
	return nil
}

const callPop = "cuCtxPopCurrent"

func (d *device) pop(err *error) {
	code := int(C.smoothl1_pop())
	runtime.UnlockOSThread()
	if code != 0 && *err == nil {
		*err = newError(callPop, code)
	}
}

// Close waits for the calls in progress and the work that they queued, frees everything and releases the context. It performs all
// steps even if some fail, and returns the first error, which may be the fault of a kernel.
func (d *device) Close() (err error) {
	d.life.Lock()
	defer d.life.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	if e := d.push(); e != nil {
		note(e)
	} else {
		d.endCaptures(note)
		note(failed("cuCtxSynchronize", cu.Synchronize()))
		for _, s := range d.streams.drain() {
			note(failed("cuStreamDestroy", s.Destroy()))
		}
		for _, e := range d.events.drain() {
			note(failed("cuEventDestroy", cu.DestroyEvent(&e)))
		}
		for _, m := range d.modules.drain() {
			note(failed("cuModuleUnload", m.mod.Unload()))
		}
		for _, p := range d.memory.drain() {
			note(failed("cuMemFree", cu.MemFree(p)))
		}
		for _, p := range d.pinned.drain() {
			note(p.free())
		}
		d.functions.drain()
		d.pop(&err)
	}
	note(failed("cuDevicePrimaryCtxRelease", d.dev.ReleasePrimaryCtx()))
	return err
}
