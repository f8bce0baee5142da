package sim

import (
	"slices"
	"time"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// ownStream marks the handles of a device's own streams, as the driver interface has it.
const ownStream Stream = 1 << 63

// maxQueued is how much work waits on a stream before it is done without anybody waiting for it.
const maxQueued = 1024

func (d *Device) handle() uint64 {
	d.handles++
	return d.handles
}

func (d *Device) stream(call string, s Stream) (*stream, error) {
	st := d.streams[s]
	if st == nil {
		return nil, fail(call, driver.CodeInvalidHandle, "no stream %d", s)
	}
	return st, nil
}

// enqueue adds work to a stream. The seed says whether it is done at once or when it must be.
func (d *Device) enqueue(s *stream, work func() *Error) {
	s.queue = append(s.queue, work)
	if len(s.queue) >= maxQueued || d.draws.Below(2) == 0 {
		d.drain(s)
	}
}

// drain does a stream's work, up to a fault.
func (d *Device) drain(s *stream) {
	for i, work := range s.queue {
		if d.fault != nil {
			break
		}
		if err := work(); err != nil {
			d.fault, d.reported = err, false
		}
		s.queue[i] = nil
	}
	s.queue = s.queue[:0]
}

func (d *Device) drainAll() {
	for _, s := range d.inOrder { // a map's order would not be replayed by the seed
		d.drain(s)
	}
}

// NewStream makes a stream. It is not ordered with any other, the default one included.
func (d *Device) NewStream() (Stream, error) {
	err := d.usable("cuStreamCreate", StreamCall)
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	h := Stream(d.handle()) | ownStream
	s := &stream{}
	d.streams[h] = s
	d.inOrder = append(d.inOrder, s)
	return h, nil
}

// CloseStream waits for a stream's work and gives it back.
func (d *Device) CloseStream(s Stream) error {
	const call = "cuStreamDestroy"
	err := d.usable(call, StreamCall)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	st, err := d.stream(call, s)
	if err != nil {
		return err
	}
	if s == 0 {
		return fail(call, driver.CodeInvalidHandle, "the default stream cannot be closed")
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
	defer d.mu.Unlock()
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

// NewEvent makes an event.
func (d *Device) NewEvent() (Event, error) {
	err := d.usable("cuEventCreate", EventCall)
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	h := Event(d.handle())
	d.events[h] = &event{}
	return h, nil
}

// CloseEvent gives an event back.
func (d *Device) CloseEvent(e Event) error {
	const call = "cuEventDestroy"
	err := d.usable(call, EventCall)
	defer d.mu.Unlock()
	if err != nil {
		return err
	}
	if d.events[e] == nil {
		return fail(call, driver.CodeInvalidHandle, "no event %d", e)
	}
	delete(d.events, e)
	return nil
}

// Record makes an event happen after the stream's earlier work.
func (d *Device) Record(e Event, on Stream) error {
	const call = "cuEventRecord"
	err := d.usable(call, EventCall)
	defer d.mu.Unlock()
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
	ev.on, ev.recorded, ev.at = on, true, time.Time{}
	d.enqueue(s, func() *Error {
		ev.at = time.Now()
		return nil
	})
	return nil
}

// Elapsed waits for both events and returns the milliseconds between them, of the host's time.
func (d *Device) Elapsed(start, end Event) (float32, error) {
	const call = "cuEventElapsedTime"
	err := d.usable(call, WaitCall)
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	var at [2]time.Time
	for i, e := range [...]Event{start, end} {
		ev := d.events[e]
		if ev == nil {
			return 0, fail(call, driver.CodeInvalidHandle, "no event %d", e)
		}
		if !ev.recorded {
			return 0, fail(call, driver.CodeInvalidHandle, "event %d was not recorded", e)
		}
		if s := d.streams[ev.on]; s != nil {
			d.drain(s)
		}
		if err := d.after(call); err != nil {
			return 0, err
		}
		at[i] = ev.at
	}
	return float32(at[1].Sub(at[0]).Seconds() * 1000), nil
}
