// Package cpu computes the smooth L1, Huber and L1 losses and their gradients on the CPU.
//
// Everything is there twice. The functions named Ref… are the reference: one obvious loop each, slow, and the definition of
// every bit of a result. Those without it are for use: branch-free and parallel. Both give the same bits for every count and
// every number of goroutines, and package gpu gives them on a device.
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
// All functions may be called from any goroutine, on arrays that nobody writes meanwhile. Errors are *smoothl1.ArgError, and
// then no output was written.
package cpu

import (
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// The constants of the canonical sum.
const (
	Lanes = 128          // lanes of a row
	Rows  = 16           // rows of a chunk
	Chunk = Lanes * Rows // elements of a chunk
)

// Chunks returns the number of chunk sums of n elements: n/Chunk, rounded up.
func Chunks(n int) int { return n/Chunk + min(n%Chunk, 1) }

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

// check refuses what op cannot compute, before anything is written.
func (a *Args[T]) check(op string, l smoothl1.Loss, has outputs) error {
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return err
	}
	if has.value && l.Reduction == smoothl1.None {
		return smoothl1.NewArgError(op, "reduction", l.Reduction, smoothl1.ErrReduction)
	}
	if a.Count < 0 {
		return smoothl1.NewArgError(op, "count", a.Count, smoothl1.ErrCount)
	}
	n := len(a.Pred)
	length := func(name string, got, want int) error {
		if got == want {
			return nil
		}
		return smoothl1.NewArgError(op, "len("+name+")", got, fmt.Errorf("%w: want %d", smoothl1.ErrLength, want))
	}
	if err := length("target", len(a.Target), n); err != nil {
		return err
	}
	if has.terms {
		if err := length("terms", len(a.Terms), n); err != nil {
			return err
		}
	}
	if has.gradients {
		if a.GradPred == nil && a.GradTarget == nil {
			return smoothl1.NewArgError(op, "gradPred and gradTarget", "nil", smoothl1.ErrNil)
		}
		if a.GradPred != nil {
			if err := length("gradPred", len(a.GradPred), n); err != nil {
				return err
			}
		}
		if a.GradTarget != nil {
			if err := length("gradTarget", len(a.GradTarget), n); err != nil {
				return err
			}
		}
		if a.Upstream.elements != nil {
			if err := length("upstream", len(a.Upstream.elements), n); err != nil {
				return err
			}
		}
	}
	if has.value && a.ChunkSums != nil {
		if err := length("chunkSums", len(a.ChunkSums), Chunks(n)); err != nil {
			return err
		}
	}
	return a.checkOverlap(op, has)
}

// checkOverlap refuses outputs that share memory with another array, except an output that is an input.
func (a *Args[T]) checkOverlap(op string, has outputs) error {
	inputs := [...]span{spanOf(a.Pred), spanOf(a.Target), spanOf(a.Upstream.elements)}
	var outs [4]struct {
		name string
		span span
	}
	k := 0
	add := func(name string, s span) {
		outs[k].name, outs[k].span = name, s
		k++
	}
	if has.terms {
		add("terms", spanOf(a.Terms))
	}
	if has.gradients {
		add("gradPred", spanOf(a.GradPred))
		add("gradTarget", spanOf(a.GradTarget))
	}
	if has.value {
		add("chunkSums", spanOf(a.ChunkSums))
	}
	for i := range k {
		for _, in := range inputs {
			if outs[i].span.overlaps(in) && outs[i].span != in {
				return smoothl1.NewArgError(op, outs[i].name, outs[i].span, smoothl1.ErrOverlap)
			}
		}
		for j := range i {
			if outs[i].span.overlaps(outs[j].span) {
				return smoothl1.NewArgError(op, outs[i].name, outs[i].span, smoothl1.ErrOverlap)
			}
		}
	}
	return nil
}

// span is the memory of a slice: its first address and its bytes.
type span struct{ at, bytes uintptr }

func spanOf[E any](x []E) span {
	var e E
	return span{uintptr(unsafe.Pointer(unsafe.SliceData(x))), uintptr(len(x)) * unsafe.Sizeof(e)}
}

func (s span) overlaps(o span) bool {
	return s.bytes > 0 && o.bytes > 0 && s.at < o.at+o.bytes && o.at < s.at+s.bytes
}
