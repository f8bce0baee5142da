//go:build cuda && linux && amd64 && cgo

package cuda

// #include "graph_cuda.h"
// #include "loader_cuda.h"
import "C"

import (
	"runtime"
	"sync"

	"github.com/smoothl1/smoothl1/internal/driver"
)

var _ driver.Capturer = (*device)(nil)

type graph = C.CUgraphExec

// captures are the streams of a device that are being captured. The goroutine that began a capture is locked to its thread until it ends.
type captures struct {
	mu sync.Mutex
	m  map[driver.Stream]bool
}

// begin adds a stream, and locks the goroutine to its thread. It reports false if the stream is being captured already.
func (c *captures) begin(s driver.Stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m[s] {
		return false
	}
	if c.m == nil {
		c.m = map[driver.Stream]bool{}
	}
	c.m[s] = true
	runtime.LockOSThread() // once more than enter does
	return true
}

func (c *captures) has(s driver.Stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[s]
}

// end undoes begin, on the same goroutine.
func (c *captures) end(s driver.Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, s)
	runtime.UnlockOSThread()
}

// missingForGraphs is the first function for graphs that the driver lacks, or "".
var missingForGraphs = sync.OnceValue(func() string { return C.GoString(C.smoothl1_graph_missing()) })

func (d *device) BeginCapture(on driver.Stream) (err error) {
	const call = "cuStreamBeginCapture"
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	if missing := missingForGraphs(); missing != "" {
		return refused(call, driver.CodeNotSupported, "the driver %s has no function %s, which graphs need", C.GoString(C.smoothl1_cuda_path()), missing)
	}
	if on <= 2 { // CU_STREAM_LEGACY and CU_STREAM_PER_THREAD
		return refused(call, driver.CodeCaptureUnsupported, "the default stream cannot be captured")
	}
	var status C.int
	if code := C.smoothl1_graph_capturing(cstream(s), &status); code != 0 {
		return newError("cuStreamIsCapturing", int(code))
	}
	if status != 0 || !d.captures.begin(on) {
		return refused(call, driver.CodeIllegalState, "stream %#x is being captured", uint64(on))
	}
	if code := C.smoothl1_graph_begin(cstream(s)); code != 0 {
		d.captures.end(on)
		return newError(call, int(code))
	}
	return nil
}

func (d *device) EndCapture(on driver.Stream) (g driver.Graph, err error) {
	const call = "cuStreamEndCapture"
	s, err := d.enterStream(call, on)
	if err != nil {
		if d.isClosed() && d.captures.has(on) { // Close has ended the capture
			d.captures.end(on)
		}
		return 0, err
	}
	defer d.leaveStream(s, &err)
	if !d.captures.has(on) {
		return 0, refused(call, driver.CodeIllegalState, "stream %#x is not being captured", uint64(on))
	}
	var exec C.CUgraphExec
	var from *C.char
	code := C.smoothl1_graph_end(cstream(s), &exec, &from)
	if code == driver.CodeCaptureThread {
		return 0, newError(call, int(code)) // the capture goes on
	}
	d.captures.end(on)
	if code != 0 {
		return 0, newError(C.GoString(from), int(code))
	}
	return driver.Graph(d.graphs.add(exec)), nil
}

func (d *device) LaunchGraph(g driver.Graph, on driver.Stream) (err error) {
	const call = "cuGraphLaunch"
	s, err := d.enterStream(call, on)
	if err != nil {
		return err
	}
	defer d.leaveStream(s, &err)
	e := d.graphs.get(uint64(g))
	if e == nil {
		return refused(call, driver.CodeInvalidHandle, "graph %#x is not open on this device", uint64(g))
	}
	defer e.users.Done()
	if code := C.smoothl1_graph_launch(e.value, cstream(s)); code != 0 {
		return newError(call, int(code))
	}
	return nil
}

// CloseGraph returns at once: the driver frees a graph that is being executed when that is done.
func (d *device) CloseGraph(g driver.Graph) (err error) {
	const call = "cuGraphExecDestroy"
	if err := d.enter(call); err != nil {
		return err
	}
	defer d.leave(&err)
	exec, ok := d.graphs.take(uint64(g))
	if !ok {
		return refused(call, driver.CodeInvalidHandle, "graph %#x is not open on this device", uint64(g))
	}
	if code := C.smoothl1_graph_close(exec); code != 0 {
		return newError(call, int(code))
	}
	return nil
}

func (d *device) isClosed() bool {
	d.life.RLock()
	defer d.life.RUnlock()
	return d.closed
}

// endCaptures ends the captures that are open when the device is closed, and closes all graphs. Streams that were created elsewhere would
// otherwise stay in capture. A capture of another thread cannot be ended; it is lost with its stream.
func (d *device) endCaptures(note func(error)) {
	d.captures.mu.Lock()
	defer d.captures.mu.Unlock()
	for on := range d.captures.m { // EndCapture unlocks the threads
		s := stream{}
		if on&ours != 0 {
			s.Stream = d.streams.m[uint64(on)].value
		} else {
			s = foreign(on)
		}
		var exec C.CUgraphExec
		var from *C.char
		if C.smoothl1_graph_end(cstream(s), &exec, &from) == 0 {
			C.smoothl1_graph_close(exec)
		}
	}
	for _, g := range d.graphs.drain() {
		if code := C.smoothl1_graph_close(g); code != 0 {
			note(newError("cuGraphExecDestroy", int(code)))
		}
	}
}

// whileCapturing reports whether err, of a call that waits for the device, says that a stream is being captured. Nothing may be freed then.
func whileCapturing(err error) bool {
	e, ok := err.(*driver.Error)
	return ok && e.Code == driver.CodeCaptureUnsupported
}
