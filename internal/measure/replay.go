package measure

import (
	"context"
	"errors"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

const (
	mostReplayed = 1 << 24 // elements: larger arrays gain nothing by a graph
	mostGraphs   = 32      // of a workload: their arrays exceed the caches, unless they are small, when the time is not that of memory
)

// replays are the graphs of a forward and backward pass, one for each of the first sets.
type replays[T smoothl1.Float] struct {
	crit   *gpu.SmoothL1[T]
	w      Workload
	stream *gpu.Stream // that they are captured on
	graphs map[int]*gpu.Graph
	order  []*gpu.Graph
	turn   int
}

// replayed reports whether a workload is measured with graphs too.
func (w Workload) replayed(dev *gpu.Device) bool {
	has := false
	for _, o := range w.operations() {
		has = has || o.name == ForwardBackward
	}
	return has && dev.Backend() != "cpu" && w.N() <= mostReplayed
}

// startReplays returns the contender that replays graphs, checked, and what closes them. It returns none for a workload without, and if they
// fail, which it records.
func startReplays[T smoothl1.Float](ctx context.Context, c *Config, r *Result, what string, arrays *rotation[T], w Workload, crit *gpu.SmoothL1[T],
	clock *clock, want *expectation[T]) (all []*contender, end func() error, err error) {
	p := &replays[T]{crit: crit, w: w, graphs: map[int]*gpu.Graph{}}
	if !w.replayed(c.Device) {
		return nil, p.close, nil
	}
	if p.stream, err = c.Device.NewStream(); err == nil {
		err = p.check(ctx, arrays, want)
	}
	if ctx.Err() != nil {
		return nil, p.close, ctx.Err()
	}
	if err != nil {
		r.leave(c, "%s, %s on %s: %s", Replayed, ForwardBackward, what, oneLine(err))
		return nil, p.close, nil
	}
	return []*contender{p.contender(arrays, clock)}, p.close, nil
}

// close closes the graphs, which hold the op and the buffers.
func (p *replays[T]) close() error {
	var errs []error
	for _, g := range p.order {
		errs = append(errs, g.Close())
	}
	return errors.Join(append(errs, p.stream.Close())...)
}

// bind returns the launch of the graph of a set. If there are more sets than graphs, they take turns.
func (p *replays[T]) bind(s set[T]) (func() error, error) {
	g := p.graphs[s.first]
	if g == nil && len(p.order) < mostGraphs {
		var err error
		g, err = p.stream.Capture(func() error { return p.crit.ForwardBackward(s.pred, s.target, s.out, gpu.OnStream(p.stream)) })
		if err != nil {
			return nil, err
		}
		p.graphs[s.first] = g
		p.order = append(p.order, g)
	}
	if g == nil {
		p.turn++
		g = p.order[p.turn%len(p.order)]
	}
	return func() error { return g.Launch() }, nil
}

// check replays the first set's graph and compares the results with those of package cpu, bit for bit.
func (p *replays[T]) check(ctx context.Context, r *rotation[T], want *expectation[T]) error {
	s, err := r.at(0)
	if err != nil {
		return err
	}
	launch, err := p.bind(s)
	if err != nil {
		return err
	}
	// Leave other results where the last ones were.
	if err := errors.Join(p.crit.Forward(s.target, s.target), s.out.CopyFrom(s.pred), launch()); err != nil {
		return err
	}
	for _, o := range operations {
		if o.name == ForwardBackward {
			return compare(ctx, &o, p.crit, s, want)
		}
	}
	return nil
}

// contender returns the replay of a forward and backward pass.
func (p *replays[T]) contender(r *rotation[T], clock *clock) *contender {
	c := r.contender(clock, Entry{Op: ForwardBackward, Contender: Replayed, Bytes: BytesOf(ForwardBackward, p.w)}, p.bind, func() error {
		_, err := p.crit.Value()
		return err
	})
	c.guest = true
	return c
}
