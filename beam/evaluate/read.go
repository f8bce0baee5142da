package evaluate

import (
	"cmp"
	"context"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

func init() {
	beam.RegisterDoFn(&readFn{})
}

// readFn computes the units of items. It keeps nothing from one to the next, so that a runner may retry them.
type readFn struct {
	Settings settings
	count    counters
}

type counters struct{ elements, bytes, blocks beam.Counter }

// Setup makes the counters.
func (f *readFn) Setup() {
	f.count = counters{counter("elements"), counter("bytes"), counter("blocks")}
}

// ProcessElement emits the sums of blocks by row and by group, and the losses of short rows.
func (f *readFn) ProcessElement(ctx context.Context, it item, emitRow, emitGroup func(int64, sum), emitLosses func(RowLosses)) error {
	switch smoothl1.DType(it.DType) {
	case smoothl1.Float16:
		return process[smoothl1.F16, float32](ctx, f, &it, emitRow, emitGroup, emitLosses)
	case smoothl1.BFloat16:
		return process[smoothl1.BF16, float32](ctx, f, &it, emitRow, emitGroup, emitLosses)
	case smoothl1.Float32:
		return process[float32, float32](ctx, f, &it, emitRow, emitGroup, emitLosses)
	default:
		return process[float64, float64](ctx, f, &it, emitRow, emitGroup, emitLosses)
	}
}

// arrays are the arrays of an item, whose elements are T and are computed in C.
type arrays[T smoothl1.Float, C float32 | float64] struct {
	*settings
	pred, target, weight *column[T]
	mask                 *column[uint8]
	groups               *column[int64]
	terms                *grouped[C]
}

// elements are some elements of the arrays.
type elements[T smoothl1.Float] struct {
	pred, target, weight []T
	mask                 []uint8
	groups               []int64
}

// process computes the units of an item.
func process[T smoothl1.Float, C float32 | float64](ctx context.Context, f *readFn, it *item, emitRow, emitGroup func(int64, sum), emitLosses func(RowLosses)) error {
	a := &arrays[T, C]{
		settings: &f.Settings,
		pred:     newColumn(it, pred, numbers[T]), target: newColumn(it, target, numbers[T]), weight: newColumn(it, weight, numbers[T]),
		mask: newColumn(it, mask, kept), groups: newColumn(it, groups, integers), terms: newGrouped[C](),
	}
	defer a.close()
	g := &it.Geometry
	for unit := it.First; unit < it.First+it.Units; unit++ {
		from, to := g.start(unit), g.start(unit+1)
		if g.Batch > 0 {
			batch, err := a.rows(ctx, unit*g.Batch, min(g.Batch, g.Rows-unit*g.Batch), g.Cols)
			if err != nil {
				return err
			}
			emitLosses(batch)
		} else {
			s, err := a.block(ctx, from, to)
			if err != nil {
				return err
			}
			k := g.blocks()
			s.Block = unit % k
			emitRow(unit/k, s)
			for group, s := range a.terms.take() {
				s.Block = unit % k
				emitGroup(group, s)
			}
			f.count.blocks.Inc(ctx, 1)
		}
		f.count.elements.Inc(ctx, to-from)
		done.Add(to - from)
		f.count.bytes.Inc(ctx, it.bytes(to-from))
	}
	return nil
}

// bytes returns how many bytes n elements have in all arrays.
func (it *item) bytes(n int64) (bytes int64) {
	seen := map[role]bool{}
	for _, s := range it.Shards {
		if r := s.role(); !seen[r] {
			seen[r] = true
			bytes += n * int64(s.dtype().Size()) / it.Repeat[r]
		}
	}
	return bytes
}

func (a *arrays[T, C]) close() {
	a.pred.close()
	a.target.close()
	a.weight.close()
	a.mask.close()
	a.groups.close()
}

// read returns n elements from element first on. The arrays are read at the same time.
func (a *arrays[T, C]) read(ctx context.Context, first int64, n int) (e elements[T], err error) {
	var failed [roles]error
	var all sync.WaitGroup
	all.Go(func() { e.pred, failed[pred] = a.pred.read(ctx, first, n) })
	all.Go(func() { e.target, failed[target] = a.target.read(ctx, first, n) })
	all.Go(func() { e.weight, failed[weight] = a.weight.read(ctx, first, n) })
	all.Go(func() { e.mask, failed[mask] = a.mask.read(ctx, first, n) })
	all.Go(func() { e.groups, failed[groups] = a.groups.read(ctx, first, n) })
	all.Wait()
	return e, cmp.Or(failed[:]...)
}

// rows returns the losses of n short rows.
func (a *arrays[T, C]) rows(ctx context.Context, first, n, cols int64) (RowLosses, error) {
	e, err := a.read(ctx, first*cols, int(n*cols))
	if err != nil {
		return RowLosses{}, err
	}
	losses := make([]float64, n)
	_, err = cpu.Run(a.Loss, &cpu.Args[T]{
		Pred: e.pred, Target: e.target, Weight: e.weight, Mask: e.mask, ByRow: true, Losses: losses, Divisor: a.divisor(),
		Shape: &smoothl1.Shape{Rows: int(n), Cols: int(cols)},
	})
	return RowLosses{first, losses}, err
}

// block returns the sums of a block, and leaves those of its groups in a.terms.
func (a *arrays[T, C]) block(ctx context.Context, from, to int64) (s sum, err error) {
	var terms, weights []float64
	for first := from; first < to; first += piece {
		n := int(min(piece, to-first))
		e, err := a.read(ctx, first, n)
		if err != nil {
			return s, err
		}
		chunks := make([]float64, cpu.Chunks(n))
		args := cpu.Args[T]{Pred: e.pred, Target: e.target, Weight: e.weight, Mask: e.mask, ChunkSums: chunks}
		if _, err := cpu.Forward(smoothl1.Loss{Kind: a.Loss.Kind, Beta: a.Loss.Beta, Reduction: smoothl1.Sum}, &args); err != nil {
			return s, err
		}
		terms = append(terms, chunks...)
		s.Kept += int64(n) - zeros(e.mask)
		if a.Weights {
			if chunks, err = weightSums(e.weight, e.mask); err != nil {
				return s, err
			}
			weights = append(weights, chunks...)
		}
		if a.Mode == byGroup {
			if err := addGroups(a, &e, first-from); err != nil {
				return s, err
			}
		}
	}
	if s.Terms, err = canonical(terms, to-from); err != nil || !a.Weights {
		return s, err
	}
	s.Weights, err = canonical(weights, to-from)
	return s, err
}

func zeros(mask []uint8) (n int64) {
	for _, m := range mask {
		if m == 0 {
			n++
		}
	}
	return n
}

// weightSums returns the chunk sums of the weights that the mask keeps: those of the L1 loss of 1 and 0, times the weights.
func weightSums[T smoothl1.Float](weight []T, mask []uint8) ([]float64, error) {
	var one [1]T
	if err := smoothl1.Convert(one[:], []float64{1}); err != nil {
		return nil, err
	}
	chunks := make([]float64, cpu.Chunks(len(weight)))
	_, err := cpu.Forward(smoothl1.Loss{Reduction: smoothl1.Sum}, &cpu.Args[T]{
		Pred: one[:], Target: make([]T, 1), Weight: weight, Mask: mask, ChunkSums: chunks,
		Shape: &smoothl1.Shape{Rows: 1, Cols: len(weight), Pred: smoothl1.Single(), Target: smoothl1.Single()},
	})
	return chunks, err
}
