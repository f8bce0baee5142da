package gorgonia

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// Args holds the arguments of an operation on dense tensors: its inputs and the outputs that are wanted. A nil tensor is an absent one.
//
// All tensors have the element type of Pred, float32 or float64, but for the mask. All have the shape of Pred, unless Broadcast is set. No
// element is copied: a tensor may be contiguous, or a view of another, from Slice, or T before Transpose. The tensors of one call must be
// views of one matrix of rows and columns, which all are that have one or two dimensions, and others if dimensions can be joined; otherwise
// the error says to materialize them.
//
// An output may be the same tensor as an input, and must not overlap another otherwise, but as columns of one matrix may.
type Args struct {
	Pred, Target *tensor.Dense
	// Weight multiplies the loss term and the gradients.
	Weight *tensor.Dense
	// Mask, of bool or uint8, leaves out the elements where it is false or 0: whatever the other tensors have there, their terms,
	// differences and gradients are +0. It is the opposite of a mask that a tensor itself may have; tensors with those are refused.
	Mask *tensor.Dense
	// Beta is beta, or delta, by element, in place of that of the loss, which must be valid all the same.
	Beta *tensor.Dense
	// Upstream is the gradient of the objective with respect to the loss; the zero value is 1. It scales only the gradients.
	Upstream Upstream
	// Terms and Abs receive the loss term and |pred − target| of each element.
	Terms, Abs *tensor.Dense
	// GradPred and GradTarget receive the gradients with respect to pred and target, or have them added if AccumulatePred and
	// AccumulateTarget are set.
	GradPred, GradTarget             *tensor.Dense
	AccumulatePred, AccumulateTarget bool
	// Second receives the second derivative with respect to pred, times Direction.
	Direction, Second *tensor.Dense
	// Divisor is what a mean divides by; the zero value stands for the number of elements.
	Divisor smoothl1.Divisor
	// NoLoss omits the reduced loss.
	NoLoss bool
	// Broadcast lets inputs other than pred repeat elements as in NumPy: shapes are compared from their last dimension on, and one that
	// is 1, or missing, repeats. There is no gradient with respect to a target that repeats elements, since it would be a sum.
	Broadcast bool
}

// Upstream is an upstream gradient: one number or a tensor. The zero value is the number 1.
type Upstream struct {
	kind     upstreamKind
	number   float64
	elements *tensor.Dense
}

type upstreamKind uint8

const (
	one upstreamKind = iota
	byNumber
	byElement
)

// Number returns the upstream gradient g for all elements. It is rounded once to the type of the tensors.
func Number(g float64) Upstream { return Upstream{kind: byNumber, number: g} }

// Elements returns the upstream gradient x of each element.
func Elements(x *tensor.Dense) Upstream { return Upstream{kind: byElement, elements: x} }

// Run computes the outputs that a has tensors for, in any combination and in one pass, and returns the reduced loss. It returns 0 if the
// reduction is None or a.NoLoss is set. An argument that would not be used is an error. The errors are *smoothl1.ArgError; no output has
// then been written.
//
// Calls may run concurrently, if none writes a tensor that another uses.
func Run(loss smoothl1.Loss, a *Args) (float64, error) { return run("Run", loss, a) }

// Forward returns the reduced loss, a mean or a sum.
func Forward(loss smoothl1.Loss, pred, target *tensor.Dense) (float64, error) {
	return run("Forward", loss, &Args{Pred: pred, Target: target})
}

// ForwardTerms writes the loss term of each element to terms: the loss without reduction, whatever loss.Reduction is.
func ForwardTerms(loss smoothl1.Loss, pred, target, terms *tensor.Dense) error {
	_, err := run("ForwardTerms", loss, &Args{Pred: pred, Target: target, Terms: terms})
	return err
}

// Backward writes the gradient with respect to pred to gradPred.
func Backward(loss smoothl1.Loss, pred, target, gradPred *tensor.Dense) error {
	_, err := run("Backward", loss, &Args{Pred: pred, Target: target, GradPred: gradPred})
	return err
}

// ForwardBackward returns the reduced loss and writes the gradient with respect to pred to gradPred, in one pass.
func ForwardBackward(loss smoothl1.Loss, pred, target, gradPred *tensor.Dense) (float64, error) {
	return run("ForwardBackward", loss, &Args{Pred: pred, Target: target, GradPred: gradPred})
}

func run(op string, loss smoothl1.Loss, a *Args) (float64, error) {
	if a == nil {
		return 0, smoothl1.NewArgError(op, "args", "nil", smoothl1.ErrNil)
	}
	var c call
	if err := c.read(op, a); err != nil {
		return 0, err
	}
	if value, ok, err := onDevice(op, loss, a, &c); ok {
		return value, err
	}
	if a.Pred.Dtype() == tensor.Float64 {
		return compute(op, loss, a, &c, (*tensor.Dense).Float64s)
	}
	return compute(op, loss, a, &c, (*tensor.Dense).Float32s)
}

// compute performs a call whose tensors have been read. slice returns the memory of a tensor.
func compute[T float32 | float64](op string, loss smoothl1.Loss, a *Args, c *call, slice func(*tensor.Dense) []T) (float64, error) {
	array := func(r role) []T { return cut(c, r, slice) }
	b := &cpu.Args[T]{Pred: array(pred), Target: array(target), Weight: array(weight), Mask: c.mask(), Beta: array(beta),
		Terms: array(terms), Abs: array(abs), GradPred: array(gradPred), GradTarget: array(gradTarget),
		AccumulatePred: a.AccumulatePred, AccumulateTarget: a.AccumulateTarget,
		Direction: array(direction), Second: array(second), Divisor: a.Divisor, NoLoss: a.NoLoss, Shape: c.shape}
	switch a.Upstream.kind {
	case byElement:
		b.Upstream = cpu.Elements(array(upstream))
	case byNumber:
		b.Upstream = cpu.Number[T](a.Upstream.number)
	}
	switch op {
	case "Forward":
		return cpu.Forward(loss, b)
	case "ForwardTerms":
		return 0, cpu.ForwardTerms(loss, b)
	case "Backward":
		return 0, cpu.Backward(loss, b)
	case "ForwardBackward":
		return cpu.ForwardBackward(loss, b)
	}
	return cpu.Run(loss, b)
}

// role is an argument of a call.
type role int

const (
	pred role = iota
	target
	weight
	mask
	beta
	upstream
	direction
	terms
	abs
	gradPred
	gradTarget
	second
	roles
)

var roleNames = [roles]string{"pred", "target", "weight", "mask", "beta", "upstream", "direction", "terms", "abs", "gradPred", "gradTarget", "second"}

func (r role) String() string { return roleNames[r] }

// output reports whether the argument is written.
func (r role) output() bool { return r >= terms }

// tensors returns the tensors of all roles.
func (a *Args) tensors() [roles]*tensor.Dense {
	return [roles]*tensor.Dense{a.Pred, a.Target, a.Weight, a.Mask, a.Beta, a.Upstream.elements, a.Direction, a.Terms, a.Abs, a.GradPred,
		a.GradTarget, a.Second}
}

// check returns an error if the tensor cannot have the role in a call whose pred has the element type t.
func check(op string, r role, x *tensor.Dense, t tensor.Dtype) error {
	refuse := func(value any, err error) error { return smoothl1.NewArgError(op, r.String(), value, err) }
	d := x.Dtype()
	switch {
	case d.Type == nil || x.Engine() == nil:
		return refuse("tensor.Dense{}", smoothl1.ErrZero)
	case r == pred && d != tensor.Float32 && d != tensor.Float64:
		return refuse(d, fmt.Errorf("%w: want float32 or float64", smoothl1.ErrDType))
	case r == mask && d != tensor.Bool && d != tensor.Uint8:
		return refuse(d, fmt.Errorf("%w: want bool or uint8", smoothl1.ErrDType))
	case r != mask && d != t:
		return refuse(d, fmt.Errorf("%w: pred has %v", smoothl1.ErrDType, t))
	case int(x.MemSize()/d.Size()) < extent(x):
		return refuse(fmt.Sprintf("of shape %v in %d bytes", x.Shape(), x.MemSize()), smoothl1.ErrView)
	case !x.IsNativelyAccessible():
		return refuse(fmt.Sprintf("of %v in the memory of %T", x.Shape(), x.Engine()), fmt.Errorf("%w: Go cannot access its memory; copy it to the host", smoothl1.ErrDevice))
	case len(x.Mask()) > 0:
		return refuse(fmt.Sprintf("of %v with a mask", x.Shape()), fmt.Errorf("%w: give what is to be kept as Mask, and the tensor without a mask", smoothl1.ErrOption))
	}
	return nil
}
