package sim

import (
	"slices"
	"time"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// CUDA's special handles of default streams: CU_STREAM_LEGACY, which is the default stream, and CU_STREAM_PER_THREAD, which this
// device does not support.
const (
	legacyStream    Stream = 1
	perThreadStream Stream = 2
)

// firstHandle is larger than the special handles.
const firstHandle = 1 << 8

// maxQueued is the number of work items at which a stream's queue is drained although nothing waits for it.
const maxQueued = 1024

func (d *Device) handle() uint64 {
	d.handles++
	return d.handles
}

func (d *Device) stream(call string, s Stream) (*stream, error) {
	if s == legacyStream {
		s = 0
	}
	st := d.streams[s]
	switch {
	case s == perThreadStream:
		return nil, fail(call, driver.CodeInvalidHandle, "stream %d is CUDA's default stream of each thread, which this device does not have", s)
	case st == nil:
		return nil, fail(call, driver.CodeInvalidHandle, "no stream %d", s)
	}
	return st, nil
}

// enqueue adds work to a stream. The seed decides whether it is done at once or when something waits for it.
func (d *Device) enqueue(s *stream, work func() *Error) {
	s.queue = append(s.queue, work)
	s.queued++
	if len(s.queue)-s.next >= maxQueued || d.draws.Below(2) == 0 {
		d.drain(s)
	}
}

// drain does all of a stream's queued work, up to a fault.
func (d *Device) drain(s *stream) { d.drainTo(s, s.queued) }

// drainTo does the stream's work up to item number end, counted from the stream's creation.
func (d *Device) drainTo(s *stream, end uint64) {
	for s.done < end {
		work := s.queue[s.next]
		s.queue[s.next] = nil
		s.next++
		s.done++
		if s.next == len(s.queue) {
			s.queue, s.next = s.queue[:0], 0
		}
		if d.fault != nil {
			continue
		}
		if err := work(); err != nil {
			d.fault, d.reported = err, false
		}
	}
}

func (d *Device) drainAll() {
	for _, s := range d.inOrder { // not the map: its order would not be reproducible
		d.drain(s)
	}
}

// NewStream creates a stream. Its work is not ordered with that of any other stream, including the default one.
func (d *Device) NewStream() (Stream, error) {
	err := d.usable("cuStreamCreate", StreamCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	h := Stream(d.handle())
	s := &stream{}
	d.streams[h] = s
	d.inOrder = append(d.inOrder, s)
	return h, nil
}

// CloseStream waits for a stream's work and destroys the stream.
func (d *Device) CloseStream(s Stream) error {
	const call = "cuStreamDestroy"
	err := d.usable(call, StreamCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	switch {
	case s == 0 || s == legacyStream:
		return fail(call, driver.CodeInvalidHandle, "the default stream cannot be closed")
	case st.capture != nil:
		return d.refuseCapture(call, "the stream itself")
	}
	d.drain(st)
	delete(d.streams, s)
	d.inOrder = slices.DeleteFunc(d.inOrder, func(o *stream) bool { return o == st })
	return d.after(call)
}

// Wait returns when all earlier work of the stream is done.
func (d *Device) Wait(s Stream) error {
	const call = "cuStreamSynchronize"
	err := d.usable(call, WaitCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	d.drain(st)
	return d.after(call)
}

// NewEvent creates an event.
func (d *Device) NewEvent() (Event, error) {
	err := d.usable("cuEventCreate", EventCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	h := Event(d.handle())
	d.events[h] = &event{}
	return h, nil
}

// CloseEvent destroys an event.
func (d *Device) CloseEvent(e Event) error {
	const call = "cuEventDestroy"
	err := d.usable(call, EventCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	if d.events[e] == nil {
		return fail(call, driver.CodeInvalidHandle, "no event %d", e)
	}
	delete(d.events, e)
	return nil
}

// Record records an event after the stream's earlier work.
func (d *Device) Record(e Event, on Stream) error {
	return d.onEvent("cuEventRecord", e, on, func(ev *event, s *stream) error {
		if s.capture != nil {
			ev.mark = &mark{on: s, captured: s.capture}
			return nil
		}
		m := &mark{on: s, end: s.queued + 1}
		ev.mark = m
		d.enqueue(s, func() *Error {
			m.at = time.Now()
			return nil
		})
		return nil
	})
}

// WaitEvent makes the stream's later work wait for the work that the event was last recorded after. It has no effect if the event was
// never recorded.
func (d *Device) WaitEvent(e Event, on Stream) error {
	const call = "cuStreamWaitEvent"
	return d.onEvent(call, e, on, func(ev *event, s *stream) error {
		m := ev.mark // recording the event again replaces ev.mark, not m
		switch {
		case m == nil:
		case m.captured != nil:
			if m.captured != s.capture {
				return fail(call, driver.CodeCapturedEvent, "event %d belongs to the capture of another stream, or to one that has ended", e)
			}
		case s.capture != nil:
			s.capture.invalid = true
			return fail(call, driver.CodeCaptureIsolation, "event %d was recorded outside the capture of the stream", e)
		default:
			d.waitFor(s, m)
		}
		return nil
	})
}

// waitFor makes the stream's later work wait for a mark, which may be nil.
func (d *Device) waitFor(s *stream, m *mark) {
	if m == nil || m.on == s {
		return
	}
	d.enqueue(s, func() *Error {
		d.drainTo(m.on, m.end)
		return nil
	})
}

// onEvent validates a call on an event and a stream, and runs do.
func (d *Device) onEvent(call string, e Event, on Stream, do func(*event, *stream) error) error {
	err := d.usable(call, EventCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	ev := d.events[e]
	if ev == nil {
		return fail(call, driver.CodeInvalidHandle, "no event %d", e)
	}
	return do(ev, s)
}

// Elapsed waits for both events and returns the milliseconds between them, by the host's clock.
func (d *Device) Elapsed(start, end Event) (float32, error) {
	const call = "cuEventElapsedTime"
	err := d.usable(call, WaitCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	var at [2]time.Time
	for i, e := range [...]Event{start, end} {
		ev := d.events[e]
		if ev == nil {
			return 0, fail(call, driver.CodeInvalidHandle, "no event %d", e)
		}
		if ev.mark == nil {
			return 0, fail(call, driver.CodeInvalidHandle, "event %d was not recorded", e)
		}
		if ev.mark.captured != nil {
			return 0, fail(call, driver.CodeCapturedEvent, "event %d was last recorded in a capture", e)
		}
		d.drainTo(ev.mark.on, ev.mark.end)
		if err := d.after(call); err != nil {
			return 0, err
		}
		at[i] = ev.mark.at
	}
	return float32(at[1].Sub(at[0]).Seconds() * 1000), nil
}
