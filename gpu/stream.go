package gpu

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A Stream is a queue of work on a device: calls on one stream happen one after another, calls on two may happen side by
// side. Calls without a stream use the device's default one. On the CPU every call is finished when it returns. A Stream may
// be used from any goroutine.
type Stream struct {
	dev   *Device
	s     driver.Stream
	guard guard
	lent  bool
}

// NewStream returns a new stream, which does not wait for the default one.
func (d *Device) NewStream() (*Stream, error) {
	if err := d.enter("NewStream"); err != nil {
		return nil, err
	}
	defer d.leave()
	s := &Stream{dev: d}
	if d.drv != nil {
		var err error
		if s.s, err = d.drv.NewStream(); err != nil {
			return nil, opError("create a stream", "", 0, err)
		}
	}
	d.own(s)
	return s, nil
}

// WrapStream returns a stream that somebody else made and will destroy: a CUstream of the device's primary context, such as
// the one other libraries of the program use.
func (d *Device) WrapStream(handle uintptr) (*Stream, error) {
	const op = "WrapStream"
	if err := d.enter(op); err != nil {
		return nil, err
	}
	defer d.leave()
	if d.drv == nil {
		return nil, smoothl1.NewArgError(op, "device", d, smoothl1.ErrDevice)
	}
	if uint64(handle)>>63 != 0 {
		return nil, smoothl1.NewArgError(op, "handle", fmt.Sprintf("%#x", handle), errors.New("is no CUstream"))
	}
	s := &Stream{dev: d, s: driver.Stream(handle), lent: true}
	d.own(s)
	return s, nil
}

// Wait returns when all work of the stream is done, with the error of whatever failed.
func (s *Stream) Wait() error {
	const op = "Stream.Wait"
	if s == nil {
		return smoothl1.NewArgError(op, "stream", "nil", smoothl1.ErrNil)
	}
	if err := s.dev.enter(op); err != nil {
		return err
	}
	defer s.dev.leave()
	if err := s.guard.share(); err != nil {
		return smoothl1.NewArgError(op, "stream", "stream", err)
	}
	defer s.guard.unshare()
	return s.dev.wait(s.s)
}

// Wait returns when all work of the default stream is done, with the error of whatever failed.
func (d *Device) Wait() error {
	if err := d.enter("Device.Wait"); err != nil {
		return err
	}
	defer d.leave()
	return d.wait(0)
}

func (d *Device) wait(s driver.Stream) error {
	if d.drv == nil {
		return nil
	}
	if err := d.drv.Wait(s); err != nil {
		return opError("wait", "", 0, err)
	}
	return nil
}

// Close destroys the stream, after its work; one that was wrapped is left alone. A second Close does nothing. While a call
// uses the stream, Close is an error wrapping smoothl1.ErrBusy.
func (s *Stream) Close() error {
	const op = "Stream.Close"
	if s == nil || s.guard.closed() {
		return nil
	}
	if err := s.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer s.dev.leave()
	first, err := s.guard.close()
	if err != nil {
		return smoothl1.NewArgError(op, "stream", "stream", err)
	}
	if !first {
		return nil
	}
	return s.dev.disown(s)
}

// release implements resource.
func (s *Stream) release() error {
	s.guard.users.Store(guardClosed)
	if s.lent || s.dev.drv == nil {
		return nil
	}
	err := s.dev.wait(s.s) // a driver would destroy it first and finish the work later
	if closing := s.dev.drv.CloseStream(s.s); closing != nil {
		err = errors.Join(err, opError("destroy a stream", "", 0, closing))
	}
	return err
}

// handle returns the driver's stream; a nil stream is the default one.
func (s *Stream) handle() driver.Stream {
	if s == nil {
		return 0
	}
	return s.s
}
