package cpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// InstructionSet returns the instruction set used by the functions of this package other than the reference: "avx512", "avx2",
// "neon", or "generic" for Go code. It is the best that the machine supports, unless the environment variable SMOOTHL1_CPU, read at program start,
// names another. If the variable names one that is unknown or not supported, InstructionSet returns an error, as does gpu.Open for the
// CPU, and the functions use the best. Results do not depend on the instruction set.
func InstructionSet() (string, error) {
	err := isa.Complaint()
	return isa.Current().String(), err
}

// Run computes the outputs that a has slices for, in any combination, and returns the reduced loss, a mean or a sum. It returns 0 if the
// reduction is None, a.NoLoss is set, or a.ByRow is, with which the losses go to a.Losses. An argument that would not be used is an error.
//
// ForwardTerms, Forward, Backward and ForwardBackward are shorthands for it. They ignore arguments that they do not use.
func Run[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return compute("Run", op.Chosen, l, a)
}

// ForwardTerms writes the loss term of every element to a.Terms: the loss without reduction, whatever l.Reduction is. It needs a.Terms or
// a.Abs.
func ForwardTerms[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) error {
	_, err := compute("ForwardTerms", op.Terms, l, a)
	return err
}

// Forward returns the reduced loss, a mean or a sum. For empty arrays the mean is NaN, unless a.Divisor says otherwise, and the sum +0.
func Forward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return compute("Forward", op.Forward, l, a)
}

// Backward writes the gradients with respect to pred and target, the second derivative, and a.Terms and a.Abs unless nil. It needs
// a.GradPred, a.GradTarget or a.Second.
func Backward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) error {
	_, err := compute("Backward", op.Backward, l, a)
	return err
}

// ForwardBackward returns the reduced loss and writes the gradients, in one pass over the arrays. The upstream gradient scales only
// the gradients.
func ForwardBackward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return compute("ForwardBackward", op.ForwardBackward, l, a)
}

// compute performs an operation, whose name is for errors: the pass p or, if p is op.Chosen, the one for the outputs in a.
func compute[T smoothl1.Float](name string, p op.Pass, l smoothl1.Loss, a *Args[T]) (float64, error) {
	if a == nil {
		return 0, smoothl1.NewArgError(name, "args", "nil", smoothl1.ErrNil)
	}
	t := smoothl1.DTypeOf[T]()
	if hasKernels(t) && l.Validate(t) == nil {
		if q, ok := a.plain(l, p, t.Size()); ok {
			return lean(l, q, a), nil
		}
	}
	c := checks.take() // a variable would be allocated, since it may point to itself
	if c == nil {
		c = new(checked)
	}
	defer func() {
		c.Reset(smoothl1.None, smoothl1.Divisor{}, 0, t) // do not keep the caller's shape reachable
		checks.put(c)
	}()
	if err := a.checkAll(c, name, l, p); err != nil {
		return 0, err
	}
	if hasKernels(t) && c.Lean(c.pass) && (t.Computing() == t || !c.Has.Given().Has(op.RoleUpstream)) {
		dense := a.dense(c)
		return lean(l, c.pass, &dense), nil
	}
	return whole(l, a, c), nil
}

var checks pool[checked]

// lean computes an operation that core kernels compute alone.
func lean[T smoothl1.Float](l smoothl1.Loss, p op.Pass, a *Args[T]) float64 {
	switch a := any(a).(type) {
	case *Args[float32]:
		return leanOf[float32](l, p, a, core.Own)
	case *Args[float64]:
		return leanOf[float64](l, p, a, core.Own)
	case *Args[smoothl1.F16]:
		return leanOf[float32](l, p, a, core.F16)
	case *Args[smoothl1.BF16]:
		return leanOf[float32](l, p, a, core.BF16)
	}
	panic("cpu: no core kernels for " + smoothl1.DTypeOf[T]().String())
}

// hasKernels reports whether there are core kernels for arrays of type t.
func hasKernels(t smoothl1.DType) bool { return t.Computing() == t || core.HasKernels() }

func leanOf[T core.Float, S smoothl1.Float](l smoothl1.Loss, p op.Pass, a *Args[S], s core.Storage) float64 {
	var made pass[T]
	setPass(&made, p, l, a)
	made.Storage = s
	if !p.Reduces() {
		run(&made, nil)
		return 0
	}
	return run(&made, a.ChunkSums) / op.Divisor(l.Reduction, a.Divisor, len(a.Pred))
}

// dense returns the arguments of a lean call without a shape. Arrays that the pass ignores, which have not been checked, are absent.
func (a *Args[T]) dense(c *checked) Args[T] {
	d := *a
	if c.Views == nil {
		return d
	}
	cut := func(r op.Role, x []T, used bool) []T {
		if x == nil || !used {
			return nil
		}
		at := min(c.Views[r].Offset, len(x))
		return x[at : at+c.N]
	}
	d.Shape = nil
	terms, gradients := c.pass == op.Terms, c.pass.Differentiates()
	d.Pred, d.Target, d.Terms = cut(op.RolePred, a.Pred, true), cut(op.RoleTarget, a.Target, true), cut(op.RoleTerms, a.Terms, terms)
	d.GradPred, d.GradTarget = cut(op.RoleGradPred, a.GradPred, gradients), cut(op.RoleGradTarget, a.GradTarget, gradients)
	d.Upstream.elements = cut(op.RoleUpstream, a.Upstream.elements, gradients)
	return d
}

// Finish returns the reduced loss of an array of count elements from its chunk sums, those of its shards concatenated in order. All
// shards but the last must have a multiple of Chunk elements. A mean divides by d, whose zero value stands for count; for the number of
// elements that a mask keeps, or a sum of weights, use DivideBy with that of all shards.
func Finish(l smoothl1.Loss, chunkSums []float64, count int, d smoothl1.Divisor) (float64, error) {
	const name = "Finish"
	if err := l.Validate(smoothl1.Float64); err != nil { // valid for any element type, which does not matter here
		return 0, err
	}
	if l.Reduction == smoothl1.None {
		return 0, smoothl1.NewArgError(name, "reduction", l.Reduction, smoothl1.ErrReduction)
	}
	if e, ok := d.Validate(l.Reduction).(*smoothl1.ArgError); ok {
		return 0, smoothl1.NewArgError(name, e.Arg, e.Value, e.Err)
	}
	if d.Kept() || d.Weights() {
		return 0, smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: use DivideBy, with that of all shards", smoothl1.ErrDivisor))
	}
	if count < 0 {
		return 0, smoothl1.NewArgError(name, "count", count, smoothl1.ErrCount)
	}
	if len(chunkSums) != Chunks(count) {
		return 0, smoothl1.NewArgError(name, "len(chunkSums)", len(chunkSums),
			fmt.Errorf("%w: %d elements have %d", smoothl1.ErrLength, count, Chunks(count)))
	}
	return total(chunkSums) / op.Divisor(l.Reduction, d, count), nil
}
