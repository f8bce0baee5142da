package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// An expectation is what package cpu computes of a form on one set. It is computed in pieces, so that the host of a GPU does not need
// memory for whole arrays.
type expectation[T smoothl1.Float] struct {
	form
	loss          smoothl1.Loss
	run           func(smoothl1.Loss, *cpu.Args[T]) (float64, error)
	rows, columns int
	first         int // position of the set's first element
	step          int // elements of a piece
	value         float64
	divisor       smoothl1.Divisor
	terms, grad   []T // nil: computed when they are compared
}

// referencePiece is the number of elements that the reference computes at a time: few, because it runs on all processors. Tests reduce it.
var referencePiece = 64 * cpu.Chunk

// expect returns what package cpu computes. On the CPU that is the reference's results, which are kept for the comparison with peers; for
// other devices it is those of the fast functions, for arrays for which the reference would take minutes.
func (r *rotation[T]) expect(ctx context.Context, w Workload, o operation, first int) (*expectation[T], error) {
	e := &expectation[T]{form: o.form, loss: w.Loss, run: cpu.Run[T], rows: 1, columns: w.N(), first: first, step: piece}
	unit := cpu.Chunk
	if o.byRow || o.index {
		e.rows, e.columns = w.rows(), w.N()/w.rows()
		unit *= e.columns
	}
	workers := 1
	if r.host[0] != nil {
		e.run, e.step, workers = cpu.RefRun[T], referencePiece, runtime.NumCPU()
	}
	e.step = max(unit, e.step/unit*unit)
	if err := e.divide(ctx, workers); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		wanted bool
		to     *[]T
	}{{o.terms, &e.terms}, {o.gradient, &e.grad}} {
		if !x.wanted || workers == 1 {
			continue
		}
		var err error
		if *x.to, err = memory.Make[T](w.N()); err != nil {
			return nil, fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
		}
	}
	sums, err := e.sum(ctx, workers, func(at, m int, sums []float64) error {
		return e.compute(at, e.part(e.terms, at, m), e.part(e.grad, at, m), sums, m)
	})
	if err == nil {
		e.value, err = cpu.Finish(e.loss, sums, e.count(e.rows*e.columns), e.divisor)
	}
	return e, err
}

// count returns the number of loss terms of n elements of pred.
func (e *expectation[T]) count(n int) int {
	if e.index {
		return n / e.columns
	}
	return n
}

// sum computes the chunk sums of all pieces.
func (e *expectation[T]) sum(ctx context.Context, workers int, compute func(at, m int, sums []float64) error) ([]float64, error) {
	n := e.rows * e.columns
	sums := make([]float64, cpu.Chunks(e.count(n)))
	var mu sync.Mutex
	var group sync.WaitGroup
	at, failed := 0, error(nil)
	next := func(err error) (begin int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		begin = at
		at += e.step
		failed = errors.Join(failed, err, ctx.Err())
		return begin, begin < n && failed == nil
	}
	work := func() {
		for begin, ok := next(nil); ok; {
			m := min(e.step, n-begin)
			from := e.count(begin) / cpu.Chunk
			begin, ok = next(compute(begin, m, sums[from:from+cpu.Chunks(e.count(m))]))
		}
	}
	for range workers - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
	return sums, failed
}

// divide finds out the divisor of a mean: the sum of weights, or of ones, over what is kept. That is a loss of terms |1 − 0|.
func (e *expectation[T]) divide(ctx context.Context, workers int) error {
	e.divisor = e.divides(e.loss.Reduction)
	if !e.divisor.Kept() && !e.divisor.Weights() {
		if e.loss.Reduction == smoothl1.Mean { // a piece's mean is over the whole
			e.divisor = smoothl1.DivideBy(float64(e.count(e.rows * e.columns)))
		}
		return nil
	}
	l := smoothl1.Loss{Reduction: smoothl1.Sum}
	one, zero := []T{rounding[T]()(1)}, make([]T, 1)
	sums, err := e.sum(ctx, workers, func(at, m int, sums []float64) error {
		a := e.inputs(at, m)
		if a.Shape == nil {
			a.Shape = &smoothl1.Shape{Rows: 1, Cols: m}
		}
		a.Pred, a.Target, a.Shape.Pred, a.Shape.Target = one, zero, smoothl1.Single(), smoothl1.Single()
		if !e.divisor.Weights() {
			a.Weight, a.Shape.Weight = nil, smoothl1.View{}
		}
		a.ChunkSums = sums
		_, err := e.run(l, a)
		return err
	})
	if err != nil {
		return err
	}
	divisor, err := cpu.Finish(l, sums, e.rows*e.columns, smoothl1.Divisor{})
	e.divisor = smoothl1.DivideBy(divisor)
	return err
}

// inputs returns the inputs of a piece, generated anew.
func (e *expectation[T]) inputs(at, m int) *cpu.Args[T] {
	a := &cpu.Args[T]{Pred: make([]T, m), Shape: e.shape(m/e.columns, e.columns)}
	row, rows := at/e.columns, m/e.columns
	generate(a.Pred, seedPred, e.first+at)
	target, factors, targetAt, factorAt := m, m, at, at
	if e.index {
		target, targetAt = rows, row
		a.Index = make([]int32, rows)
		generateIndex(a.Index, e.first+row, e.columns)
	}
	if e.byRow {
		factors, factorAt = rows, row
	}
	a.Target = make([]T, target)
	generate(a.Target, seedTarget, e.first+targetAt)
	if e.weight {
		a.Weight = make([]T, factors)
		generateWeights(a.Weight, e.first+factorAt)
	}
	if e.mask {
		a.Mask = make([]uint8, factors)
		generateMask(a.Mask, e.first+factorAt)
	}
	return a
}

// compute computes what is not nil of a piece of m elements.
func (e *expectation[T]) compute(at int, terms, grad []T, sums []float64, m int) error {
	a := e.inputs(at, m)
	a.Terms, a.GradPred, a.ChunkSums, a.NoLoss = terms, grad, sums, sums == nil
	if grad != nil || sums != nil { // terms have no divisor
		a.Divisor = e.divisor
	}
	_, err := e.run(e.loss, a)
	return err
}

// part returns a piece of an array, nil of none.
func (e *expectation[T]) part(x []T, at, m int) []T {
	if x == nil {
		return nil
	}
	return x[at : at+m]
}

// outputs visits the pieces of the output that an operation writes: terms or a gradient.
func (e *expectation[T]) outputs(ctx context.Context, o *operation, visit func(at int, want []T) error) error {
	n := e.rows * e.columns
	known := e.grad
	if o.terms {
		known = e.terms
	}
	for at := 0; at < n; at += e.step {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(e.step, n-at)
		want := e.part(known, at, m)
		if want == nil {
			want = make([]T, m)
			terms, grad := want, []T(nil)
			if !o.terms {
				terms, grad = grad, want
			}
			if err := e.compute(at, terms, grad, nil, m); err != nil {
				return err
			}
		}
		if err := visit(at, want); err != nil {
			return err
		}
	}
	return nil
}
