package sim

import (
	"fmt"

	"github.com/smoothl1/smoothl1/device"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// Graph is the captured work of a stream.
type Graph = device.Graph

var _ driver.Capturer = (*Device)(nil)

// capture is the work that a stream has captured so far.
type capture struct {
	work    []func() *Error
	invalid bool
}

type graph struct {
	work []func() *Error
	last *mark // its last launch, or nil
}

// BeginCapture makes the work that is queued on a stream from now on part of a graph, instead of being done. CUDA allows captures of any
// stream but the default one. Until EndCapture, calls that wait, allocate, free or load fail with CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, and
// invalidate the capture. With CUDA this concerns the thread that captures; a simulated device cannot tell threads apart, and refuses
// these calls to all.
func (d *Device) BeginCapture(on Stream) error {
	const call = "cuStreamBeginCapture"
	err := d.usable(call, GraphCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	switch {
	case err != nil:
		return err
	case s == d.streams[0]:
		return fail(call, driver.CodeCaptureUnsupported, "the default stream cannot be captured")
	case s.capture != nil:
		return fail(call, driver.CodeIllegalState, "stream %d is being captured", on)
	}
	s.capture = &capture{}
	d.captures++
	return nil
}

// EndCapture ends the capture of a stream and returns its work as a graph. If a call has invalidated the capture, the error is
// CUDA_ERROR_STREAM_CAPTURE_INVALIDATED. The stream is usable afterwards.
func (d *Device) EndCapture(on Stream) (Graph, error) {
	const call = "cuStreamEndCapture"
	err := d.usable(call, GraphCall)
	defer d.unlock()
	if !d.made() || d.closed {
		return 0, err
	}
	s, unknown := d.stream(call, on)
	switch {
	case unknown != nil && err == nil:
		return 0, unknown
	case unknown == nil && s.capture == nil && err == nil:
		return 0, fail(call, driver.CodeIllegalState, "stream %d is not being captured", on)
	case unknown != nil || s.capture == nil:
		return 0, err
	}
	c := s.capture
	s.capture = nil
	d.captures--
	switch {
	case err != nil:
		return 0, err
	case c.invalid:
		return 0, fail(call, driver.CodeCaptureInvalidated, "a call that is not allowed during a capture has failed")
	}
	h := Graph(d.handle())
	d.graphs[h] = &graph{work: c.work}
	return h, nil
}

// LaunchGraph queues the work of a graph on a stream, after that of the graph's earlier launches.
func (d *Device) LaunchGraph(g Graph, on Stream) error {
	const call = "cuGraphLaunch"
	err := d.usable(call, GraphCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	gr := d.graphs[g]
	switch {
	case gr == nil:
		return fail(call, driver.CodeInvalidHandle, "no graph %d", g)
	case s.capture != nil:
		return d.refuseCapture(call, "a launch of a graph")
	}
	d.waitFor(s, gr.last)
	for _, work := range gr.work {
		d.enqueue(s, work)
	}
	m := &mark{on: s, end: s.queued + 1}
	d.enqueue(s, func() *Error { return nil })
	gr.last = m
	return nil
}

// CloseGraph destroys a graph. The work of its launches is still done.
func (d *Device) CloseGraph(g Graph) error {
	const call = "cuGraphExecDestroy"
	err := d.usable(call, GraphCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	if d.graphs[g] == nil {
		return fail(call, driver.CodeInvalidHandle, "no graph %d", g)
	}
	delete(d.graphs, g)
	return nil
}

// waits are the kinds of calls that wait, allocate or free, all of them.
var waits = [callKinds]bool{AllocCall: true, FreeCall: true, UnloadCall: true, WaitCall: true, PinnedCall: true}

// refuseCapture invalidates all captures and returns the error of the call that does so.
func (d *Device) refuseCapture(call, what string) error {
	for _, s := range d.inOrder {
		if s.capture != nil {
			s.capture.invalid = true
		}
	}
	return fail(call, driver.CodeCaptureUnsupported, "not while a stream is being captured: %s", what)
}

// submit is enqueue for work that a stream may be capturing. counter counts it when it is queued, and areas is the memory that it uses.
func (d *Device) submit(s *stream, counter *uint64, work func() *Error, areas ...area) {
	if s.capture == nil {
		*counter++
		d.enqueue(s, work)
		return
	}
	s.capture.work = append(s.capture.work, func() *Error {
		*counter++
		for _, a := range areas {
			if a.region != nil && d.memory.Find(a.region.Base) != a.region {
				return &Error{Code: driver.CodeIllegalAddress, Name: nameOf(driver.CodeIllegalAddress),
					Detail: fmt.Sprintf("a graph uses memory at %#x that has been freed", a.region.Base+a.at)}
			}
		}
		return work()
	})
}
