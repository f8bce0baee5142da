package gorgonia

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"weak"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// gradients hands gradients from a loss to the nodes of its gradients.
//
// An op has one output, so a forward pass that also computes gradients has nowhere to put them but beside the graph. They belong to
// the loss's value: the node of a gradient has the loss among its inputs, and finds by its address the cell of which it is a part. The
// state of the op alone would not do, since clones of a graph share ops, and their machines run at the same time.
type gradients struct {
	mu       sync.Mutex
	want     [2]bool                        // the graph has nodes for the gradients with respect to pred and target
	upstream float64                        // the upstream gradient of the last run, and very likely of the next: 1, or a constant scale
	seen     bool                           // there was a run with an upstream gradient
	cells    map[uintptr]weak.Pointer[cell] // by the address of the loss
	recent   [maxCells]weak.Pointer[cell]
	runs     int                                   // modulo maxCells
	reuse    bool                                  // outputs are written to the same memory in every run
	outputs  [gradTarget - terms + 1]*tensor.Dense // with reuse, the memory of those of the last run
}

// cell is the outcome of a forward pass. Gorgonia gets the address of f32 or f64, which keeps the whole reachable. It contains pointers,
// so that it shares its block of memory with no other object, and the weak pointers to it say exactly whether it is still in use.
type cell struct {
	f32      G.F32
	f64      G.F64
	loss     float64          // before it is rounded
	upstream float64          // of the gradients
	grads    [2]*tensor.Dense // with respect to pred and target; nil if not computed, or handed out
}

// maxCells is the number of runs whose gradients are kept for whoever asks. More than one is needed only if several machines run clones of
// a graph. Where a machine computes the loss alone, nobody asks.
const maxCells = 16

// wants has forward passes compute a gradient.
func (s *gradients) wants(r wrt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want[r] = true
}

// prepare sets the gradients to be computed in a, and returns the upstream gradient expected.
func (s *gradients) prepare(a *Args) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.want[byPred] {
		a.GradPred = s.output(gradPred, a.Pred)
	}
	if s.want[byTarget] {
		a.GradTarget = s.output(gradTarget, a.Pred)
	}
	g := 1.0
	if s.seen {
		g = s.upstream
	}
	if s.want[byPred] || s.want[byTarget] {
		a.Upstream = Number(g)
	}
	return g
}

// newOutput returns a tensor for an output, with the type and shape of like.
func (s *gradients) newOutput(r role, like *tensor.Dense) *tensor.Dense {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output(r, like)
}

// output is newOutput for a caller that holds the lock.
func (s *gradients) output(r role, like *tensor.Dense) *tensor.Dense {
	x := s.outputs[r-terms]
	if x == nil || x.Dtype() != like.Dtype() || !slices.Equal(x.Shape(), like.Shape()) {
		x = tensor.New(tensor.Of(like.Dtype()), tensor.WithShape(like.Shape()...))
	}
	if !s.reuse {
		return x
	}
	s.outputs[r-terms] = x
	return x.ShallowClone() // x stays here: when a graph unbinds its values, package tensor makes other tensors of theirs, but not of the memory
}

// keep remembers a cell for as long as its loss is in use, and returns the loss as a value of the type t.
func (s *gradients) keep(c *cell, t tensor.Dtype) (loss G.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t == tensor.Float64 {
		c.f64 = G.F64(c.loss)
		loss = &c.f64
	} else {
		c.f32 = G.F32(c.loss)
		loss = &c.f32
	}
	if old := s.recent[s.runs].Value(); old != nil {
		old.grads = [2]*tensor.Dense{}
	}
	w := weak.Make(c)
	s.recent[s.runs], s.runs = w, (s.runs+1)%maxCells
	if s.cells == nil {
		s.cells = map[uintptr]weak.Pointer[cell]{}
	}
	at := loss.Uintptr()
	s.cells[at] = w
	runtime.AddCleanup(c, func(w weak.Pointer[cell]) { s.forget(at, w) }, w)
	return loss
}

// forget removes a cell that is no longer in use, unless there is another at its address by now.
func (s *gradients) forget(at uintptr, w weak.Pointer[cell]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cells[at] == w {
		delete(s.cells, at)
	}
}

// find returns the cell that v is a part of, or nil. The caller holds the lock.
func (s *gradients) find(v G.Value) *cell {
	switch v.(type) {
	case *G.F32, *G.F64:
		return s.cells[v.Uintptr()].Value() // nil if the cell is no longer in use, and the address that of another value
	}
	return nil
}

// take returns the gradient that was computed with the loss, for the upstream gradient g; nil if there is none.
func (s *gradients) take(loss G.Value, r wrt, g float64) *tensor.Dense {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream, s.seen = g, true
	c := s.find(loss)
	if c == nil {
		return nil
	}
	x := c.grads[r]
	c.grads[r] = nil // whoever has it may write to it
	if math.Float64bits(c.upstream) != math.Float64bits(g) {
		return nil
	}
	return x
}

// Value returns the loss of the last run of a node that SmoothL1 returned with the reduction Mean or Sum, before it was rounded to the
// type of pred. It fails with an error wrapping smoothl1.ErrNoValue if there was no run, or none whose value is known: a TapeMachine with
// TraceExec copies values, and so does a clone of a graph.
func Value(node *G.Node) (float64, error) {
	const name = "Value"
	if node == nil {
		return 0, smoothl1.NewArgError(name, "node", "nil", smoothl1.ErrNil)
	}
	op, ok := node.Op().(*lossOp)
	if !ok || !op.reduces() {
		return 0, smoothl1.NewArgError(name, "node", node.Name(), fmt.Errorf("%w: want a node of SmoothL1 that is reduced", ErrGraph))
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	v := node.Value()
	if c := op.find(v); c != nil {
		return c.loss, nil
	}
	if x, ok := v.(*G.F64); ok && x != nil {
		return float64(*x), nil
	}
	return 0, smoothl1.NewArgError(name, "node", node.Name(), smoothl1.ErrNoValue)
}
