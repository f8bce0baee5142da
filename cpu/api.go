package cpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// InstructionSet returns the instruction set used by the functions of this package other than the reference: "avx512", "avx2", or
// "generic" for Go code. It is the best that the machine supports, unless the environment variable SMOOTHL1_CPU, read at program start,
// names another. If the variable names one that is unknown or not supported, InstructionSet returns an error, as does gpu.Open for the
// CPU, and the functions use the best. Results do not depend on the instruction set.
func InstructionSet() (string, error) {
	err := isa.Complaint()
	return isa.Current().String(), err
}

// Run computes the outputs that a has slices for, loss terms or gradients, and returns the reduced loss, a mean or a sum, or 0 if the
// reduction is None or a.NoLoss is set. An argument that would not be used is an error, and so are loss terms with any other output.
//
// ForwardTerms, Forward, Backward and ForwardBackward are shorthands for it. They ignore arguments that they do not use.
func Run[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	if a == nil {
		return 0, smoothl1.NewArgError("Run", "args", "nil", smoothl1.ErrNil)
	}
	return compute("Run", op.Chosen, l, a)
}

// ForwardTerms writes the loss term of every element to a.Terms: the loss without reduction, whatever l.Reduction is.
func ForwardTerms[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	_, err := compute("ForwardTerms", op.Terms, l, &a)
	return err
}

// Forward returns the reduced loss, a mean or a sum. For empty arrays the mean is NaN and the sum +0.
func Forward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	return compute("Forward", op.Forward, l, &a)
}

// Backward writes the gradients with respect to pred and target. One of a.GradPred and a.GradTarget may be nil.
func Backward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	_, err := compute("Backward", op.Backward, l, &a)
	return err
}

// ForwardBackward returns the reduced loss and writes the gradients, in one pass over the arrays. The upstream gradient scales only
// the gradients.
func ForwardBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	return compute("ForwardBackward", op.ForwardBackward, l, &a)
}

// compute performs an operation, whose name is for errors: the pass p or, if p is op.Chosen, the one for the outputs in a.
func compute[T smoothl1.Float](name string, p op.Pass, l smoothl1.Loss, a *Args[T]) (float64, error) {
	p, err := a.check(name, l, p)
	if err != nil {
		return 0, err
	}
	var made pass[T]
	made.set(p, l, a)
	if !p.Reduces() {
		run(&made, nil)
		return 0, nil
	}
	return run(&made, a.ChunkSums) / a.divisor(l), nil
}

// Finish returns the reduced loss of an array of count elements from its chunk sums, those of its shards concatenated in order. All
// shards but the last must have a multiple of Chunk elements. A mean divides by d, whose zero value stands for count.
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
	if count < 0 {
		return 0, smoothl1.NewArgError(name, "count", count, smoothl1.ErrCount)
	}
	if len(chunkSums) != Chunks(count) {
		return 0, smoothl1.NewArgError(name, "len(chunkSums)", len(chunkSums),
			fmt.Errorf("%w: %d elements have %d", smoothl1.ErrLength, count, Chunks(count)))
	}
	return total(chunkSums) / op.Divisor(l.Reduction, d, count), nil
}
