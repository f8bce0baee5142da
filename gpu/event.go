package gpu

import (
	"fmt"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// An Event marks a point in a stream's work. Two of them measure the time that the device takes between the points. An Event may be
// used from any goroutine, by one call at a time.
type Event struct {
	dev   *Device
	id    int64
	e     driver.Event
	held  *heldEvent
	at    time.Time // the mark on the CPU, where calls are synchronous
	guard guard
	marks int
}

// String returns the event's name, as used in errors.
func (e *Event) String() string {
	switch {
	case e == nil:
		return "no event"
	case e.dev == nil:
		return "Event{}"
	}
	return fmt.Sprintf("event %d", e.id)
}

// NewEvent returns an event that marks nothing yet.
func (d *Device) NewEvent() (*Event, error) {
	if err := d.enter("NewEvent"); err != nil {
		return nil, err
	}
	defer d.leave()
	if !d.quiet() {
		return nil, whileCapturing("NewEvent", "device", d)
	}
	defer d.loud()
	e := &Event{dev: d, id: d.ids.Add(1)}
	if d.drv == nil {
		return e, nil
	}
	err := d.sweep()
	if err != nil {
		return nil, err
	}
	if e.e, err = d.drv.NewEvent(); err != nil {
		return nil, opError("create an event", "", 0, err)
	}
	e.held = &heldEvent{e.e}
	hold(d, e, e.held)
	return e, nil
}

// Record makes the event mark the end of the work queued so far on the default stream, or on the stream given by OnStream.
func (e *Event) Record(options ...Option) error {
	const op = "Event.Record"
	if err := e.take(op); err != nil {
		return err
	}
	defer e.untake()
	c, err := readOptions(op, e.dev, options, optStream)
	if err != nil {
		return err
	}
	defer c.end()
	if c.capture() != nil {
		return smoothl1.NewArgError(op, "stream", c.stream, fmt.Errorf("%w: record events before and after the launches of the graph", smoothl1.ErrCapture))
	}
	if e.dev.drv == nil {
		e.at = time.Now()
	} else if err := e.dev.drv.Record(e.e, c.stream.handle()); err != nil {
		return opError("record an event", "", 0, err)
	}
	e.marks++
	return nil
}

// Since returns the device time elapsed from start to e. It waits for both.
func (e *Event) Since(start *Event) (time.Duration, error) {
	const op = "Event.Since"
	if err := e.take(op); err != nil {
		return 0, err
	}
	defer e.untake()
	switch {
	case start == nil:
		return 0, smoothl1.NewArgError(op, "start", "nil", smoothl1.ErrNil)
	case start.dev == nil:
		return 0, smoothl1.NewArgError(op, "start", start, smoothl1.ErrZero)
	case start.dev != e.dev:
		return 0, smoothl1.NewArgError(op, "start", "of "+start.dev.String(), smoothl1.ErrDevice)
	case start == e && e.marks == 0:
		return 0, smoothl1.NewArgError(op, "event", e, smoothl1.ErrNotRecorded)
	case start == e:
		return 0, nil
	}
	if err := start.guard.take(); err != nil {
		return 0, smoothl1.NewArgError(op, "start", start, err)
	}
	defer start.guard.release()
	switch {
	case start.marks == 0:
		return 0, smoothl1.NewArgError(op, "start", start, smoothl1.ErrNotRecorded)
	case e.marks == 0:
		return 0, smoothl1.NewArgError(op, "event", e, smoothl1.ErrNotRecorded)
	}
	if !e.dev.quiet() {
		return 0, whileCapturing(op, "event", e)
	}
	defer e.dev.loud()
	if e.dev.drv == nil {
		return e.at.Sub(start.at), nil
	}
	ms, err := e.dev.drv.Elapsed(start.e, e.e)
	if err != nil {
		return 0, opError("measure between events", "", 0, err)
	}
	return time.Duration(float64(ms) * float64(time.Millisecond)), nil
}

// Close destroys the event. A second Close does nothing. While a call uses the event, Close fails with an error wrapping
// smoothl1.ErrBusy.
func (e *Event) Close() error {
	const op = "Event.Close"
	if e == nil || e.dev == nil || e.guard.closed() {
		return nil
	}
	if err := e.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer e.dev.leave()
	first, err := e.guard.close()
	if err != nil {
		return smoothl1.NewArgError(op, "event", e, err)
	}
	if !first || e.held == nil {
		return nil
	}
	return e.dev.giveBack(e.held)
}

// take begins a call on the event, which excludes others. The caller ends it with untake.
func (e *Event) take(op string) error {
	if e == nil {
		return smoothl1.NewArgError(op, "event", "nil", smoothl1.ErrNil)
	}
	if e.dev == nil {
		return smoothl1.NewArgError(op, "event", e, smoothl1.ErrZero)
	}
	if err := e.dev.enter(op); err != nil {
		return err
	}
	if err := e.guard.take(); err != nil {
		e.dev.leave()
		return smoothl1.NewArgError(op, "event", e, err)
	}
	return nil
}

func (e *Event) untake() {
	e.guard.release()
	e.dev.leave()
}
