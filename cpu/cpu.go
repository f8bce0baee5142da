// Package cpu computes the smooth L1, Huber and L1 losses and their gradients on the CPU.
//
// Everything is there twice. The functions named Ref… are the reference: one obvious loop each, slow, and the definition of
// every bit of a result. Those without it are for use: in assembly for AVX-512 and AVX2 where the machine has them, branch-free
// Go elsewhere, and parallel where arrays are large enough to gain by it. All give the same bits for every count, every
// instruction set and every number of goroutines, and package gpu gives them on a device.
//
//	            loss term (a = |d|, d = pred − target)           gradient with respect to pred (upstream g, norm n)
//	smooth L1   a < beta ? ((0.5·a)·a)/beta : a − 0.5·beta       d < −beta ? −(n·g) : d > beta ? n·g : ((n·d)·g)/beta
//	Huber       a < delta ? (0.5·a)·a : delta·(a − 0.5·delta)    d < −delta ? −(n·g)·delta : d > delta ? (n·g)·delta : (n·d)·g
//	L1          a                                                d > 0 ? n·g : d < 0 ? −(n·g) : d == 0 ? +0 : d
//
// Every operation is rounded once, in the type of the arrays. The norm is 1, or for a mean 1/count, divided in float64 and
// then rounded. The gradient with respect to target is the negative. NaN in pred or target gives NaN in the loss and in that
// element's gradient.
//
// # The canonical sum
//
// A reduced loss is a float64. Its terms are widened to float64 and added in an order that depends on the count alone: the
// array is cut into chunks of 2048 elements (a short one is filled up with +0); a chunk is 16 rows of 128 lanes, and lane j
// adds elements j, j+128, …, j+1920 in that order, from +0; the 128 lanes are folded by halves, lane i += lane i+64, then
// i+32, …, i+1, to one chunk sum; and the chunk sums are summed by the same rule until one number is left. So the sum does
// not depend on how many goroutines, blocks or machines took part. Shards that are cut at multiples of Chunk elements hand
// over their chunk sums, and Finish makes of them the very loss of the whole.
//
// # Speed
//
// A call allocates nothing and leaves no goroutine behind. Arrays that take longer than 50 to 100 µs on one processor are
// dealt to at most GOMAXPROCS goroutines; arrays larger than the last level of cache are written past it, if their outputs begin at
// a multiple of 64 bytes, as those that Go allocates at that size do. The environment variable SMOOTHL1_CPU (generic, avx2,
// avx512) forces an instruction set: see InstructionSet. The build tag purego leaves the assembly out.
//
// All functions may be called from any goroutine, on arrays that nobody writes meanwhile. Errors are *smoothl1.ArgError, and
// then no output was written.
package cpu

import (
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// The constants of the canonical sum.
const (
	Lanes = op.Lanes // lanes of a row
	Rows  = op.Rows  // rows of a chunk
	Chunk = op.Chunk // elements of a chunk
)

// Chunks returns the number of chunk sums of n elements: n/Chunk, rounded up.
func Chunks(n int) int { return op.Chunks(n) }

// Args are the arrays of an operation, all of the same length. An output may be the very slice of an input, to compute in
// place; no output may overlap another or an input in part.
type Args[T smoothl1.Float] struct {
	Pred, Target []T
	// Terms gets the loss terms (ForwardTerms).
	Terms []T
	// GradPred and GradTarget get the gradients (Backward, ForwardBackward); nil: not wanted.
	GradPred, GradTarget []T
	// Upstream is the gradient of whatever is minimised with respect to the loss; the zero value is the number 1.
	Upstream Upstream[T]
	// ChunkSums gets the Chunks(len(Pred)) chunk sums of a reduction (Forward, ForwardBackward); nil: not wanted.
	ChunkSums []float64
	// Count is the number of elements that a mean is taken over, where Pred is a shard of more; 0 stands for len(Pred).
	Count int
}

// Upstream is an upstream gradient: a number, or one per element. The zero value is the number 1.
type Upstream[T smoothl1.Float] struct {
	value    float64
	set      bool
	elements []T
}

// Number returns the upstream gradient g for all elements; it is rounded once to T.
func Number[T smoothl1.Float](g float64) Upstream[T] { return Upstream[T]{value: g, set: true} }

// Elements returns the upstream gradient x[i] for element i; x must have the length of pred. A nil x is taken for an empty
// one.
func Elements[T smoothl1.Float](x []T) Upstream[T] {
	if x == nil {
		x = []T{}
	}
	return Upstream[T]{elements: x}
}

func (u Upstream[T]) number() T {
	if u.set {
		return T(u.value)
	}
	return 1
}

func (a *Args[T]) count() int {
	if a.Count != 0 {
		return a.Count
	}
	return len(a.Pred)
}

// outputs says which outputs an operation has.
type outputs struct{ terms, gradients, value bool }

// check refuses what op cannot compute, before anything is written. It is written for the common case, in which there is
// nothing to refuse: it takes a good part of the time that a small array does.
func (a *Args[T]) check(op string, l smoothl1.Loss, has outputs) error {
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return err
	}
	n := len(a.Pred)
	switch {
	case has.value && l.Reduction == smoothl1.None:
		return smoothl1.NewArgError(op, "reduction", l.Reduction, smoothl1.ErrReduction)
	case a.Count < 0:
		return smoothl1.NewArgError(op, "count", a.Count, smoothl1.ErrCount)
	case len(a.Target) != n:
		return wrongLength(op, "target", len(a.Target), n)
	case has.terms && len(a.Terms) != n:
		return wrongLength(op, "terms", len(a.Terms), n)
	case has.value && a.ChunkSums != nil && len(a.ChunkSums) != Chunks(n):
		return wrongLength(op, "chunkSums", len(a.ChunkSums), Chunks(n))
	}
	if has.gradients {
		switch {
		case a.GradPred == nil && a.GradTarget == nil:
			return smoothl1.NewArgError(op, "gradPred and gradTarget", "nil", smoothl1.ErrNil)
		case a.GradPred != nil && len(a.GradPred) != n:
			return wrongLength(op, "gradPred", len(a.GradPred), n)
		case a.GradTarget != nil && len(a.GradTarget) != n:
			return wrongLength(op, "gradTarget", len(a.GradTarget), n)
		case a.Upstream.elements != nil && len(a.Upstream.elements) != n:
			return wrongLength(op, "upstream", len(a.Upstream.elements), n)
		}
	}
	return a.checkOverlap(op, has)
}

func wrongLength(op, name string, got, want int) error {
	return smoothl1.NewArgError(op, "len("+name+")", got, fmt.Errorf("%w: want %d", smoothl1.ErrLength, want))
}

// checkOverlap refuses outputs that share memory with another array, except an output that is an input.
func (a *Args[T]) checkOverlap(op string, has outputs) error {
	pred, target := spanOf(a.Pred), spanOf(a.Target)
	var upstream, gradPred, gradTarget span
	if has.terms {
		if terms := spanOf(a.Terms); terms.spoils(pred) || terms.spoils(target) {
			return smoothl1.NewArgError(op, "terms", terms, smoothl1.ErrOverlap)
		}
	}
	if has.gradients {
		upstream, gradPred, gradTarget = spanOf(a.Upstream.elements), spanOf(a.GradPred), spanOf(a.GradTarget)
		switch {
		case gradPred.spoils(pred) || gradPred.spoils(target) || gradPred.spoils(upstream):
			return smoothl1.NewArgError(op, "gradPred", gradPred, smoothl1.ErrOverlap)
		case gradTarget.spoils(pred) || gradTarget.spoils(target) || gradTarget.spoils(upstream) || gradTarget.overlaps(gradPred):
			return smoothl1.NewArgError(op, "gradTarget", gradTarget, smoothl1.ErrOverlap)
		}
	}
	if has.value && a.ChunkSums != nil {
		sums := spanOf(a.ChunkSums)
		if sums.spoils(pred) || sums.spoils(target) || sums.spoils(upstream) || sums.overlaps(gradPred) || sums.overlaps(gradTarget) {
			return smoothl1.NewArgError(op, "chunkSums", sums, smoothl1.ErrOverlap)
		}
	}
	return nil
}

// span is the memory of a slice: from its first address to behind its last.
type span struct{ from, to uintptr }

func spanOf[E any](x []E) span {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(x)))
	return span{from, from + uintptr(len(x))*unsafe.Sizeof(*new(E))}
}

// overlaps says whether two spans share memory. An empty one, which may lie anywhere, shares none.
func (s span) overlaps(o span) bool { return max(s.from, o.from) < min(s.to, o.to) }

// spoils says whether an output overlaps an input without being it.
func (s span) spoils(input span) bool { return s.overlaps(input) && s != input }
