package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A Graph is work that Stream.Capture has captured. Launch queues all of it by one call. A Graph may be used from any goroutine, by one
// call at a time.
//
// A graph keeps its buffers and ops reachable. Until it is closed, closing one of them fails with an error wrapping smoothl1.ErrGraph. So
// does what would move an op's scratch memory, Reserve or a call with larger arrays than any before. The ops can be used for other calls
// between the launches.
type Graph struct {
	dev   *Device
	id    int64
	held  *heldGraph
	guard guard
}

// newGraph returns a graph of captured work.
func (d *Device) newGraph(h *heldGraph) *Graph {
	g := &Graph{dev: d, id: d.ids.Add(1), held: h}
	if d.drv != nil {
		hold(d, g, h)
	} else {
		runtime.AddCleanup(g, func(h *heldGraph) { _ = h.drop(nil) }, h)
	}
	return g
}

// String returns the graph's name, as used in errors.
func (g *Graph) String() string {
	switch {
	case g == nil:
		return "no graph"
	case g.dev == nil:
		return "Graph{}"
	}
	return fmt.Sprintf("graph %d", g.id)
}

// Launch queues the work of the graph on the default stream, or on the stream given by OnStream, which need not be the one that was
// captured. It waits for nothing: the work follows that of earlier launches of the graph, and of the other calls of its ops. If the graph
// computes a loss, Value of its op returns that of the last launch.
//
// While another call on an op of the graph is in progress, Launch fails with an error wrapping smoothl1.ErrBusy. Failures of the work, and
// indices out of range, are reported as those of any call. On the CPU, Launch makes the captured calls and returns the first error.
func (g *Graph) Launch(options ...Option) error {
	const op = "Graph.Launch"
	switch {
	case g == nil:
		return smoothl1.NewArgError(op, "graph", "nil", smoothl1.ErrNil)
	case g.dev == nil:
		return smoothl1.NewArgError(op, "graph", g, smoothl1.ErrZero)
	}
	if err := g.dev.enter(op); err != nil {
		return err
	}
	var c call
	taken := 0 // turns of ops
	held := false
	defer func() { // a single defer, to keep it open-coded
		for _, u := range g.held.uses[:taken] {
			u.by.end()
		}
		c.end()
		if held {
			g.guard.release()
		}
		g.dev.leave()
	}()
	if err := g.guard.take(); err != nil {
		return smoothl1.NewArgError(op, "graph", g, err)
	}
	held = true
	if err := c.read(op, g.dev, options, optStream); err != nil {
		return err
	}
	if c.capture() != nil {
		return smoothl1.NewArgError(op, "stream", c.stream, smoothl1.ErrCapture)
	}
	if g.dev.drv == nil {
		for _, f := range g.held.calls {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
	for _, u := range g.held.uses {
		if err := u.by.take(op); err != nil {
			return err
		}
		taken++
	}
	var err error
	prepared := 0
	for _, u := range g.held.uses {
		if err = u.by.before(u, c.stream); err != nil {
			break
		}
		prepared++
	}
	if err == nil {
		err = opError("launch a graph", "", 0, g.dev.drv.(driver.Capturer).LaunchGraph(g.held.graph, c.stream.handle()))
	}
	for _, u := range g.held.uses[:prepared] {
		if marked := u.by.after(u, c.stream, err); err == nil {
			err = marked
		}
	}
	return err
}

// Close destroys the graph, whose buffers and ops can then be closed. Launches that are queued are still done. A second Close does nothing.
// While a call uses the graph, Close fails with an error wrapping smoothl1.ErrBusy.
func (g *Graph) Close() error {
	const op = "Graph.Close"
	if g == nil || g.dev == nil || g.guard.closed() {
		return nil
	}
	if err := g.dev.enter(op); err != nil {
		return nil // the device has released it
	}
	defer g.dev.leave()
	first, err := g.guard.close()
	if err != nil {
		return smoothl1.NewArgError(op, "graph", g, err)
	}
	if !first {
		return nil
	}
	if g.dev.drv == nil {
		return g.held.drop(nil)
	}
	return g.dev.giveBack(g.held)
}

// use is how a graph uses the scratch of an op.
type use struct {
	by      replayed
	reduces bool // the rest describes the last call that does
	byRow   bool
	indexed bool
	chunks  int
	faults  [2]indexedCall // by the cell to which calls with an index may report
}

// replayed is an op whose scratch a graph uses.
type replayed interface {
	take(op string) error
	end()
	before(u *use, on *Stream) error
	after(u *use, on *Stream, err error) error
	counter() *atomic.Int32
}

func (s *SmoothL1[T]) counter() *atomic.Int32 { return &s.graphs }

// note adds a captured call to u.
func (s *SmoothL1[T]) note(u *use, o *operands, need needs) {
	if o.pass.Reduces() {
		u.reduces, u.byRow, u.indexed, u.chunks = true, o.call.ByRow, need.fault, o.call.ChunkCount()
	}
	if need.fault {
		u.faults[cellOf(o.pass.Reduces())].add(o.name, o.call.Actions)
	}
}

// before prepares the scratch for a launch of a graph, as prepare does for a call.
func (s *SmoothL1[T]) before(u *use, on *Stream) error {
	if u.reduces {
		s.hasValue = false
	}
	if err := s.follow(on); err != nil {
		return err
	}
	if s.ticketDirty {
		if err := s.scratch.clear(s.dev, on.handle()); err != nil {
			return err
		}
	}
	s.ticketDirty = true // until the launch succeeds
	for i, c := range u.faults {
		if c.name != "" {
			s.dev.expect(s.scratch.fault, c.name, c.actions, i == cellOf(true), on.handle())
		}
	}
	return nil
}

// after records the launch of a graph, whose error is err.
func (s *SmoothL1[T]) after(u *use, on *Stream, err error) error {
	for _, c := range u.faults {
		if c.name != "" {
			s.dev.queued(s.scratch.fault)
			break
		}
	}
	s.ticketDirty = err != nil
	marked := s.mark(on)
	if u.reduces {
		s.hasValue, s.byRow, s.indexed, s.chunks = errors.Join(err, marked) == nil, u.byRow, u.indexed, u.chunks
	}
	return marked
}
