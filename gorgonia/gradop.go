package gorgonia

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// wrt says what a gradient is with respect to.
type wrt int

const (
	byPred wrt = iota
	byTarget
)

// role returns the gradient's role in a call.
func (r wrt) role() role { return gradPred + role(r) }

// DiffWRT is part of G.SDOp.
func (op *lossOp) DiffWRT(inputs int) []bool {
	d := make([]bool, inputs)
	copy(d, []bool{true, op.target})
	return d
}

// SymDiff is part of G.SDOp: it adds the nodes of the gradients to the graph.
func (op *lossOp) SymDiff(inputs G.Nodes, output, grad *G.Node) (G.Nodes, error) {
	if len(inputs) != op.Arity() {
		return nil, arity(op, len(inputs))
	}
	children := append(append(G.Nodes{}, inputs...), grad)
	if op.reduces() {
		children = append(children, output)
	}
	nodes := make(G.Nodes, len(inputs))
	upstream, _ := typeOf(grad)
	for i, wanted := range op.DiffWRT(len(inputs)) {
		if !wanted {
			continue
		}
		n, err := G.ApplyOp(&gradOp{of: op, wrt: wrt(i), upstream: upstream}, append(G.Nodes{}, children...)...)
		if err != nil {
			return nil, err
		}
		nodes[i] = n
		op.wants(wrt(i))
	}
	return nodes, nil
}

// gradOp is the operation of the node of a gradient. Its inputs are those of the loss, the upstream gradient and, if it is reduced, the
// loss, so that it runs after it and finds the gradient that was computed with it.
type gradOp struct {
	of       *lossOp
	wrt      wrt
	upstream hm.Type
}

var _ G.SDOp = (*gradOp)(nil)

// Arity is part of G.Op.
func (op *gradOp) Arity() int {
	if op.of.reduces() {
		return op.of.Arity() + 2
	}
	return op.of.Arity() + 1
}

// Type is part of G.Op.
func (op *gradOp) Type() hm.Type {
	t := append(append([]hm.Type{}, op.of.inputs...), op.upstream)
	if op.of.reduces() {
		t = append(t, op.of.output())
	}
	return hm.NewFnType(append(t, op.of.inputs[pred])...)
}

// InferShape is part of G.Op.
func (op *gradOp) InferShape(inputs ...G.DimSizer) (tensor.Shape, error) {
	shapes, err := G.DimSizersToShapes(inputs)
	switch {
	case err != nil:
		return nil, err
	case len(shapes) != op.Arity():
		return nil, arity(op, len(shapes))
	}
	return shapes[pred].Clone(), nil
}

// ReturnsPtr is part of G.Op.
func (op *gradOp) ReturnsPtr() bool { return true }

// CallsExtern is part of G.Op.
func (op *gradOp) CallsExtern() bool { return callsExtern }

// OverwritesInput is part of G.Op: users and other nodes may still read pred.
func (op *gradOp) OverwritesInput() int { return -1 }

// WriteHash is part of G.Op.
func (op *gradOp) WriteHash(h hash.Hash) {
	op.of.WriteHash(h)
	_, _ = fmt.Fprintf(h, " gradient %d", op.wrt)
}

// Hashcode is part of G.Op.
func (op *gradOp) Hashcode() uint32 { return hashOf(op) }

func (op *gradOp) String() string {
	return fmt.Sprintf("d %v / d %v", op.of, role(op.wrt))
}

// DiffWRT is part of G.SDOp: there is no second derivative in a graph.
func (op *gradOp) DiffWRT(inputs int) []bool { return make([]bool, inputs) }

// SymDiff is part of G.SDOp.
func (op *gradOp) SymDiff(G.Nodes, *G.Node, *G.Node) (G.Nodes, error) {
	return nil, smoothl1.NewArgError(name, "gradient", op, fmt.Errorf("%w: it has no derivative in a graph; Run computes its product with a Direction", ErrGraph))
}

// Do is part of G.Op.
func (op *gradOp) Do(inputs ...G.Value) (G.Value, error) { return op.compute(nil, inputs) }

// compute returns the gradient: the one that was computed with the loss, or one that it writes to out or, if that is nil, to a new tensor.
func (op *gradOp) compute(out *tensor.Dense, inputs []G.Value) (G.Value, error) {
	if len(inputs) != op.Arity() {
		return nil, arity(op, len(inputs))
	}
	a, err := op.of.args(inputs)
	if err != nil {
		return nil, err
	}
	n := op.of.Arity()
	if a.Upstream, err = upstreamOf(inputs[n]); err != nil {
		return nil, err
	}
	if out == nil && op.of.reduces() && a.Upstream.kind == byNumber {
		if x := op.of.take(inputs[n+1], op.wrt, a.Upstream.number); x != nil {
			return x, nil
		}
	}
	if out == nil {
		out = op.of.newOutput(op.wrt.role(), a.Pred)
	}
	if op.wrt == byPred {
		a.GradPred = out
	} else {
		a.GradTarget = out
	}
	a.NoLoss = true
	if _, err := run(name, op.of.loss, a); err != nil {
		return nil, err
	}
	return out, nil
}

// DoDiff is part of G.ADOp, for a LispMachine: it adds the gradients to those of the inputs.
func (op *lossOp) DoDiff(_ G.ExecutionContext, inputs G.Nodes, output *G.Node) error {
	values := make([]G.Value, len(inputs))
	for i, n := range inputs {
		values[i] = n.Value()
	}
	a, err := op.args(values)
	if err != nil {
		return err
	}
	g, err := output.Grad()
	if err != nil {
		return err
	}
	if a.Upstream, err = upstreamOf(g); err != nil {
		return err
	}
	a.NoLoss = true
	for i, wanted := range op.DiffWRT(len(inputs)) {
		if !wanted {
			continue
		}
		old, err := inputs[i].Grad()
		if err != nil {
			return err
		}
		b := *a
		switch wrt(i) {
		case byPred:
			b.GradPred, err = dense(gradPred, old)
			b.AccumulatePred = true
		case byTarget:
			b.GradTarget, err = dense(gradTarget, old)
			b.AccumulateTarget = true
		}
		if err != nil {
			return err
		}
		if _, err := run(name, op.loss, &b); err != nil {
			return err
		}
	}
	return nil
}

// upstreamOf returns the upstream gradient of a value, which is a number for a loss that is reduced.
func upstreamOf(v G.Value) (Upstream, error) {
	switch x := v.(type) {
	case *G.F32:
		if x != nil {
			return Number(float64(*x)), nil
		}
	case *G.F64:
		if x != nil {
			return Number(float64(*x)), nil
		}
	}
	x, err := dense(upstream, v)
	if err != nil || x.Engine() == nil || !x.IsScalar() {
		return Elements(x), err
	}
	switch g := x.ScalarValue().(type) {
	case float32:
		return Number(float64(g)), nil
	case float64:
		return Number(g), nil
	}
	return Elements(x), nil
}
