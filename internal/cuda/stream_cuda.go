//go:build cuda && linux && amd64 && cgo

package cuda

// #include "loader_cuda.h"
// struct smoothl1_recorded { CUresult recorded, popped; };
// static struct smoothl1_recorded smoothl1_record_and_pop(CUevent e, CUstream s) {
//	CUcontext top;
//	struct smoothl1_recorded r = {cuEventRecord(e, s)};
//	r.popped = cuCtxPopCurrent(&top);
//	return r;
// }
import "C"

import (
	"runtime"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// stream is a stream in use by a call.
type stream struct {
	cu.Stream
	entry *entry[cu.Stream] // nil for the default stream and those created elsewhere
}

// enterStream is enter for a call on a stream, which is not destroyed before leaveStream. A handle without the bit ours is a CUstream
// of the device's primary context, created and kept open by other code.
func (d *device) enterStream(call string, on driver.Stream) (stream, error) {
	if err := d.enter(call); err != nil {
		return stream{}, err
	}
	if on&ours == 0 {
		return foreign(on), nil
	}
	e := d.streams.get(uint64(on))
	if e == nil {
		err := refused(call, driver.CodeInvalidHandle, "stream %#x is not open on this device", uint64(on))
		d.leave(&err)
		return stream{}, err
	}
	return stream{Stream: e.value, entry: e}, nil
}

// foreign returns a stream that was created elsewhere.
func foreign(on driver.Stream) stream {
	return stream{Stream: *(*cu.Stream)(unsafe.Pointer(&on))} // a struct with one pointer
}

func (d *device) leaveStream(s stream, err *error) {
	if s.entry != nil {
		s.entry.users.Done()
	}
	d.leave(err)
}

// NewStream creates a stream that does not synchronize with the default stream.
func (d *device) NewStream() (h driver.Stream, err error) {
	const call = "cuStreamCreate"
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	s, err := cu.MakeStream(cu.NonBlocking)
	if err != nil {
		return 0, failed(call, err)
	}
	return driver.Stream(d.streams.add(s)), nil
}

// CloseStream returns at once; work still queued on the stream is completed.
func (d *device) CloseStream(h driver.Stream) (err error) {
	const call = "cuStreamDestroy"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	if d.captures.has(h) {
		_ = cu.Synchronize() // invalidates the capture
		return refused(call, driver.CodeCaptureUnsupported, "stream %#x is being captured", uint64(h))
	}
	s, ok := d.streams.take(uint64(h))
	if !ok {
		return refused(call, driver.CodeInvalidHandle, "stream %#x is not open on this device", uint64(h))
	}
	return failed(call, s.Destroy())
}

func (d *device) Wait(on driver.Stream) (err error) {
	const call = "cuStreamSynchronize"
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	return failed(call, s.Synchronize())
}

func (d *device) NewEvent() (h driver.Event, err error) {
	const call = "cuEventCreate"
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	e, err := cu.MakeEvent(cu.DefaultEvent)
	if err != nil {
		return 0, failed(call, err)
	}
	return driver.Event(d.events.add(e)), nil
}

func (d *device) CloseEvent(h driver.Event) (err error) {
	const call = "cuEventDestroy"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	e, ok := d.events.take(uint64(h))
	if !ok {
		return refused(call, driver.CodeInvalidHandle, "event %#x is not open on this device", uint64(h))
	}
	return failed(call, cu.DestroyEvent(&e))
}

func (d *device) Record(h driver.Event, on driver.Stream) error {
	return d.onEvent("cuEventRecord", h, on, func(s cu.Stream, e cu.Event) error { return e.Record(s) })
}

// recordAndLeave is Record on a stream that the call has entered, followed by leaveStream, in one call of C: each costs more than what it does.
func (d *device) recordAndLeave(h driver.Event, s stream) (err error) {
	const call = "cuEventRecord"
	e := d.events.get(uint64(h))
	if e == nil {
		err := refused(call, driver.CodeInvalidHandle, "event %#x is not open on this device", uint64(h))
		d.leaveStream(s, &err)
		return err
	}
	r := C.smoothl1_record_and_pop(*(*C.CUevent)(unsafe.Pointer(&e.value)), cstream(s))
	runtime.UnlockOSThread()
	e.users.Done()
	if s.entry != nil {
		s.entry.users.Done()
	}
	switch {
	case r.recorded != 0:
		err = newError(call, int(r.recorded))
	case r.popped != 0:
		err = newError(callPop, int(r.popped))
	}
	d.life.RUnlock()
	return err
}

func (d *device) WaitEvent(h driver.Event, on driver.Stream) error {
	return d.onEvent("cuStreamWaitEvent", h, on, func(s cu.Stream, e cu.Event) error { return s.Wait(e, 0) })
}

// onEvent performs a call on a stream and an event.
func (d *device) onEvent(call string, h driver.Event, on driver.Stream, do func(cu.Stream, cu.Event) error) (err error) {
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	e := d.events.get(uint64(h))
	if e == nil {
		return refused(call, driver.CodeInvalidHandle, "event %#x is not open on this device", uint64(h))
	}
	defer e.users.Done()
	return failed(call, do(s.Stream, e.value))
}

func (d *device) Elapsed(start, end driver.Event) (ms float32, err error) {
	const call = "cuEventElapsedTime"
	if err := d.enter(call); err != nil {
		return 0, err
	}
	defer d.leave(&err)
	var both [2]cu.Event
	for i, h := range []driver.Event{start, end} {
		e := d.events.get(uint64(h))
		if e == nil {
			return 0, refused(call, driver.CodeInvalidHandle, "event %#x is not open on this device", uint64(h))
		}
		defer e.users.Done()
		if err := e.value.Synchronize(); err != nil {
			return 0, failed("cuEventSynchronize", err)
		}
		both[i] = e.value
	}
	t, err := both[0].Elapsed(both[1])
	return float32(t), failed(call, err)
}
