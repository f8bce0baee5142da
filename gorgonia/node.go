package gorgonia

import (
	"fmt"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// SmoothL1 adds a node to the graph of pred and target that computes the loss of pred, and that Gorgonia can differentiate.
//
// pred and target are nodes of float32 or float64 with the same shape of one dimension or more. With the reductions Mean and Sum the node
// is a scalar of their type, to which the loss, a float64, is rounded once; Value returns the float64. With None it has their shape.
//
// G.Grad gives the gradients for a TapeMachine, and a LispMachine differentiates as it runs. The gradient with respect to pred always
// exists. That with respect to target exists if target is computed by the graph, such as by a second network; if it is an input or a
// constant, G.Grad returns an error that it is not differentiable, so that no time is spent on it: TargetGradient changes either. There is
// no gradient with respect to a weight or a mask.
//
// The errors are *smoothl1.ArgError if an argument is wrong. The function does not panic, nor does the node when it is executed.
func SmoothL1(loss smoothl1.Loss, predNode, targetNode *G.Node, options ...Option) (node *G.Node, err error) {
	op := &lossOp{loss: loss, gradients: new(gradients)}
	inputs, err := op.configure(predNode, targetNode, options)
	if err != nil {
		return nil, err
	}
	if node, err = G.ApplyOp(op, inputs...); err != nil {
		return nil, smoothl1.NewArgError(name, "pred", fmt.Sprintf("of shape %v", predNode.Shape()), fmt.Errorf("%w: %w", ErrGraph, err))
	}
	return node, nil
}

// An Option is an optional part of SmoothL1.
type Option func(*setting)

type setting struct {
	weight, mask *G.Node
	weightSet    bool
	maskSet      bool
	fixed        bool // the weight is a constant, whatever computes it
	divisor      smoothl1.Divisor
	broadcast    bool
	target       *bool
	reuse        bool
}

// Weight multiplies the loss terms, and so the gradients, by w, a node with the type and shape of pred, which must be an input or a
// constant: there is no gradient with respect to it. For a weight that the graph computes, see FixedWeight.
func Weight(w *G.Node) Option {
	return func(s *setting) { s.weight, s.weightSet, s.fixed = w, true, false }
}

// FixedWeight is Weight for any node. If w is computed from parameters, their gradients do not contain what they contribute through w.
func FixedWeight(w *G.Node) Option {
	return func(s *setting) { s.weight, s.weightSet, s.fixed = w, true, true }
}

// Mask leaves out the elements for which m, a node of bool or uint8 with the shape of pred, is false or 0: their terms and gradients are
// +0, whatever pred and target have there, NaN included.
func Mask(m *G.Node) Option { return func(s *setting) { s.mask, s.maskSet = m, true } }

// Divisor has a mean divide by d: DivideByKept, DivideByWeights or DivideBy.
func Divisor(d smoothl1.Divisor) Option { return func(s *setting) { s.divisor = d } }

// Broadcast lets weight and mask repeat elements as in NumPy: shapes are compared from their last dimension on, and a dimension that is 1,
// or missing, repeats. A weight of shape (boxes, 1) is one for each row of pred's (boxes, 4), one of shape (4) one for each column, and a
// scalar one for all.
func Broadcast() Option { return func(s *setting) { s.broadcast = true } }

// TargetGradient says whether there is a gradient with respect to target. With false it is a constant, whatever computes it: the target
// network of Q-learning.
func TargetGradient(want bool) Option { return func(s *setting) { s.target = &want } }

// ReuseMemory has every run write the gradients, and the loss terms of the reduction None, to the memory of the run before, if their shape
// is the same. That saves allocating them, which takes longer than computing them, but a value of one run must then be used, or cloned,
// before the next, and no two machines may run the graph, or clones of it, at the same time.
func ReuseMemory() Option { return func(s *setting) { s.reuse = true } }

// configure sets the op and returns its inputs.
func (op *lossOp) configure(predNode, targetNode *G.Node, options []Option) (inputs G.Nodes, err error) {
	var s setting
	for i, o := range options {
		if o == nil {
			return nil, smoothl1.NewArgError(name, fmt.Sprintf("options[%d]", i), "nil", smoothl1.ErrNil)
		}
		o(&s)
	}
	add := func(r role, n *G.Node, like *G.Node) {
		if err == nil {
			err = op.checkNode(r, n, like, s.broadcast && r > target)
		}
		inputs = append(inputs, n)
	}
	add(pred, predNode, nil)
	add(target, targetNode, predNode)
	if s.weightSet {
		op.weight = true
		add(weight, s.weight, predNode)
		if err == nil && !s.fixed && !isLeaf(s.weight) {
			err = smoothl1.NewArgError(name, "weight", s.weight.Name(), fmt.Errorf("%w: it is computed by the graph, and there is no gradient with respect to a weight; FixedWeight takes it as a constant", smoothl1.ErrOption))
		}
	}
	if s.maskSet {
		op.mask = true
		add(mask, s.mask, predNode)
	}
	if err != nil {
		return nil, err
	}
	dtype := smoothl1.Float32
	if _, op.dtype = typeOf(predNode); op.dtype == tensor.Float64 {
		dtype = smoothl1.Float64
	}
	if err := op.loss.Validate(dtype); err != nil {
		return nil, err
	}
	op.divisor = s.divisor
	if err := op.divisor.Validate(op.loss.Reduction); err != nil {
		return nil, err
	}
	switch {
	case op.divisor.Kept() && !op.mask:
		return nil, smoothl1.NewArgError(name, "divisor", op.divisor, fmt.Errorf("%w: there is no mask", smoothl1.ErrDivisor))
	case op.divisor.Weights() && !op.weight:
		return nil, smoothl1.NewArgError(name, "divisor", op.divisor, fmt.Errorf("%w: there is no weight", smoothl1.ErrDivisor))
	}
	op.broadcast, op.reuse = s.broadcast, s.reuse
	if op.target = !isLeaf(targetNode); s.target != nil {
		op.target = *s.target
	}
	for _, n := range inputs {
		t, _ := typeOf(n)
		op.inputs = append(op.inputs, t)
	}
	return inputs, nil
}

// isLeaf reports whether a node is an input or a constant.
func isLeaf(n *G.Node) bool { return n.Op() == nil || n.Op().Arity() == 0 || isConstant(n) }

// isConstant reports whether a node has a value that is not computed. Gorgonia's constant tensors have the arity 1 and no child.
func isConstant(n *G.Node) bool {
	c, ok := n.Op().(interface{ Value() G.Value })
	return ok && c.Value() != nil
}

// typeOf returns the type of a node as a value, unlike the pointers to pooled types that some nodes have, and its element type, whose Type
// is nil if the node is not one of numbers.
func typeOf(n *G.Node) (hm.Type, tensor.Dtype) {
	switch t := n.Type().(type) {
	case tensor.Dtype:
		return t, t
	case G.TensorType:
		dtype, _ := t.Of.(tensor.Dtype)
		return t, dtype
	case *G.TensorType:
		dtype, _ := t.Of.(tensor.Dtype)
		return *t, dtype
	}
	return nil, tensor.Dtype{}
}

// checkNode returns an error if a node cannot have the role; like is pred.
func (op *lossOp) checkNode(r role, n, like *G.Node, broadcast bool) error {
	refuse := func(value any, reason error) error { return smoothl1.NewArgError(name, r.String(), value, reason) }
	if n == nil {
		return refuse("nil", smoothl1.ErrNil)
	}
	t, dtype := typeOf(n)
	_, scalar := t.(tensor.Dtype)
	switch {
	case dtype.Type == nil:
		return refuse(fmt.Sprintf("of type %v", n.Type()), fmt.Errorf("%w: want a tensor of numbers", smoothl1.ErrDType))
	case n.Graph() == nil && !isConstant(n):
		return refuse(n.Name(), fmt.Errorf("%w: it belongs to no graph", ErrGraph))
	case !scalar && n.Shape().Dims() == 0:
		return refuse(n.Name(), fmt.Errorf("%w: it has no shape", ErrGraph))
	case r == pred && dtype != tensor.Float32 && dtype != tensor.Float64:
		return refuse(dtype, fmt.Errorf("%w: want float32 or float64", smoothl1.ErrDType))
	case r == pred && scalar:
		return refuse("a scalar", fmt.Errorf("%w: want a dimension or more; reshape it to (1)", smoothl1.ErrView))
	case r == pred:
		return nil
	case n.Graph() != like.Graph() && n.Graph() != nil && like.Graph() != nil:
		return refuse(n.Name(), fmt.Errorf("%w: it belongs to another graph than pred", ErrGraph))
	case r == mask && dtype != tensor.Bool && dtype != tensor.Uint8:
		return refuse(dtype, fmt.Errorf("%w: want bool or uint8", smoothl1.ErrDType))
	case r != mask && dtype != like.Dtype():
		return refuse(dtype, fmt.Errorf("%w: pred has %v", smoothl1.ErrDType, like.Dtype()))
	case !fits(n.Shape(), like.Shape(), broadcast):
		return refuse(fmt.Sprintf("of shape %v", n.Shape()), fmt.Errorf("%w: pred has shape %v", smoothl1.ErrLength, like.Shape()))
	}
	return nil
}

// fits reports whether a tensor of the shape own can be used with pred's shape dims.
func fits(own, dims tensor.Shape, broadcast bool) bool {
	missing := len(dims) - len(own)
	if missing < 0 || missing > 0 && !broadcast {
		return false
	}
	for i, n := range own {
		if n != dims[missing+i] && !(broadcast && n == 1) {
			return false
		}
	}
	return true
}
