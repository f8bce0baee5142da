// Package cpu computes the smooth L1, Huber and L1 losses and their gradients on the CPU.
//
// Each of the four operations has two implementations. Those named Ref… are the reference: slow, simple loops that define every bit of
// a result. The others, and Run, are fast: assembly for AVX-512 and AVX2 on machines that support them, branch-free Go elsewhere, and
// parallel for arrays large enough to benefit. All produce the same bits for every count, instruction set and number of goroutines,
// and so does package gpu on every device.
//
//	            loss term (a = |d|, d = pred − target)           gradient with respect to pred (upstream g, norm n)
//	smooth L1   a < beta ? ((0.5·a)·a)/beta : a − 0.5·beta       d < −beta ? −(n·g) : d > beta ? n·g : ((n·d)·g)/beta
//	Huber       a < delta ? (0.5·a)·a : delta·(a − 0.5·delta)    d < −delta ? −(n·g)·delta : d > delta ? (n·g)·delta : (n·d)·g
//	L1          a                                                d > 0 ? n·g : d < 0 ? −(n·g) : d == 0 ? +0 : d
//
// Every operation is rounded once, in the type of the arrays. The norm is 1, or for a mean 1/divisor, divided in float64
// and then rounded; the divisor is the number of elements unless another is given. The gradient with respect to target is the
// negative of the one with respect to pred. A NaN in pred or target makes the loss and that element's gradient NaN.
//
// # The canonical sum
//
// A reduced loss is a float64. Its terms are widened to float64 and added in an order that depends only on their number. The array is
// divided into chunks of 2048 elements, the last one padded with +0. A chunk is 16 rows of 128 lanes; lane j starts at +0 and adds
// elements j, j+128, …, j+1920 in that order. The 128 lanes are folded by halves, lane i += lane i+64, then i+32, …, i+1, into one
// chunk sum. The chunk sums are summed by the same rule until one number is left. The sum therefore does not depend on the number of
// goroutines, blocks or machines. For shards cut at multiples of Chunk elements, Finish computes from their chunk sums exactly the
// loss of the whole array.
//
// # Speed
//
// A call of a fast function does not allocate, but for the first of many sizes or callers at once, and its goroutines end before it
// returns. Arrays that would take longer than 50 to 100 µs on one processor are split among at most GOMAXPROCS goroutines. For arrays
// larger than the last-level cache, outputs that begin at a multiple of 64 bytes, as large Go slices do, are written with non-temporal
// stores. The environment variable SMOOTHL1_CPU (generic, avx2, avx512) forces an instruction set: see InstructionSet. The build tag
// purego omits the assembly.
//
// All functions may be called from several goroutines at once, if none writes an array that another uses. The errors of operations and
// of Finish are *smoothl1.ArgError; no output has then been written.
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

// Chunks returns the number of chunks, and thus of chunk sums, of n elements: n/Chunk, rounded up. It is 0 for a negative n.
func Chunks(n int) int { return op.Chunks(max(0, n)) }

// Args holds the arguments of an operation: its inputs and the outputs that are wanted. All arrays but ChunkSums have the length of
// Pred. To compute in place, an output other than ChunkSums may be the same slice as Pred, Target or an elementwise upstream gradient;
// otherwise no output may share memory with another array. gpu.Args has the same fields, but for ChunkSums.
type Args[T smoothl1.Float] struct {
	Pred, Target []T
	// Upstream is the gradient of the objective with respect to the loss; the zero value is 1. It scales only the gradients.
	Upstream Upstream[T]
	// Terms, unless nil, receives the loss term of each element. It cannot be combined with another output or the reduced loss: set NoLoss.
	Terms []T
	// GradPred and GradTarget, unless nil, receive the gradients with respect to pred and target.
	GradPred, GradTarget []T
	// ChunkSums, unless nil, receives the Chunks(len(Pred)) chunk sums of the reduced loss.
	ChunkSums []float64
	// Divisor is the number that a mean divides by; the zero value stands for len(Pred).
	Divisor smoothl1.Divisor
	// NoLoss omits the reduced loss. It has no effect with the reduction None, for which there is no reduced loss.
	NoLoss bool
}

// Upstream is an upstream gradient: either one number for all elements or a slice with one for each. The zero value is the number 1.
type Upstream[T smoothl1.Float] struct {
	value    float64
	set      bool
	elements []T
}

// Number returns the upstream gradient g for all elements. It is rounded once to the computing type of T.
func Number[T smoothl1.Float](g float64) Upstream[T] { return Upstream[T]{value: g, set: true} }

// Elements returns the elementwise upstream gradient x, which must have the length of pred. A nil x is treated as an empty slice.
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

// divisor returns the number by which the reduction of l divides.
func (a *Args[T]) divisor(l smoothl1.Loss) float64 {
	return op.Divisor(l.Reduction, a.Divisor, len(a.Pred))
}

// check validates the arguments before anything is written, and returns the pass: p or, if p is op.Chosen, the one for the outputs in a.
//
// A nil slice is an absent array, but where the pass requires the array it is an empty one.
func (a *Args[T]) check(name string, l smoothl1.Loss, p op.Pass) (op.Pass, error) {
	t := smoothl1.DTypeOf[T]()
	if err := l.Validate(t); err != nil {
		return 0, err
	}
	if a.plain(l, p, t.Size()) {
		return p, nil
	}
	return a.checkAll(name, l, p, t)
}

// plain reports whether a call of a common form is valid: pred, target, at most one other array but for the chunk sums, all of them apart,
// and nothing else that can be wrong. It spares a small loss the cost of checkAll, which would take a good part of its time.
func (a *Args[T]) plain(l smoothl1.Loss, p op.Pass, size int) bool {
	n, out := len(a.Pred), a.Terms
	if p.Differentiates() {
		if out = a.GradPred; out == nil || a.GradTarget != nil || a.Upstream.elements != nil {
			return false
		}
	}
	if p == op.Chosen || len(a.Target) != n || p != op.Terms && !a.Divisor.IsZero() {
		return false
	}
	pred, target, bytes := address(a.Pred), address(a.Target), uint64(n*size)
	if p != op.Forward {
		at := address(out)
		if len(out) != n || !op.Apart(at, bytes, pred, bytes) || !op.Apart(at, bytes, target, bytes) {
			return false
		}
	}
	if !p.Reduces() || l.Reduction == smoothl1.None {
		return !p.Reduces()
	}
	if a.ChunkSums == nil {
		return true
	}
	at, long := address(a.ChunkSums), uint64(8*len(a.ChunkSums))
	return len(a.ChunkSums) == op.Chunks(n) && op.Apart(at, long, pred, bytes) && op.Apart(at, long, target, bytes) &&
		(p == op.Forward || op.Apart(at, long, address(out), bytes))
}

// checkAll validates arguments of any form, but for the loss.
func (a *Args[T]) checkAll(name string, l smoothl1.Loss, p op.Pass, t smoothl1.DType) (op.Pass, error) {
	var c op.Call
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfCPU, a.Upstream.set, a.NoLoss
	c.Reduction, c.Divisor = l.Reduction, a.Divisor
	c.N, c.DType, c.Size = len(a.Pred), t, t.Size()
	has := c.Put(op.RolePred, address(a.Pred), len(a.Pred)) | c.Put(op.RoleTarget, address(a.Target), len(a.Target))
	if x := a.Terms; x != nil && p == op.Chosen || p == op.Terms {
		has |= c.Put(op.RoleTerms, address(x), len(x))
	}
	if p == op.Chosen || p.Differentiates() {
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
	if x := a.ChunkSums; x != nil && (p == op.Chosen || p.Reduces()) {
		has |= c.Put(op.RoleChunkSums, address(x), len(x))
	}
	c.Has = has
	if p == op.Chosen {
		var err error
		if p, err = c.Choose(name); err != nil {
			return 0, err
		}
	}
	return p, c.Check(name, p)
}

func address[E any](x []E) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x)))) }
