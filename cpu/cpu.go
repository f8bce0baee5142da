// Package cpu computes the smooth L1, Huber and L1 losses and their gradients on the CPU, for arrays of float32, float64, float16 and
// bfloat16 numbers.
//
// Each operation has two implementations. Those named Ref… are the reference: slow, simple loops that define every bit of a result.
// The others are fast: assembly for AVX-512 and AVX2 on machines that support them and for NEON on arm64, branch-free Go elsewhere, and
// parallel for arrays large enough to benefit. Both produce the same bits for every count, instruction set and number of goroutines, and so does package
// gpu on every device.
//
//	            loss term (a = |d|, d = pred − target)           gradient with respect to pred (upstream g, norm n)
//	smooth L1   a < beta ? ((0.5·a)·a)/beta : a − 0.5·beta       d < −beta ? −(n·g) : d > beta ? n·g : ((n·d)·g)/beta
//	Huber       a < delta ? (0.5·a)·a : delta·(a − 0.5·delta)    d < −delta ? −(n·g)·delta : d > delta ? (n·g)·delta : (n·d)·g
//	L1          a                                                d > 0 ? n·g : d < 0 ? −(n·g) : d == 0 ? +0 : d
//
// Every operation is rounded once, in the computing type: that of the arrays or, for numbers of 16 bits, float32, to which they are
// widened exactly; outputs are then rounded once more. The norm is 1, or for a mean 1/divisor, divided in float64 and then rounded; the
// divisor is the number of elements unless another is given. The gradient with respect to target is the negative of the one with
// respect to pred. A NaN in pred or target makes the loss and that element's gradient NaN.
//
// # Weights, masks and other arguments
//
// A weight w multiplies the loss term, once that is rounded. The gradients are those of norm 1 and the upstream gradient (n·g)·w.
//
// Where a mask is 0, the loss term, |d|, the gradients and the second derivative are +0, whatever the other arrays hold there, NaN
// included.
//
// The second derivative with respect to pred, times a direction v, is ((n·v)·g)/beta where a < beta, for Huber (n·v)·g where a < delta,
// NaN where d is, and +0 elsewhere.
//
// A gradient that is accumulated is added to what its array holds, in the computing type. A masked element adds +0.
//
// Results that are reduced by row have a sum, a divisor and a norm for each row.
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
// returns. How a call on large arrays is split among at most GOMAXPROCS goroutines, whether outputs that begin at a multiple of 64 bytes, as
// large Go slices do, are written with non-temporal stores (not on arm64), and how far ahead it prefetches, is found by timing the first few hundred calls:
// see Tuning. The environment variables SMOOTHL1_TUNE and SMOOTHL1_CPU (generic, avx2, avx512, neon) fix these choices and the instruction set: see
// Tuning and InstructionSet. The build tag purego omits the assembly.
//
// All functions may be called from several goroutines at once, if none writes an array that another uses. The errors of operations and
// of Finish are *smoothl1.ArgError; no output has then been written.
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

// Chunks returns the number of chunks, and thus of chunk sums, of n elements: n/Chunk, rounded up. It is 0 for a negative n.
func Chunks(n int) int { return op.Chunks(max(0, n)) }

// Args holds the arguments of an operation: its inputs and the outputs that are wanted. gpu.Args has the same fields, but for ChunkSums.
//
// Unless Shape says otherwise, all arrays have the length of Pred, but for ChunkSums, Index and Losses; with an Index, all but GradPred
// have one element for each row. A nil slice is an absent array. To compute in place, an output of T may be the same slice, with the
// same view, as an input of T, if there is no Index. Otherwise no output may overlap another array, unless both have the same strides
// and their elements lie side by side, as columns of one matrix do.
type Args[T smoothl1.Float] struct {
	Pred, Target []T
	// Weight multiplies the loss term, once that is rounded, and the gradients.
	Weight []T
	// Mask leaves out the elements where it is 0: their terms, differences and gradients are +0, whatever the other arrays have there.
	// smoothl1.Bytes makes one of bools.
	Mask []uint8
	// Beta is beta, or delta, by element, in place of that of the Loss, which must be valid all the same. An element whose beta is not
	// valid (negative, NaN, infinite, or 0 for Huber) gets NaN.
	Beta []T
	// Index names the column of Pred to compare with the one target of each row. Shape.Cols is the number of columns of Pred and
	// GradPred; the gradients of other columns are +0, or stay as they are if AccumulatePred is set.
	Index []int32
	// Upstream is the gradient of the objective with respect to the loss; the zero value is 1. It scales only the gradients.
	Upstream Upstream[T]
	// Terms and Abs, unless nil, receive the loss term and |pred − target| of each element.
	Terms, Abs []T
	// GradPred and GradTarget, unless nil, receive the gradients with respect to pred and target, or have them added if AccumulatePred
	// and AccumulateTarget are set.
	GradPred, GradTarget             []T
	AccumulatePred, AccumulateTarget bool
	// Second, unless nil, receives the second derivative with respect to pred, times Direction: the product of the Hessian and a vector.
	Direction, Second []T
	// ByRow reduces each row: Losses, one for each, receives the losses, and Upstream is that of a row if its view is smoothl1.PerRow.
	ByRow  bool
	Losses []float64
	// ChunkSums, unless nil, receives the chunk sums of the reduced loss, Chunks(n) for n terms; with ByRow those of each row in turn.
	ChunkSums []float64
	// Divisor is what a mean divides by; the zero value stands for the number of elements, with ByRow that of a row.
	Divisor smoothl1.Divisor
	// NoLoss omits the reduced loss. It has no effect with the reduction None, for which there is no reduced loss.
	NoLoss bool
	// Shape is the matrix that the arrays hold, and how; nil stands for one row of dense arrays.
	Shape *smoothl1.Shape
}

// Upstream is an upstream gradient: either one number for all elements or a slice, with one for each unless Args.Shape says otherwise.
// The zero value is the number 1.
type Upstream[T smoothl1.Float] struct {
	value    float64
	set      bool
	elements []T
}

// Number returns the upstream gradient g for all elements. It is rounded once to the computing type of T.
func Number[T smoothl1.Float](g float64) Upstream[T] { return Upstream[T]{value: g, set: true} }

// Elements returns the upstream gradient x of each element. A nil x is treated as an empty slice.
func Elements[T smoothl1.Float](x []T) Upstream[T] {
	if x == nil {
		x = []T{}
	}
	return Upstream[T]{elements: x}
}

func (u *Upstream[T]) number() float64 {
	if u.set {
		return u.value
	}
	return 1
}

// plain reports whether a call of a common form is valid: pred, target, at most one other array but for the chunk sums, all of them apart,
// and nothing else that can be wrong. It spares a small loss the cost of checkAll, which would take a good part of its time. The pass is
// p or, if that is op.Chosen, the one for the outputs in a.
func (a *Args[T]) plain(l smoothl1.Loss, p op.Pass, size int) (op.Pass, bool) {
	if a.Shape != nil || a.Weight != nil || a.Mask != nil || a.Beta != nil || a.Index != nil || a.Abs != nil || a.Second != nil ||
		a.Direction != nil || a.Losses != nil || a.ByRow || a.AccumulatePred || a.AccumulateTarget {
		return 0, false
	}
	if p == op.Chosen {
		loss := l.Reduction != smoothl1.None && !a.NoLoss
		switch {
		case a.GradPred != nil && loss:
			p = op.ForwardBackward
		case a.GradPred != nil:
			p = op.Backward
		case loss:
			p = op.Forward
		case a.Terms != nil:
			p = op.Terms
		default:
			return 0, false
		}
		upstream := a.Upstream.set || a.Upstream.elements != nil
		if p == op.Terms && !a.Divisor.IsZero() || p != op.Terms && a.Terms != nil || a.GradTarget != nil || !loss && a.ChunkSums != nil ||
			!p.Differentiates() && upstream {
			return 0, false
		}
	}
	n, out := len(a.Pred), a.Terms
	if p != op.Terms {
		if a.Terms != nil || !a.Divisor.IsZero() {
			return 0, false
		}
		if out = a.GradPred; p.Differentiates() && (out == nil || a.GradTarget != nil || a.Upstream.elements != nil) {
			return 0, false
		}
	}
	if len(a.Target) != n {
		return 0, false
	}
	pred, target, bytes := address(a.Pred), address(a.Target), uint64(n*size)
	if p != op.Forward {
		at := address(out)
		if len(out) != n || !op.Apart(at, bytes, pred, bytes) || !op.Apart(at, bytes, target, bytes) {
			return 0, false
		}
	}
	if !p.Reduces() || l.Reduction == smoothl1.None {
		return p, !p.Reduces()
	}
	if a.ChunkSums == nil {
		return p, true
	}
	at, long := address(a.ChunkSums), uint64(8*len(a.ChunkSums))
	return p, len(a.ChunkSums) == op.Chunks(n) && op.Apart(at, long, pred, bytes) && op.Apart(at, long, target, bytes) &&
		(p == op.Forward || op.Apart(at, long, address(out), bytes))
}

// checked is a call of any form that has been checked.
type checked struct {
	op.Call
	pass  op.Pass
	views op.Views
}

// checkAll validates arguments of any form before anything is written, and sets c. The pass is p or, if that is op.Chosen, the one for
// the outputs in a.
//
// A nil slice is an absent array, but where the pass requires the array it is an empty one.
func (a *Args[T]) checkAll(c *checked, name string, l smoothl1.Loss, p op.Pass) error {
	t := smoothl1.DTypeOf[T]()
	if err := l.Validate(t); err != nil {
		return err
	}
	c.Reset(l.Reduction, a.Divisor, len(a.Pred), t)
	c.Elementwise, c.Upstream, c.NoLoss = op.ElementwiseOfCPU, a.Upstream.set, a.NoLoss
	c.ByRow, c.AccumulatePred, c.AccumulateTarget = a.ByRow, a.AccumulatePred, a.AccumulateTarget
	if a.Shape != nil || a.Index != nil || a.ByRow {
		if err := c.SetShape(name, a.Shape, len(a.Pred), a.Index != nil, &c.views); err != nil {
			return err
		}
	}
	c.Has = c.Put(op.RolePred, address(a.Pred), len(a.Pred)) | c.Put(op.RoleTarget, address(a.Target), len(a.Target)) |
		add(c, op.RoleWeight, a.Weight) | add(c, op.RoleMask, a.Mask) | add(c, op.RoleBeta, a.Beta) | add(c, op.RoleIndex, a.Index) |
		add(c, op.RoleUpstream, a.Upstream.elements) | add(c, op.RoleDirection, a.Direction) |
		add(c, op.RoleTerms, a.Terms) | add(c, op.RoleAbs, a.Abs) | add(c, op.RoleGradPred, a.GradPred) | add(c, op.RoleGradTarget, a.GradTarget) |
		add(c, op.RoleSecond, a.Second) | add(c, op.RoleLosses, a.Losses) | add(c, op.RoleChunkSums, a.ChunkSums)
	if p == op.Terms && a.Terms == nil && a.Abs == nil {
		c.Has |= c.Put(op.RoleTerms, 0, 0)
	}
	if p == op.Chosen {
		var err error
		if p, err = c.Choose(name); err != nil {
			return err
		}
	}
	if err := c.Check(name, p); err != nil {
		return err
	}
	c.pass = p
	for row, column := range a.Index {
		if column < 0 || int(column) >= c.Actions {
			return smoothl1.NewArgError(name, fmt.Sprintf("index[%d]", row), column, fmt.Errorf("%w: pred has %d columns", smoothl1.ErrIndex, c.Actions))
		}
	}
	return nil
}

// add adds an array, unless it is nil, to a call.
func add[E smoothl1.Element](c *checked, r op.Role, x []E) op.Found {
	if x == nil {
		return 0
	}
	return c.Put(r, address(x), len(x))
}

// resolve sets the views of a call without a shape.
func (c *checked) resolve() {
	if c.Views != nil {
		return
	}
	c.Rows, c.Cols, c.Actions, c.Views = 1, c.N, c.N, &c.views
	for r := range c.views {
		c.views[r] = op.View{ColStride: 1}
	}
}

func address[E any](x []E) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x)))) }
