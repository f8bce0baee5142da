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
// Every operation is rounded once, in the type of the arrays. The norm is 1, or for a mean 1/divisor, divided in float64
// and then rounded; the divisor is the number of elements unless another is given. The gradient with respect to target is the negative. NaN in pred or target gives NaN in the loss and in that
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

// Args is what an operation has: its arrays, all of pred's length but for ChunkSums, and what it is to give. An output may be
// the very slice of an input, to compute in place: of pred, of target, or of the upstream gradient. Apart from that no output may
// share memory with another array, and ChunkSums with none at all. gpu.Args has the same fields.
type Args[T smoothl1.Float] struct {
	Pred, Target []T
	// Upstream is the gradient of whatever is minimised with respect to the loss; the zero value is the number 1. It scales
	// the gradients alone.
	Upstream Upstream[T]
	// Terms gets the loss term of each element; nil: not wanted.
	Terms []T
	// GradPred and GradTarget get the gradients with respect to pred and target; nil: not wanted.
	GradPred, GradTarget []T
	// ChunkSums gets the Chunks(len(Pred)) chunk sums of the reduced loss; nil: not wanted.
	ChunkSums []float64
	// Divisor is what a mean divides by; the zero value is len(Pred).
	Divisor smoothl1.Divisor
	// NoLoss says that the reduced loss is not wanted. It is not had either where the reduction is None.
	NoLoss bool
}

// Upstream is an upstream gradient: a number, or one for each element. The zero value is the number 1.
type Upstream[T smoothl1.Float] struct {
	value    float64
	set      bool
	elements []T
}

// Number returns the upstream gradient g for all elements; it is rounded once to the type that T is computed in.
func Number[T smoothl1.Float](g float64) Upstream[T] { return Upstream[T]{value: g, set: true} }

// Elements returns the upstream gradient x[i] for element i; x must have the length of pred. A nil x is taken for an empty
// one.
func Elements[T smoothl1.Float](x []T) Upstream[T] {
	if x == nil {
		x = []T{}
	}
	return Upstream[T]{elements: x}
}

func (u *Upstream[T]) number() T {
	if u.set {
		return T(u.value)
	}
	return 1
}

// divisor returns what the reduction of l divides by.
func (a *Args[T]) divisor(l smoothl1.Loss) float64 {
	return op.Divisor(l.Reduction, a.Divisor, len(a.Pred))
}

// check refuses what the pass cannot compute, before anything is written. As p, choose stands for the pass that computes what
// the arguments have places for. It returns the pass.
//
// A nil slice is an array that is not given, but where the pass needs one it is an array of nothing.
func (a *Args[T]) check(name string, l smoothl1.Loss, p op.Pass) (op.Pass, error) {
	t := smoothl1.DTypeOf[T]()
	if err := l.Validate(t); err != nil {
		return 0, err
	}
	var c op.Call
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfCPU, a.Upstream.set, a.NoLoss
	c.Reduction, c.Divisor = l.Reduction, a.Divisor
	c.N, c.Size = len(a.Pred), t.Size()
	has := c.Put(op.RolePred, address(a.Pred), len(a.Pred)) | c.Put(op.RoleTarget, address(a.Target), len(a.Target))
	if x := a.Terms; x != nil && p == choose || p == op.Terms {
		has |= c.Put(op.RoleTerms, address(x), len(x))
	}
	if p == choose || p.Differentiates() {
		if x := a.Upstream.elements; x != nil {
			has |= c.Put(op.RoleUpstream, address(x), len(x))
		}
		if x := a.GradPred; x != nil {
			has |= c.Put(op.RoleGradPred, address(x), len(x))
		}
		if x := a.GradTarget; x != nil {
			has |= c.Put(op.RoleGradTarget, address(x), len(x))
		}
	}
	if x := a.ChunkSums; x != nil && (p == choose || p.Reduces()) {
		has |= c.Put(op.RoleChunkSums, address(x), len(x))
	}
	c.Has = has
	if p == choose {
		var err error
		if p, err = c.Choose(name); err != nil {
			return 0, err
		}
	}
	return p, c.Check(name, p)
}

const choose op.Pass = op.Passes

func address[E any](x []E) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x)))) }
