package cpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/op"
)

// InstructionSet returns what the functions of this package that are not the reference are computed with: "avx512", "avx2", or
// "generic" for Go. It is the best that the machine has, unless the environment variable SMOOTHL1_CPU, read when the program
// starts, names a lesser one; where it names one that is unknown or not there, that is the error, which gpu.Open returns for the
// CPU, and the functions here use the best. No result depends on it.
func InstructionSet() (string, error) {
	err := isa.Complaint()
	return isa.Current().String(), err
}

// Run computes what a has places for, the loss terms or the gradients, and the reduced loss, a mean or a sum, which it returns;
// 0 where the reduction is None or a.NoLoss is set. It is an error to give what would not be used, or to ask for loss terms beside
// anything else.
//
// The four functions below are short forms of it. Each computes what its name says and leaves alone what it has no use for.
func Run[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	if a == nil {
		return 0, smoothl1.NewArgError("Run", "args", "nil", smoothl1.ErrNil)
	}
	return compute("Run", choose, l, a)
}

// ForwardTerms writes the loss term of every element to a.Terms: the loss without reduction, whatever l.Reduction says.
func ForwardTerms[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	_, err := compute("ForwardTerms", op.Terms, l, &a)
	return err
}

// Forward returns the reduced loss, a mean or a sum. The mean of nothing is NaN, the sum of nothing +0.
func Forward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	return compute("Forward", op.Forward, l, &a)
}

// Backward writes the gradients with respect to pred and target, of which either may be left out, for the upstream gradient.
func Backward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	_, err := compute("Backward", op.Backward, l, &a)
	return err
}

// ForwardBackward returns the reduced loss and writes the gradients, in one pass over the arrays. The upstream gradient
// scales the gradients alone.
func ForwardBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	return compute("ForwardBackward", op.ForwardBackward, l, &a)
}

// compute is a whole operation, whose name is for errors: p, or with choose what a has places for.
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

// Finish returns the reduced loss of an array of count elements from its chunk sums, gathered from shards in their order. The
// shards but the last must have been cut at multiples of Chunk elements. A mean divides by d, whose zero value is count.
func Finish(l smoothl1.Loss, chunkSums []float64, count int, d smoothl1.Divisor) (float64, error) {
	const name = "Finish"
	if err := l.Validate(smoothl1.Float64); err != nil { // of whatever type the terms were, which nothing here depends on
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
