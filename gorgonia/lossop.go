package gorgonia

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"reflect"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// name is the operation that errors of nodes name.
const name = "SmoothL1"

// ErrGraph is the reason of an error about a graph that is not well-formed.
var ErrGraph = errors.New("not a valid node here")

// lossOp is the operation of the nodes that SmoothL1 returns. Its inputs are pred, target and, if there are any, weight and mask.
//
// Gorgonia merges nodes whose ops have equal hash codes, so WriteHash writes everything that makes a difference.
type lossOp struct {
	loss         smoothl1.Loss
	divisor      smoothl1.Divisor
	weight, mask bool
	broadcast    bool
	target       bool // there is a gradient with respect to target
	dtype        tensor.Dtype
	inputs       []hm.Type
	*gradients   // what the forward pass hands to the gradients' nodes
}

var (
	_ G.SDOp = (*lossOp)(nil)
	_ G.ADOp = (*lossOp)(nil)
)

func (op *lossOp) reduces() bool { return op.loss.Reduction != smoothl1.None }

// Arity is part of G.Op.
func (op *lossOp) Arity() int { return len(op.inputs) }

// output is the type of the loss.
func (op *lossOp) output() hm.Type {
	if op.reduces() {
		return op.dtype
	}
	return op.inputs[pred]
}

// Type is part of G.Op. It makes a new type each time, for Gorgonia returns it to a pool.
func (op *lossOp) Type() hm.Type {
	return hm.NewFnType(append(append([]hm.Type{}, op.inputs...), op.output())...)
}

// InferShape is part of G.Op. The shapes of the nodes have been checked.
func (op *lossOp) InferShape(inputs ...G.DimSizer) (tensor.Shape, error) {
	shapes, err := G.DimSizersToShapes(inputs)
	switch {
	case err != nil:
		return nil, err
	case len(shapes) != op.Arity():
		return nil, arity(op, len(shapes))
	case op.reduces():
		return tensor.ScalarShape(), nil
	}
	return shapes[pred].Clone(), nil
}

// ReturnsPtr is part of G.Op.
func (op *lossOp) ReturnsPtr() bool { return true }

// CallsExtern is part of G.Op.
func (op *lossOp) CallsExtern() bool { return callsExtern }

// OverwritesInput is part of G.Op: the gradients need the inputs.
func (op *lossOp) OverwritesInput() int { return -1 }

// WriteHash is part of G.Op.
func (op *lossOp) WriteHash(h hash.Hash) {
	_, _ = fmt.Fprintf(h, "%v %v %t %t %t", op, op.dtype, op.broadcast, op.target, op.reuse)
}

// Hashcode is part of G.Op.
func (op *lossOp) Hashcode() uint32 { return hashOf(op) }

func (op *lossOp) String() string {
	s := "smoothl1." + op.loss.String()
	if !op.divisor.IsZero() {
		s += fmt.Sprintf(" / %v", op.divisor)
	}
	if op.weight {
		s += " weight"
	}
	if op.mask {
		s += " mask"
	}
	return s
}

// args returns the arguments of a call from the values of the inputs.
func (op *lossOp) args(inputs []G.Value) (*Args, error) {
	if len(inputs) < op.Arity() {
		return nil, arity(op, len(inputs))
	}
	a := &Args{Divisor: op.divisor, Broadcast: op.broadcast}
	to := []**tensor.Dense{&a.Pred, &a.Target}
	of := []role{pred, target}
	if op.weight {
		to, of = append(to, &a.Weight), append(of, weight)
	}
	if op.mask {
		to, of = append(to, &a.Mask), append(of, mask)
	}
	for i, p := range to {
		x, err := dense(of[i], inputs[i])
		if err == nil {
			*p = x
			err = check(name, of[i], x, a.Pred.Dtype())
		}
		if err != nil {
			return nil, err
		}
	}
	if !op.broadcastsOnlyFactors(a) {
		return nil, differs(name, target, a.Target, a.Pred.Shape())
	}
	return a, nil
}

// broadcastsOnlyFactors reports whether target does not repeat elements.
func (op *lossOp) broadcastsOnlyFactors(a *Args) bool {
	return !op.broadcast || fits(a.Target.Shape(), a.Pred.Shape(), false)
}

// dense returns the tensor of a value. That of a number, which a weight or a mask may be, is a scalar.
func dense(r role, v G.Value) (*tensor.Dense, error) {
	if _, ok := v.(G.Scalar); ok && (r == weight || r == mask) && !reflect.ValueOf(v).IsNil() {
		return tensor.New(tensor.FromScalar(v.Data())), nil
	}
	x, ok := v.(*tensor.Dense)
	if !ok || x == nil {
		return nil, smoothl1.NewArgError(name, r.String(), fmt.Sprintf("of Go type %T", v), fmt.Errorf("%w: want a *tensor.Dense", smoothl1.ErrDType))
	}
	return x, nil
}

// Do is part of G.Op: it computes the loss, and in the same pass those gradients that the graph has nodes for.
func (op *lossOp) Do(inputs ...G.Value) (G.Value, error) {
	a, err := op.args(inputs)
	if err != nil {
		return nil, err
	}
	if !op.reduces() {
		a.Terms = op.newOutput(terms, a.Pred)
		if _, err := run(name, op.loss, a); err != nil {
			return nil, err
		}
		return a.Terms, nil
	}
	c := new(cell)
	c.upstream = op.prepare(a)
	if c.loss, err = run(name, op.loss, a); err != nil {
		return nil, err
	}
	c.grads = [2]*tensor.Dense{a.GradPred, a.GradTarget}
	return op.keep(c, op.dtype), nil
}

func hashOf(op G.Op) uint32 {
	h := fnv.New32a()
	op.WriteHash(h)
	return h.Sum32()
}

func arity(op G.Op, n int) error {
	return smoothl1.NewArgError(name, "inputs", n, fmt.Errorf("%w: %v has %d", smoothl1.ErrLength, op, op.Arity()))
}
