package main

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// A lane computes pieces, one at a time. A device has two, each with a stream, memory and an op of its own: while it copies and computes
// the piece of one, the command writes the results of the other's piece, and reads the next. The CPU has one.
type lane[T smoothl1.Float] struct {
	crit   *gpu.SmoothL1[T]
	stream *gpu.Stream // nil on the CPU
	stages *stages[T]
	finish func() error // takes the results of the piece that is queued; nil: none is
}

// newLane makes a lane without stages.
func newLane[T smoothl1.Float](dev *gpu.Device, l smoothl1.Loss) (n *lane[T], err error) {
	n = &lane[T]{}
	if n.crit, err = gpu.NewSmoothL1[T](dev, l); err == nil && dev.Backend() != "cpu" {
		n.stream, err = dev.NewStream()
	}
	return n, err
}

// wait waits for the piece.
func (l *lane[T]) wait() error {
	if l.stream == nil {
		return nil
	}
	return l.stream.Wait()
}

func (l *lane[T]) close() {
	l.crit.Close()
	if l.stages != nil {
		l.stages.close()
	}
	l.stream.Close()
}

// lanes are those of an evaluation.
type lanes[T smoothl1.Float] struct {
	all  []*lane[T]
	next int // the number of pieces so far
}

// newLanes makes as many lanes as the device and the number of pieces of so many elements ask for.
func newLanes[T smoothl1.Float](dev *gpu.Device, e *evaluation, p *plan, elements int) (*lanes[T], error) {
	count := 2
	if dev.Backend() == "cpu" || p.elements() <= elements {
		count = 1
	}
	w := &lanes[T]{}
	for range count {
		l, err := newLane[T](dev, e.loss)
		w.all = append(w.all, l)
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// stage makes the stages, for pieces of at most the given number of rows and elements.
func (w *lanes[T]) stage(dev *gpu.Device, e *evaluation, p *plan, in *opened, out *created, rows, elements int) error {
	for _, l := range w.all {
		var how []gpu.Option
		if l.stream != nil {
			how = append(how, gpu.OnStream(l.stream))
		}
		var err error
		if l.stages, err = newStages[T](dev, e, p, in, out, rows, elements, how); err != nil {
			return err
		}
	}
	return nil
}

// turn returns the lane for the next piece, after taking the results of its last one.
func (w *lanes[T]) turn() (*lane[T], error) {
	l := w.all[w.next%len(w.all)]
	w.next++
	return l, l.settle()
}

// settle takes the results of the lane's piece, if one is queued.
func (l *lane[T]) settle() error {
	finish := l.finish
	if finish == nil {
		return nil
	}
	l.finish = nil
	return finish()
}

// settle takes the results of all pieces that are queued, in order.
func (w *lanes[T]) settle() error {
	for i := range w.all {
		if err := w.all[(w.next+i)%len(w.all)].settle(); err != nil {
			return err
		}
	}
	return nil
}

func (w *lanes[T]) close() {
	for _, l := range w.all {
		l.close()
	}
}

// keep keeps losses, and writes them.
func (w *work[T]) keep(losses []float64) error {
	if w.e.loss.Reduction == smoothl1.None {
		return nil
	}
	if w.e.keeps {
		w.losses = append(w.losses, losses...)
	}
	if to := w.out.writers[outLoss]; to != nil {
		return npy.Append(to, losses)
	}
	return nil
}
