package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// richCase draws the arguments of calls of any form.
type richCase[T smoothl1.Float] struct {
	*rand.Rand
	rows, cols int
	from       func(float64) T
}

// number draws a number, now and then a special one.
func (r *richCase[T]) number() T {
	specials := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1, -1, 0.5, 1e-30, 6e-8, -2e38, 3}
	if r.IntN(12) == 0 {
		return r.from(specials[r.IntN(len(specials))])
	}
	return r.from(r.NormFloat64())
}

// view draws a view of a rows × cols matrix, and returns the length of its array.
func (r *richCase[T]) view(rows, cols int, repeats bool) (smoothl1.View, int) {
	forms := 6
	if repeats {
		forms = 9
	}
	if cols == 0 || rows == 0 {
		return smoothl1.View{}, 0
	}
	switch r.IntN(forms) {
	case 0, 1:
		return smoothl1.View{}, rows * cols
	case 2:
		return smoothl1.Strided(3, cols+2, 1), 3 + rows*(cols+2)
	case 3:
		return smoothl1.Strided(0, 1, rows), rows * cols
	case 4:
		return smoothl1.Strided(1, 2*cols, 2), 1 + 2*rows*cols
	case 5:
		return smoothl1.Strided(rows*cols-1, -cols, -1), rows * cols
	case 6:
		return smoothl1.PerRow(), rows
	case 7:
		return smoothl1.PerColumn(), cols
	}
	return smoothl1.Single(), 1
}

func (r *richCase[T]) array(rows, cols int, repeats bool, draw func() T) ([]T, smoothl1.View) {
	v, n := r.view(rows, cols, repeats)
	x := make([]T, n)
	for i := range x {
		x[i] = draw()
	}
	return x, v
}

// maybe returns an array in one of k cases.
func (r *richCase[T]) maybe(k int, to *[]T, v *smoothl1.View, repeats bool, draw func() T) {
	if r.IntN(k) == 0 {
		*to, *v = r.array(r.rows, r.cols, repeats, draw)
	}
}

// draw draws arguments, and whether they are valid is for the check to say.
func (r *richCase[T]) draw() (smoothl1.Loss, *Args[T]) {
	l := smoothl1.Loss{Kind: smoothl1.Kind(r.IntN(2)), Reduction: smoothl1.Reduction(r.IntN(3)), Beta: []float64{1, 0.5, 0.1, 3}[r.IntN(4)]}
	if l.Kind == smoothl1.SmoothL1 && r.IntN(6) == 0 {
		l.Beta = 0
	}
	shapes := [][2]int{{1, 1}, {1, 5}, {5, 1}, {64, 4}, {3, 129}, {1, 2048}, {1, 4096}, {2, 2100}, {3, 600}, {700, 3}, {4100, 1}, {40, 128}, {2, 512}, {0, 3}, {3, 0}, {1, 6000}, {30, 40}}
	shape := shapes[r.IntN(len(shapes))]
	r.rows, r.cols = shape[0], shape[1]
	s := &smoothl1.Shape{Rows: r.rows, Cols: r.cols}
	a := &Args[T]{Shape: s, NoLoss: r.IntN(4) == 0, ByRow: r.IntN(3) == 0 && l.Reduction != smoothl1.None}
	a.Pred, s.Pred = r.array(r.rows, r.cols, false, r.number)
	dense := r.IntN(2) == 0 // for the fused kernels
	if dense {
		s.Pred = smoothl1.View{}
		a.Pred = a.Pred[:min(len(a.Pred), r.rows*r.cols)]
	}
	actions := r.cols
	if r.cols == 1 && r.IntN(2) == 0 {
		actions = 1 + r.IntN(5)
		a.Index = make([]int32, r.rows)
		for i := range a.Index {
			a.Index[i] = int32(r.IntN(actions))
		}
		s.Cols = actions
		a.Pred, s.Pred = r.array(r.rows, actions, false, r.number)
	}
	a.Target, s.Target = r.array(r.rows, r.cols, false, r.number)
	r.maybe(2, &a.Weight, &s.Weight, true, r.number)
	if r.IntN(2) == 0 {
		v, n := r.view(r.rows, r.cols, true)
		a.Mask, s.Mask = make([]uint8, n), v
		for i := range a.Mask {
			a.Mask[i] = uint8(r.IntN(3))
		}
	}
	betas := []float64{1, 0.5, 0.1, 0, -1, math.NaN(), math.Inf(1)}
	r.maybe(6, &a.Beta, &s.Beta, true, func() T { return r.from(betas[r.IntN(len(betas))]) })
	if !dense {
		r.maybe(3, &a.Terms, &s.Terms, false, r.number)
		r.maybe(3, &a.Abs, &s.Abs, false, r.number)
	}
	if r.IntN(4) > 0 {
		if r.IntN(3) == 0 {
			x, v := r.array(r.rows, r.cols, true, r.number)
			a.Upstream, s.Upstream = Elements(x), v
		} else {
			a.Upstream = Number[T](r.NormFloat64())
		}
		if r.IntN(4) > 0 {
			if dense {
				a.GradPred = make([]T, r.rows*actions)
			} else {
				a.GradPred, s.GradPred = r.array(r.rows, actions, false, r.number)
			}
			a.AccumulatePred = r.IntN(3) == 0
		}
		r.maybe(2, &a.GradTarget, &s.GradTarget, false, r.number)
		a.AccumulateTarget = a.GradTarget != nil && r.IntN(3) == 0
		if r.maybe(5, &a.Second, &s.Second, false, r.number); a.Second != nil {
			a.Direction, s.Direction = r.array(r.rows, r.cols, true, r.number)
		}
	}
	if a.ByRow {
		a.Losses = make([]float64, r.rows)
	}
	if l.Reduction == smoothl1.Mean {
		switch {
		case a.Mask != nil && r.IntN(2) == 0:
			a.Divisor = smoothl1.DivideByKept()
		case a.Weight != nil && r.IntN(2) == 0:
			a.Divisor = smoothl1.DivideByWeights()
		case r.IntN(4) == 0:
			a.Divisor = smoothl1.DivideBy(7)
		}
		if r.IntN(2) == 0 {
			a.Divisor = a.Divisor.ZeroIfEmpty()
		}
	}
	if r.IntN(3) == 0 && l.Reduction != smoothl1.None && !a.NoLoss {
		n := Chunks(r.rows * r.cols)
		if a.ByRow {
			n = r.rows * Chunks(r.cols)
		}
		a.ChunkSums = make([]float64, n)
	}
	if r.IntN(4) == 0 && a.GradPred != nil && a.Index == nil && len(a.GradPred) == len(a.Pred) { // in place
		a.GradPred, s.GradPred = a.Pred, s.Pred
	}
	return l, a
}

// outputs copies the arrays that a call may write, so that two calls can be compared.
func (a *Args[T]) clone() *Args[T] {
	c := *a
	inPlace := a.GradPred != nil && len(a.Pred) > 0 && len(a.GradPred) > 0 && &a.GradPred[0] == &a.Pred[0]
	for _, x := range []*[]T{&c.Pred, &c.Terms, &c.Abs, &c.GradPred, &c.GradTarget, &c.Second} {
		if *x != nil {
			*x = append([]T{}, *x...)
		}
	}
	if inPlace {
		c.GradPred = c.Pred
	}
	for _, x := range []*[]float64{&c.Losses, &c.ChunkSums} {
		if *x != nil {
			*x = append([]float64{}, *x...)
		}
	}
	return &c
}

func sameNumbers[T smoothl1.Float](got, want []T) error {
	for i := range want {
		g, w := asFloat(got[i]), asFloat(want[i])
		if math.Float64bits(g) != math.Float64bits(w) && (g == g || w == w) {
			return fmt.Errorf("[%d] = %v, want %v", i, g, w)
		}
	}
	return nil
}

func asFloat[T smoothl1.Float](x T) float64 {
	switch x := any(x).(type) {
	case float32:
		return float64(x)
	case float64:
		return x
	case smoothl1.F16:
		return float64(x.Float32())
	case smoothl1.BF16:
		return float64(x.Float32())
	}
	return math.NaN()
}

func testRich[T smoothl1.Float](t *testing.T, from func(float64) T) {
	valid, calls := 0, uint64(1200)
	if testing.Short() { // under an emulator or the race detector
		calls = 120
	}
	for seed := range calls {
		r := &richCase[T]{Rand: rand.New(rand.NewPCG(seed, 7)), from: from}
		l, a := r.draw()
		want := a.clone()
		wantLoss, err := RefRun(l, want)
		if err != nil {
			_, again := Run(l, a)
			require.EqualError(t, again, "smoothl1: Run"+err.Error()[len("smoothl1: RefRun"):])
			continue
		}
		valid++
		for _, set := range isa.Available() {
			restore := isa.Use(set)
			got := a.clone()
			loss, err := Run(l, got)
			restore()
			require.NoError(t, err)
			at := fmt.Sprintf("seed %d, %v, %+v, %d×%d, shape %+v", seed, set, l, r.rows, r.cols, *a.Shape)
			require.NoError(t, sameNumbers([]float64{loss}, []float64{wantLoss}), "loss: %s", at)
			for _, x := range []struct {
				name      string
				got, want []T
			}{{"terms", got.Terms, want.Terms}, {"abs", got.Abs, want.Abs}, {"gradPred", got.GradPred, want.GradPred},
				{"gradTarget", got.GradTarget, want.GradTarget}, {"second", got.Second, want.Second}, {"pred", got.Pred, want.Pred}} {
				require.NoError(t, sameNumbers(x.got, x.want), "%s: %s", x.name, at)
			}
			require.NoError(t, sameNumbers(got.Losses, want.Losses), "losses: %s", at)
			require.NoError(t, sameNumbers(got.ChunkSums, want.ChunkSums), "chunkSums: %s", at)
		}
	}
	require.Greater(t, valid, int(calls)/2)
}

// Calls of any form must produce the bits of the reference with each instruction set.
func TestRichIsTheReference(t *testing.T) {
	withProcessors(t, 3)
	fix(t, "stores=streaming") // and the rest measured
	t.Run("float32", func(t *testing.T) { testRich(t, func(x float64) float32 { return float32(x) }) })
	t.Run("float64", func(t *testing.T) { testRich(t, func(x float64) float64 { return x }) })
	t.Run("float16", func(t *testing.T) { testRich(t, smoothl1.ToF16) })
	t.Run("bfloat16", func(t *testing.T) { testRich(t, smoothl1.ToBF16) })
}

// Results must not depend on the number of goroutines, with divisors that take a pass of their own, and for rows of any length.
func TestRichInParallel(t *testing.T) {
	n := 64*Chunk + 77
	r := &richCase[float32]{Rand: rand.New(rand.NewPCG(1, 1)), from: func(x float64) float32 { return float32(x) }}
	pred, target, weight, mask := make([]float32, n), make([]float32, n), make([]float32, n), make([]uint8, n)
	for i := range n {
		pred[i], target[i], weight[i], mask[i] = float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.Float64()), uint8(r.IntN(2))
	}
	l := smoothl1.Loss{Beta: 0.7}
	for _, cols := range []int{n, 5, 3000} {
		if testing.Short() && cols == 5 {
			continue
		}
		for _, d := range []smoothl1.Divisor{smoothl1.DivideByKept(), smoothl1.DivideByWeights()} {
			rows := n / cols
			a := &Args[float32]{Pred: pred[:rows*cols], Target: target[:rows*cols], Weight: weight[:rows*cols], Mask: mask[:rows*cols], Divisor: d,
				GradPred: make([]float32, rows*cols), Shape: &smoothl1.Shape{Rows: rows, Cols: cols}}
			if cols < n {
				a.ByRow, a.Losses = true, make([]float64, rows)
			}
			want := a.clone()
			value, err := RefRun(l, want)
			require.NoError(t, err)
			for _, processors := range []int{1, 3} {
				withProcessors(t, processors)
				fix(t, fmt.Sprintf("threads=%d", processors))
				clear(a.GradPred)
				got, err := Run(l, a)
				require.NoError(t, err)
				require.Equal(t, value, got)
				require.NoError(t, sameNumbers(a.Losses, want.Losses))
				require.NoError(t, sameNumbers(a.GradPred, want.GradPred))
				allocated := testing.AllocsPerRun(3, func() { _, _ = Run(l, a) })
				require.Less(t, allocated, 1.0, "allocations")
			}
		}
	}
	require.NotEmpty(t, richs32.idle)
	for _, x := range richs32.idle {
		for _, a := range x.arrays() {
			require.Zero(t, *a, "idle passes hold no arrays")
		}
	}
}
