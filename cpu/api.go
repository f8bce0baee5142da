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

// ForwardTerms writes the loss term of every element to a.Terms: the loss without reduction, whatever l.Reduction says.
func ForwardTerms[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if err := a.check("ForwardTerms", l, outputs{terms: true}); err != nil {
		return err
	}
	var p pass[T]
	p.set(op.Terms, l, &a)
	run(&p, nil)
	return nil
}

// Forward returns the reduced loss, a mean or a sum. The mean of nothing is NaN, the sum of nothing +0.
func Forward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	if err := a.check("Forward", l, outputs{value: true}); err != nil {
		return 0, err
	}
	var p pass[T]
	p.set(op.Forward, l, &a)
	sum := run(&p, a.ChunkSums)
	return sum / op.Divisor(l, a.count()), nil
}

// Backward writes the gradients with respect to pred and target, of which either may be left out, for the upstream gradient.
func Backward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) error {
	if err := a.check("Backward", l, outputs{gradients: true}); err != nil {
		return err
	}
	var p pass[T]
	p.set(op.Backward, l, &a)
	run(&p, nil)
	return nil
}

// ForwardBackward returns the reduced loss and writes the gradients, in one pass over the arrays. The upstream gradient
// scales the gradients alone.
func ForwardBackward[T smoothl1.Float](l smoothl1.Loss, a Args[T]) (float64, error) {
	has := outputs{gradients: true, value: true}
	if err := a.check("ForwardBackward", l, has); err != nil {
		return 0, err
	}
	var p pass[T]
	p.set(op.ForwardBackward, l, &a)
	sum := run(&p, a.ChunkSums)
	return sum / op.Divisor(l, a.count()), nil
}

// Finish returns the reduced loss of an array of count elements from its chunk sums, gathered from shards in their order.
// The shards but the last must have been cut at multiples of Chunk elements.
func Finish(l smoothl1.Loss, chunkSums []float64, count int) (float64, error) {
	const call = "Finish"
	if err := l.Validate(smoothl1.Float64); err != nil {
		return 0, err
	}
	if l.Reduction == smoothl1.None {
		return 0, smoothl1.NewArgError(call, "reduction", l.Reduction, smoothl1.ErrReduction)
	}
	if count < 0 {
		return 0, smoothl1.NewArgError(call, "count", count, smoothl1.ErrCount)
	}
	if len(chunkSums) != Chunks(count) {
		return 0, smoothl1.NewArgError(call, "len(chunkSums)", len(chunkSums),
			fmt.Errorf("%w: %d elements have %d", smoothl1.ErrLength, count, Chunks(count)))
	}
	return total(chunkSums) / op.Divisor(l, count), nil
}
