package gpu

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A Stream is a queue of work on a device: the work of one stream runs in order, that of different streams may run concurrently.
// Calls without OnStream use the device's default stream. On the CPU every call is complete when it returns. A Stream may be used from
// several goroutines at once.
type Stream struct {
	dev   *Device
	id    int64
	s     driver.Stream
	held  *heldStream // nil on the CPU and if the stream is wrapped
	guard guard

	capture atomic.Pointer[capture] // or nil
}

// String returns the stream's name, as used in errors.
func (s *Stream) String() string {
	switch {
	case s == nil:
		return "the default stream"
	case s.dev == nil:
		return "Stream{}"
	case s.held == nil && s.dev.drv != nil:
		return fmt.Sprintf("stream %d, wrapped around %#x", s.id, uint64(s.s))
	}
	return fmt.Sprintf("stream %d", s.id)
}

// NewStream returns a new stream, which does not synchronize with the default stream.
func (d *Device) NewStream() (*Stream, error) {
	if err := d.enter("NewStream"); err != nil {
		return nil, err
	}
	defer d.leave()
	if !d.quiet() {
		return nil, whileCapturing("NewStream", "device", d)
	}
	defer d.loud()
	s := &Stream{dev: d, id: d.ids.Add(1)}
	if d.drv == nil {
		return s, nil
	}
	err := d.sweep()
	if err != nil {
		return nil, err
	}
	if s.s, err = d.drv.NewStream(); err != nil {
		return nil, opError("create a stream", "", 0, err)
	}
	s.held = &heldStream{s.s}
	hold(d, s, s.held)
	return s, nil
}

// perThreadStream is CU_STREAM_PER_THREAD.
const perThreadStream = 2

// WrapStream returns a Stream for an existing stream, whose owner must not destroy it before the wrapper is closed: a CUstream of the
// device's primary context, such as one that another library in the program uses, or a stream of a sim.Device. 0 and 1
// (CU_STREAM_LEGACY) are the default stream; 2 (CU_STREAM_PER_THREAD) is refused, since goroutines move between threads.
func (d *Device) WrapStream(handle uintptr) (*Stream, error) {
	const op = "WrapStream"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	if d.drv == nil {
		return nil, smoothl1.NewArgError(op, "device", d, smoothl1.ErrDevice)
	}
	switch {
	case handle == perThreadStream:
		return nil, smoothl1.NewArgError(op, "handle", handle, fmt.Errorf("%w: CU_STREAM_PER_THREAD, but goroutines move between threads", smoothl1.ErrHandle))
	case uint64(handle)>>63 != 0:
		return nil, smoothl1.NewArgError(op, "handle", fmt.Sprintf("%#x", handle), fmt.Errorf("%w: not a CUstream", smoothl1.ErrHandle))
	}
	return &Stream{dev: d, id: d.ids.Add(1), s: driver.Stream(handle)}, nil
}

// Wait waits for all work of the stream, and returns its error if any failed.
func (s *Stream) Wait() error {
	const op = "Stream.Wait"
	switch {
	case s == nil:
		return smoothl1.NewArgError(op, "stream", "nil", smoothl1.ErrNil)
	case s.dev == nil:
		return smoothl1.NewArgError(op, "stream", s, smoothl1.ErrZero)
	}
	if err := s.dev.enter(op); err != nil {
		return err
	}
	defer s.dev.leave()
	if err := s.guard.acquire(); err != nil {
		return smoothl1.NewArgError(op, "stream", s, err)
	}
	defer s.guard.release()
	if !s.dev.quiet() {
		return whileCapturing(op, "stream", s)
	}
	defer s.dev.loud()
	return errors.Join(s.dev.waitAndReport(s.s), s.dev.sweep())
}

// Wait waits for all work of the default stream, and returns its error if any failed.
func (d *Device) Wait() error {
	const op = "Device.Wait"
	if err := d.enter(op); err != nil {
		return err
	}
	defer d.leave()
	if !d.quiet() {
		return whileCapturing(op, "device", d)
	}
	defer d.loud()
	return errors.Join(d.waitAndReport(0), d.sweep())
}

// waitAndReport is wait, and reports indices that were out of range.
func (d *Device) waitAndReport(s driver.Stream) error {
	done := d.turnsQueued()
	if err := d.wait(s); err != nil || d.drv == nil {
		return err
	}
	return d.reportIndices(s, done)
}

func (d *Device) wait(s driver.Stream) error {
	if d.drv == nil {
		return nil
	}
	return opError("wait", "", 0, d.drv.Wait(s))
}

// Close waits for the stream's work and destroys it; a wrapped stream is neither waited for nor destroyed. A second Close does
// nothing. While a call uses the stream, Close fails with an error wrapping smoothl1.ErrBusy.
func (s *Stream) Close() error {
	const op = "Stream.Close"
	if s == nil || s.dev == nil || s.guard.closed() {
		return nil
	}
	if err := s.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer s.dev.leave()
	if !s.dev.quiet() {
		return whileCapturing(op, "stream", s)
	}
	defer s.dev.loud()
	first, err := s.guard.close()
	if err != nil {
		return smoothl1.NewArgError(op, "stream", s, err)
	}
	if !first || s.held == nil {
		return nil
	}
	done := s.dev.turnsQueued()
	return errors.Join(s.dev.giveBack(s.held), s.dev.reportIndices(s.s, done))
}

// handle returns the driver's stream; a nil stream is the default one.
func (s *Stream) handle() driver.Stream {
	if s == nil {
		return 0
	}
	return s.s
}
