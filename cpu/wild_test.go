package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// wild draws arguments of any shape, length and view, most of which are not valid. All arrays of T are parts of one memory.
type wild[T smoothl1.Float] struct {
	*rand.Rand
	memory []T
}

func (w *wild[T]) one(of ...int) int { return of[w.IntN(len(of))] }

// view draws a view of a rows × cols matrix and the length of its array, which mostly fits.
func (w *wild[T]) view(rows, cols int) (smoothl1.View, int) {
	v := smoothl1.View{}
	switch w.IntN(8) {
	case 0:
		v = smoothl1.PerRow()
	case 1:
		v = smoothl1.PerColumn()
	case 2:
		v = smoothl1.Single()
	case 3:
		v = smoothl1.Strided(w.one(0, 1, 7, -1, math.MinInt), w.one(0, 1, cols, -cols, 8, math.MaxInt), w.one(0, 1, 2, rows, -1, math.MinInt))
	case 4:
		v = smoothl1.Strided(w.IntN(8), 8, 1) // columns of one matrix
	}
	n := v.Len(rows, cols)
	if n < 0 || n > 40 {
		n = w.IntN(41)
	}
	if w.IntN(100) == 0 {
		n += w.one(-1, 1)
	}
	return v, max(0, n)
}

func (w *wild[T]) array(v *smoothl1.View, rows, cols int) []T {
	var n int
	*v, n = w.view(rows, cols)
	from := w.IntN(len(w.memory) - n + 1)
	if v.Len(1, 1) < 0 && w.IntN(2) == 0 {
		from, n = 0, len(w.memory)
	}
	return w.memory[from : from+n : from+n]
}

func (w *wild[T]) draw() (smoothl1.Loss, *Args[T]) {
	rows, cols := w.one(0, 1, 1, 2, 3, 5), w.one(0, 1, 1, 2, 4, 7)
	if w.IntN(40) == 0 {
		rows = w.one(-1, math.MinInt, math.MaxInt, 1<<41)
	}
	if w.IntN(40) == 0 {
		cols = w.one(-1, math.MinInt, math.MaxInt, 1<<41)
	}
	s := &smoothl1.Shape{Rows: rows, Cols: cols}
	rows, cols = max(0, min(rows, 40)), max(0, min(cols, 40))
	l := smoothl1.Loss{Kind: smoothl1.Kind(w.IntN(2)), Reduction: smoothl1.Reduction(w.IntN(3)), Beta: 1}
	a := &Args[T]{Shape: s, ByRow: w.IntN(3) == 0, NoLoss: w.IntN(3) == 0, AccumulatePred: w.IntN(8) == 0, AccumulateTarget: w.IntN(8) == 0}
	pred := cols
	if w.IntN(3) == 0 {
		a.Index = make([]int32, max(0, rows+w.one(0, 0, 0, 0, 1)))
		for i := range a.Index {
			a.Index[i] = int32(w.one(0, 0, 0, max(cols-1, 0), cols, -1, math.MaxInt32))
		}
		cols = 1
	}
	a.Pred, a.Target = w.array(&s.Pred, rows, pred), w.array(&s.Target, rows, cols)
	if w.IntN(3) == 0 {
		a.GradPred = w.array(&s.GradPred, rows, pred)
	}
	for _, x := range []struct {
		array *[]T
		view  *smoothl1.View
	}{{&a.Weight, &s.Weight}, {&a.Beta, &s.Beta}, {&a.Direction, &s.Direction}, {&a.Terms, &s.Terms}, {&a.Abs, &s.Abs}, {&a.GradTarget, &s.GradTarget}, {&a.Second, &s.Second}} {
		if w.IntN(8) == 0 {
			*x.array = w.array(x.view, rows, cols)
		}
	}
	switch w.IntN(8) {
	case 0:
		a.Upstream = Elements(w.array(&s.Upstream, rows, cols))
	case 1:
		a.Upstream = Number[T](2)
	}
	if w.IntN(4) == 0 {
		var n int
		s.Mask, n = w.view(rows, cols)
		a.Mask = make([]uint8, n)
		for i := range a.Mask {
			a.Mask[i] = uint8(w.IntN(2))
		}
	}
	if a.ByRow != (w.IntN(20) == 0) {
		a.Losses = make([]float64, rows)
	}
	if w.IntN(8) == 0 {
		a.ChunkSums = make([]float64, w.one(0, 1, rows))
	}
	if w.IntN(2) == 0 {
		a.Divisor = []smoothl1.Divisor{smoothl1.DivideByKept(), smoothl1.DivideByWeights(), smoothl1.DivideBy(3), smoothl1.DivideBy(0), smoothl1.Divisor{}.ZeroIfEmpty()}[w.IntN(5)]
	}
	return l, a
}

// moved returns the arguments with the arrays of T at the same places of another memory, and copies of the outputs of other types.
func (w *wild[T]) moved(a *Args[T], memory []T) *Args[T] {
	c := *a
	for _, x := range []*[]T{&c.Pred, &c.Target, &c.Weight, &c.Beta, &c.Upstream.elements, &c.Direction, &c.Terms, &c.Abs, &c.GradPred, &c.GradTarget, &c.Second} {
		if *x != nil {
			from := int(uintptr(unsafe.Pointer(unsafe.SliceData(*x)))-uintptr(unsafe.Pointer(&w.memory[0]))) / int(unsafe.Sizeof(w.memory[0]))
			*x = memory[from : from+len(*x) : from+len(*x)]
		}
	}
	c.Losses, c.ChunkSums = slices.Clone(a.Losses), slices.Clone(a.ChunkSums)
	return &c
}

// testWild computes drawn calls. None may panic, those that are refused must change nothing, and the others must give the bits of the
// reference, in memory where arrays may be in place of others or between their elements, and write nothing else.
func testWild[T smoothl1.Float](t *testing.T, from func(float64) T) {
	valid := 0
	for seed := range uint64(20_000) {
		w := &wild[T]{rand.New(rand.NewPCG(seed, 3)), make([]T, 60)}
		for i := range w.memory {
			w.memory[i] = from(w.NormFloat64())
		}
		l, a := w.draw()
		before, reference := slices.Clone(w.memory), slices.Clone(w.memory)
		want := w.moved(a, reference)
		wantValue, refErr := RefRun(l, want)
		value, err := Run(l, a)
		if refErr != nil {
			require.EqualError(t, err, "smoothl1: Run"+refErr.Error()[len("smoothl1: RefRun"):], seed)
			require.Equal(t, [][]T{before, before}, [][]T{w.memory, reference}, "seed %d: %v", seed, err)
			continue
		}
		valid++
		require.NoError(t, err, seed)
		require.NoError(t, sameNumbers([]float64{value}, []float64{wantValue}), "seed %d", seed)
		require.NoError(t, sameNumbers(w.memory, reference), "seed %d: %+v %+v", seed, *a, *a.Shape)
		require.NoError(t, sameNumbers(a.Losses, want.Losses), "seed %d", seed)
		require.NoError(t, sameNumbers(a.ChunkSums, want.ChunkSums), "seed %d", seed)
	}
	assert.Greater(t, valid, 1000)
}

func TestWildCalls(t *testing.T) {
	eachType(t, testWild[float32], testWild[float64], testWild[smoothl1.F16], testWild[smoothl1.BF16])
}
