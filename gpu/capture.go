package gpu

import (
	"fmt"
	"slices"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
)

// capture is the capture of a stream, while it lasts.
type capture struct {
	mu     sync.Mutex // held by each captured call
	on     *Stream
	ended  bool
	failed error // of a call of which a part has been captured
	work   *heldGraph
}

// Capture calls f and captures in a graph the calls that f makes on the stream: they are not done, and Graph.Launch queues all of them at
// once. A loop whose calls are always the same, on the same buffers, captures them before it begins: for small arrays, queuing a call
// takes longer than its work.
//
// Calls of SmoothL1 and Buffer.CopyFrom can be captured, and kernels that other code launches on a wrapped stream, but not the default
// stream. The values that calls are made with, such as Number, are those of all launches; what buffers hold is read by each launch.
//
// Each call that is to be captured needs OnStream with the stream. Others are done at once, as usual, and are no part of the graph: f may
// forget the option without an error.
//
// Nothing may allocate, free or wait during a capture. So while f runs, calls that do fail on the whole device, whichever goroutine makes
// them, with an error wrapping smoothl1.ErrCapture: Alloc, Upload, Set, Download, Compute, Value, Wait, Reserve, closing a device,
// buffer, stream or op, and the like. A copy to or from a HostBuffer on the stream fails too, and so does a call that needs more scratch
// memory than its op has, or kernels that are not loaded. Making the same call once before the capture prepares for it; for the
// methods other than Run, Reserve does.
//
// If f fails, or a call that has been captured in part, Capture returns that error and no graph. The stream and the ops can then be used
// as if nothing had been captured. f must make its calls on its own goroutine. On the CPU the graph is a list of the calls.
func (s *Stream) Capture(f func() error) (g *Graph, err error) {
	const op = "Stream.Capture"
	switch {
	case s == nil:
		return nil, smoothl1.NewArgError(op, "stream", "nil", smoothl1.ErrNil)
	case s.dev == nil:
		return nil, smoothl1.NewArgError(op, "stream", s, smoothl1.ErrZero)
	case f == nil:
		return nil, smoothl1.NewArgError(op, "f", "nil", smoothl1.ErrNil)
	case s.dev.drv != nil && s.s <= 1:
		return nil, smoothl1.NewArgError(op, "stream", s, fmt.Errorf("%w: CUDA cannot capture its default stream", smoothl1.ErrHandle))
	}
	d := s.dev
	if !d.capturing.CompareAndSwap(false, true) {
		return nil, smoothl1.NewArgError(op, "stream", s, smoothl1.ErrCapture)
	}
	defer d.capturing.Store(false)
	d.captures.Lock() // waits for the calls in progress that wait
	defer d.captures.Unlock()
	k := &capture{on: s, work: &heldGraph{}}
	if err := k.begin(op); err != nil {
		return nil, err
	}
	returned := false
	defer func() { // also if f panics or ends the goroutine
		made, ended := k.end()
		s.guard.release()
		switch {
		case !returned:
		case err == nil:
			err = ended
		}
		if !returned || err != nil {
			_ = made.drop(d) // report the first error
			g = nil
			return
		}
		g = d.newGraph(made)
	}()
	err = f()
	returned = true
	if err == nil {
		err = k.failed
	}
	return nil, err
}

// begin begins the capture. It acquires a reference to the stream.
func (k *capture) begin(op string) error {
	s := k.on
	if err := s.dev.enter(op); err != nil {
		return err
	}
	defer s.dev.leave()
	if err := s.guard.acquire(); err != nil {
		return smoothl1.NewArgError(op, "stream", s, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s.capture.Store(k)
	err := error(nil)
	// A call that acquired the stream before it saw the capture would be captured without being noticed.
	if s.guard.users.Load() > 1 {
		err = smoothl1.NewArgError(op, "stream", s, smoothl1.ErrBusy)
	} else if s.dev.drv != nil {
		if c, ok := s.dev.drv.(driver.Capturer); ok {
			err = opError("capture", "", 0, c.BeginCapture(s.s))
		} else {
			err = smoothl1.NewArgError(op, "device", s.dev, fmt.Errorf("%w: it cannot capture", smoothl1.ErrDevice))
		}
	}
	if err != nil {
		k.ended = true
		s.capture.Store(nil)
		s.guard.release()
	}
	return err
}

// end ends the capture.
func (k *capture) end() (*heldGraph, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	k.on.capture.Store(nil)
	if k.on.dev.drv == nil {
		return k.work, nil
	}
	var err error
	k.work.graph, err = k.on.dev.drv.(driver.Capturer).EndCapture(k.on.s)
	return k.work, opError("end a capture", "", 0, err)
}

// open returns an error if the capture has ended. The caller holds k.mu.
func (k *capture) open(op string) error {
	if k.ended {
		return smoothl1.NewArgError(op, "stream", k.on, fmt.Errorf("%w: the capture ended during the call", smoothl1.ErrCapture))
	}
	return nil
}

// copy captures a copy on the device.
func (k *capture) copy(op string, dst, src *array) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.open(op); err != nil {
		return err
	}
	if k.on.dev.drv == nil {
		k.work.calls = append(k.work.calls, func() error { return dst.copyFrom(src, 0) })
	} else if err := dst.copyFrom(src, k.on.s); err != nil {
		return err
	}
	k.work.keep(dst)
	k.work.keep(src)
	return nil
}

// capture captures an operation that has been checked.
func (s *SmoothL1[T]) capture(k *capture, a *Args[T], c *call) error {
	o := &s.operands
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.open(o.name); err != nil {
		return err
	}
	if s.dev.drv == nil {
		kept, name, pass := *a, o.name, o.pass
		if a.Shape != nil {
			shape := *a.Shape
			kept.Shape = &shape
		}
		if name == "Run" {
			pass = op.Chosen
		}
		k.work.calls = append(k.work.calls, func() error { return s.do(name, pass, &kept, nil) })
		k.work.use(s)
	} else if err := s.captureLaunch(k, c); err != nil {
		return err
	}
	for given := o.call.Has.Given(); given != 0; given &= given - 1 {
		k.work.keep(o.arrays[given.First()])
	}
	return nil
}

// captureLaunch captures the operation's kernels.
func (s *SmoothL1[T]) captureLaunch(k *capture, c *call) error {
	o := &s.operands
	n := o.call.N
	if n == 0 && !o.pass.Reduces() {
		return nil
	}
	need := needsOf(1, cpu.Chunks(n))
	if !o.lean {
		if !s.rich.ready && !s.dev.modules.has(moduleKey{smoothl1.DTypeOf[T](), true}) {
			return s.notReady(o, "its kernels are not loaded: make the call once before")
		}
		if err := s.readyRich(); err != nil {
			return err
		}
		need = o.needs()
	}
	if o.pass.Reduces() || need.divisor > 0 || need.fault {
		if !o.pass.Reduces() {
			need.sums = 0
		}
		m := s.scratch
		switch {
		case m == nil || !m.holds(need):
			return s.notReady(o, "its scratch memory is too small: make the call once before, or Reserve")
		case need.fault && m.fault == nil:
			return s.notReady(o, "no memory to report indices out of range: make the call once before")
		}
		s.note(k.work.use(s), o, need)
	}
	launched, _ := s.start(o, c, 0)
	if launched != nil {
		k.failed = launched // the first of two kernels may have been captured
	}
	return launched
}

// notReady returns the error of a call that cannot be captured, with what to do.
func (s *SmoothL1[T]) notReady(o *operands, why string) error {
	return smoothl1.NewArgError(o.name, "op", s.loss, fmt.Errorf("%w: %s", smoothl1.ErrCapture, why))
}

// has reports whether a file is loaded.
func (m *modules) has(k moduleKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.loaded[k] != nil
}

// heldGraph is what a graph holds: its work, and the objects that must stay as they are until the graph is closed.
type heldGraph struct {
	graph driver.Graph
	calls []func() error // on the CPU
	uses  []*use
	keeps []*array
}

// keep adds a buffer and those that it is a slice of.
func (h *heldGraph) keep(b *array) {
	for ; b != nil; b = b.parent {
		if !slices.Contains(h.keeps, b) {
			b.graphs.Add(1)
			h.keeps = append(h.keeps, b)
		}
	}
}

// use returns how the graph uses an op's scratch.
func (h *heldGraph) use(by replayed) *use {
	for _, u := range h.uses {
		if u.by == by {
			return u
		}
	}
	u := &use{by: by}
	by.counter().Add(1)
	h.uses = append(h.uses, u)
	return u
}

// drop destroys the graph and releases what it used.
func (h *heldGraph) drop(d *Device) error {
	for _, b := range h.keeps {
		b.graphs.Add(-1)
	}
	for _, u := range h.uses {
		u.by.counter().Add(-1)
	}
	h.keeps, h.uses, h.calls = nil, nil, nil
	if h.graph == 0 {
		return nil
	}
	return opError("destroy a graph", "", 0, d.drv.(driver.Capturer).CloseGraph(h.graph))
}

// release implements holding.
func (h *heldGraph) release(d *Device) error { return h.drop(d) }

// quiet begins a call that waits, allocates or frees, which CUDA forbids during a capture: no capture begins until loud, and during one
// it returns false. CUDA would allow some of these calls to other threads than the one that captures. They are refused all the same, since
// goroutines cannot be told apart.
func (d *Device) quiet() bool { return d.captures.TryRLock() }

// whileCapturing returns the error of a call for which quiet has returned false.
func whileCapturing(op, arg string, value any) error {
	return smoothl1.NewArgError(op, arg, value, fmt.Errorf("%w: nothing on the device may wait, allocate or free meanwhile", smoothl1.ErrCapture))
}

func (d *Device) loud() { d.captures.RUnlock() }
