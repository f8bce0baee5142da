package cpu

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
	"github.com/smoothl1/smoothl1/internal/op"
)

// rich is a pass of any form, computed in C. It is made piece by piece: a piece is a chunk of the matrix, in the order of its elements, or
// with a reduction by rows a chunk of a row, or as many whole rows as fit.
type rich[C core.Float] struct {
	team
	kind    op.Pass
	loss    smoothl1.Loss
	storage stage.Storage
	byRow   bool

	rows, cols, n int
	chunksOfRow   int // by row: pieces of a long row
	rowsOfPiece   int // by row: short rows of a piece

	pred, target, weight, mask, beta, upstream, direction array
	terms, abs, gradPred, gradTarget, second              array
	index                                                 []int32
	actions                                               int
	addPred, addTarget                                    bool

	g         C // the upstream gradient, unless there is an array
	constants core.Params[C]
	number    C    // beta, unless there is an array
	invalid   bool // beta was given as an array of one, and is not valid
	by        smoothl1.Divisor
	divisor   float64 // what a mean divides by, unless it differs between rows
	norm      C
	kernel    bool // kernels make the pieces
	core      bool // those of package core
	batches   bool // which make several pieces at a time
	ahead     uint64
	streaming bool
	threads   int
	counting  bool // the pass that finds the divisors
	countRows bool // from one byte of the mask for each row

	divisors  []float64 // of long rows
	counts    []float64 // kept elements or sums of weights of the pieces
	sums      []float64 // chunk sums
	losses    []float64
	chunkSums []float64 // if the caller wants them

	spareSums, spareCounts, spareDivisors []float64
}

var (
	richs32 pool[rich[float32]]
	richs64 pool[rich[float64]]
)

func freeRichs[C core.Float]() *pool[rich[C]] {
	if f, ok := any(&richs32).(*pool[rich[C]]); ok {
		return f
	}
	if f, ok := any(&richs64).(*pool[rich[C]]); ok {
		return f
	}
	return new(pool[rich[C]])
}

// whole computes an operation of any form.
func whole[T smoothl1.Float](l smoothl1.Loss, a *Args[T], c *checked) float64 {
	c.resolve()
	switch smoothl1.DTypeOf[T]() {
	case smoothl1.Float64:
		return wholeIn[T, float64](l, a, c, stage.F64)
	case smoothl1.Float16:
		return wholeIn[T, float32](l, a, c, stage.F16)
	case smoothl1.BFloat16:
		return wholeIn[T, float32](l, a, c, stage.BF16)
	default:
		return wholeIn[T, float32](l, a, c, stage.F32)
	}
}

func wholeIn[T smoothl1.Float, C core.Float](l smoothl1.Loss, a *Args[T], c *checked, s stage.Storage) float64 {
	free := freeRichs[C]()
	x := free.take()
	if x == nil {
		x = newRich[C]()
	}
	defer func() {
		x.forget()
		free.put(x)
	}()
	x.loss, x.storage, x.kind = l, s, c.pass
	setRich(x, a, c)
	return x.run()
}

func newRich[C core.Float]() *rich[C] {
	x := &rich[C]{}
	x.set(x.pieces)
	return x
}

// forget drops the caller's arrays, so that they do not stay reachable.
func (x *rich[C]) forget() {
	for _, a := range x.arrays() {
		*a = array{}
	}
	x.index, x.sums, x.losses, x.chunkSums, x.divisors = nil, nil, nil, nil, nil
}

func (x *rich[C]) arrays() [12]*array {
	return [...]*array{&x.pred, &x.target, &x.weight, &x.mask, &x.beta, &x.upstream, &x.direction, &x.terms, &x.abs, &x.gradPred,
		&x.gradTarget, &x.second}
}

// longRow is the least number of columns of a row that is in no piece with others.
const longRow = 512

// run makes the pass and returns the reduced loss.
func (x *rich[C]) run() float64 {
	x.chunksOfRow, x.rowsOfPiece = 0, 0
	count, pieces := x.n, Chunks(x.n)
	if x.byRow {
		count = x.cols
		if pieces = 0; x.cols >= longRow {
			x.chunksOfRow = Chunks(x.cols)
			pieces = x.rows * x.chunksOfRow
		} else if x.cols > 0 {
			x.rowsOfPiece = piece / x.cols
			pieces = (x.rows + x.rowsOfPiece - 1) / x.rowsOfPiece
		}
	}
	r := x.prepare()
	done := false
	defer func() { r.End(done) }()
	x.divisor, x.norm = 1, 1
	mean := x.loss.Reduction == smoothl1.Mean && x.kind != op.Terms
	if mean && !x.counted() {
		x.divisor, x.norm = x.dividing(x.by.Of(count))
	} else if mean && x.rowsOfPiece == 0 {
		x.count(pieces)
	}
	if x.kind.Reduces() && x.rowsOfPiece == 0 {
		x.sums = x.chunkSums
		if x.sums == nil {
			x.sums = spare(&x.spareSums, pieces)
		}
	}
	x.make(pieces)
	done = true
	if !x.kind.Reduces() {
		return 0
	}
	if !x.byRow {
		return x.reduced(total(x.sums), x.divisor)
	}
	if x.rowsOfPiece == 0 {
		for r := range x.losses {
			k := x.chunksOfRow
			x.losses[r] = x.reduced(total(x.sums[r*k:(r+1)*k]), x.divisorOf(r))
		}
	}
	return 0
}

// counted reports whether a mean divides by what must be counted first.
func (x *rich[C]) counted() bool { return x.by.Kept() || x.by.Weights() }

// dividing returns what a mean divides by, 0 if it is to be 0, and the norm.
func (x *rich[C]) dividing(divisor float64) (float64, C) {
	if divisor == 0 && x.by.IsZeroIfEmpty() {
		return 0, 0
	}
	return divisor, C(1 / divisor)
}

// reduced returns the loss for a sum of terms.
func (x *rich[C]) reduced(sum, divisor float64) float64 {
	if divisor == 0 && x.loss.Reduction == smoothl1.Mean && x.by.IsZeroIfEmpty() {
		return 0
	}
	return sum / divisor
}

// divisorOf returns what the mean of a long row, or of the whole, divides by.
func (x *rich[C]) divisorOf(row int) float64 {
	if len(x.divisors) > 0 {
		return x.divisors[row]
	}
	return x.divisor
}

// count finds the divisors of long rows, or of the whole.
func (x *rich[C]) count(pieces int) {
	each := 1
	// A mask of rows counts once for each, by whole numbers, whose sum does not depend on the order.
	if x.countRows = x.by.Kept() && !x.byRow && x.mask.rows > 1 && x.mask.step == 0 && x.mask.pitch == 1; x.countRows {
		pieces, each = Chunks(x.mask.rows), x.mask.cols
	}
	x.counts = spare(&x.spareCounts, pieces)
	x.counting = true
	x.make(pieces)
	x.counting = false
	if x.countRows {
		x.divisor, x.norm = x.dividing(total(x.counts) * float64(each))
		return
	}
	if !x.byRow {
		x.divisor, x.norm = x.dividing(total(x.counts))
		return
	}
	if x.chunksOfRow == 0 { // rows of no columns
		x.divisor, x.norm = x.dividing(0)
		return
	}
	x.divisors = spare(&x.spareDivisors, x.rows)
	for r := range x.divisors {
		x.divisors[r] = total(x.counts[r*x.chunksOfRow : (r+1)*x.chunksOfRow])
	}
}

func spare(room *[]float64, n int) []float64 {
	if len(*room) < n {
		*room = make([]float64, n)
	}
	return (*room)[:n]
}

// make makes the pieces.
func (x *rich[C]) make(pieces int) {
	if pieces > 0 {
		x.team.run(pieces, min(x.threads, pieces))
	}
}

// pieces makes count pieces from piece first on.
func (x *rich[C]) pieces(first, count int) {
	free := freeRooms[C]()
	b := free.take()
	if b == nil {
		b = newRoom[C]()
	}
	if x.batches && !x.counting {
		start := first * piece
		x.call(&place{first, start, min(count*piece, x.n-start), 0, 0}, b)
		count = 0
	}
	if x.counting && x.by.Kept() && !x.byRow && (x.countRows || x.mask.dense()) { // whole numbers again
		start, n := first*piece, x.n
		if x.countRows {
			n = x.mask.rows
		}
		counts := x.counts[first : first+count]
		clear(counts)
		counts[0] = float64(stage.Kept(unsafe.Slice((*uint8)(x.mask.after(start)), min(count*piece, n-start))))
		count = 0
	}
	for i := first; i < first+count; i++ {
		q := x.locate(i)
		switch {
		case x.counting:
			x.countPiece(&q, b)
		case x.kernel && x.core:
			x.call(&q, b)
		case x.kernel:
			x.fuse(&q, b)
		default:
			x.stages(&q, b)
		}
	}
	if x.streaming {
		core.Fence()
	}
	b.fused = stage.Fused[C]{}
	b.params = core.Params[C]{}
	free.put(b)
}

// place is a piece: n elements from element start on.
type place struct {
	number, start, n int
	row, rows        int // by row: the first row, and the number of whole rows, or 0 for a chunk of a row
}

func (x *rich[C]) locate(i int) place {
	switch {
	case x.chunksOfRow > 0:
		row, col := i/x.chunksOfRow, i%x.chunksOfRow*piece
		return place{i, row*x.cols + col, min(piece, x.cols-col), row, 0}
	case x.rowsOfPiece > 0:
		row := i * x.rowsOfPiece
		rows := min(x.rowsOfPiece, x.rows-row)
		return place{i, row * x.cols, rows * x.cols, row, rows}
	}
	return place{i, i * piece, min(piece, x.n-i*piece), 0, 0}
}

func nan[C core.Float]() C { return C(math.NaN()) }
