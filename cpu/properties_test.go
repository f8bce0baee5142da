package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// eachType runs a test of calls of any form for each element type.
func eachType(t *testing.T, f32 func(*testing.T, func(float64) float32), f64 func(*testing.T, func(float64) float64),
	f16 func(*testing.T, func(float64) smoothl1.F16), bf16 func(*testing.T, func(float64) smoothl1.BF16)) {
	t.Run("float32", func(t *testing.T) { f32(t, func(x float64) float32 { return float32(x) }) })
	t.Run("float64", func(t *testing.T) { f64(t, func(x float64) float64 { return x }) })
	if testing.Short() { // under an emulator or the race detector
		return
	}
	t.Run("float16", func(t *testing.T) { f16(t, smoothl1.ToF16) })
	t.Run("bfloat16", func(t *testing.T) { bf16(t, smoothl1.ToBF16) })
}

// eachCall calls f for n valid calls of any form.
func eachCall[T smoothl1.Float](t *testing.T, from func(float64) T, n int, f func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string)) {
	valid := 0
	for seed := uint64(0); valid < n; seed++ {
		require.Less(t, seed, uint64(20*n))
		r := &richCase[T]{Rand: rand.New(rand.NewPCG(seed, 11)), from: from}
		l, a := r.draw()
		if r.rows*r.cols > 3000 {
			continue
		}
		if _, err := RefRun(l, a.clone()); err != nil {
			continue
		}
		valid++
		f(r, l, a, fmt.Sprintf("seed %d, %+v, %d×%d, shape %+v", seed, l, r.rows, r.cols, *a.Shape))
	}
}

// mustRun computes a call, which must be valid.
func mustRun[T smoothl1.Float](t *testing.T, l smoothl1.Loss, a *Args[T], at string) float64 {
	t.Helper()
	value, err := Run(l, a)
	require.NoError(t, err, at)
	return value
}

// sameOutputs requires the same outputs, bit for bit.
func sameOutputs[T smoothl1.Float](t *testing.T, got, want *Args[T], value, wantValue float64, at string) {
	t.Helper()
	require.NoError(t, sameNumbers([]float64{value}, []float64{wantValue}), "loss: %s", at)
	for _, x := range []struct {
		name      string
		got, want []T
	}{{"terms", got.Terms, want.Terms}, {"abs", got.Abs, want.Abs}, {"gradPred", got.GradPred, want.GradPred},
		{"gradTarget", got.GradTarget, want.GradTarget}, {"second", got.Second, want.Second}} {
		require.NoError(t, sameNumbers(x.got, x.want), "%s: %s", x.name, at)
	}
	require.NoError(t, sameNumbers(got.Losses, want.Losses), "losses: %s", at)
	require.NoError(t, sameNumbers(got.ChunkSums, want.ChunkSums), "chunkSums: %s", at)
}

func testMaskOfOnes[T smoothl1.Float](t *testing.T, from func(float64) T) {
	eachCall(t, from, 60, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		a.Mask, a.Shape.Mask = nil, smoothl1.View{}
		if a.Divisor.Kept() {
			a.Divisor = smoothl1.Divisor{}
		}
		want, masked := a.clone(), a.clone()
		masked.Mask = filled(r.rows*r.cols, uint8(1+r.IntN(255)))
		if a.Divisor.IsZero() && l.Reduction == smoothl1.Mean && r.IntN(2) == 0 {
			masked.Divisor = smoothl1.DivideByKept()
		}
		sameOutputs(t, masked, want, mustRun(t, l, masked, at), mustRun(t, l, want, at), at)
	})
}

// A mask of ones is no mask, and the number of elements that it keeps is the number of elements.
func TestMaskOfOnesIsNoMask(t *testing.T) {
	eachType(t, testMaskOfOnes[float32], testMaskOfOnes[float64], testMaskOfOnes[smoothl1.F16], testMaskOfOnes[smoothl1.BF16])
}

// A weight of ones gives the same terms and losses, and gradients that are those of norm 1 with the upstream gradient n·g.
func testWeightOfOnes[T smoothl1.Float](t *testing.T, from func(float64) T) {
	wide := smoothl1.DTypeOf[T]() == smoothl1.Float64
	eachCall(t, from, 60, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		a.Weight, a.Divisor, a.Upstream = nil, smoothl1.Divisor{}, Number[T](0.7)
		a.Shape.Weight, a.Shape.Upstream = smoothl1.View{}, smoothl1.View{}
		if a.GradPred == nil && a.GradTarget == nil && a.Second == nil {
			a.Upstream = Upstream[T]{}
		}
		weighed, want, byNorm := a.clone(), a.clone(), a.clone()
		s := *a.Shape
		s.Weight, weighed.Shape, weighed.Weight = smoothl1.Single(), &s, []T{from(1)}
		if a.ByRow || l.Reduction != smoothl1.Mean {
			return
		}
		n := 1 / float64(r.rows*r.cols)
		value := mustRun(t, l, weighed, at)
		wantValue := mustRun(t, l, want, at)
		if a.Upstream.set {
			g := float64(float32(0.7)) * float64(float32(n)) // exact, and rounded once below
			if wide {
				g = 0.7 * n
			}
			byNorm.Upstream = Number[T](g)
			byNorm.NoLoss, byNorm.ChunkSums = true, nil
			l.Reduction = smoothl1.Sum
			mustRun(t, l, byNorm, at)
			want.GradPred, want.GradTarget, want.Second = byNorm.GradPred, byNorm.GradTarget, byNorm.Second
		}
		sameOutputs(t, weighed, want, value, wantValue, at)
	})
}

func TestWeightOfOnes(t *testing.T) {
	eachType(t, testWeightOfOnes[float32], testWeightOfOnes[float64], testWeightOfOnes[smoothl1.F16], testWeightOfOnes[smoothl1.BF16])
}

// The losses of rows of one column are the terms, before they are rounded to 16 bits.
func TestRowsOfOneColumn(t *testing.T) {
	const n = 1000
	for _, l := range losses {
		a := randomArgs[float32](n)
		a.Terms = make([]float32, n)
		rows := Args[float32]{Pred: a.Pred, Target: a.Target, GradPred: make([]float32, n), ByRow: true, Losses: make([]float64, n),
			ChunkSums: make([]float64, n), Shape: &smoothl1.Shape{Rows: n, Cols: 1}, Upstream: Elements(a.Target)}
		mustRun(t, l, &rows, "rows")
		l.Reduction = smoothl1.None
		none := Args[float32]{Pred: a.Pred, Target: a.Target, Terms: a.Terms, GradPred: a.GradPred, Upstream: rows.Upstream}
		mustRun(t, l, &none, "none")
		for i, term := range none.Terms {
			require.Equal(t, []float64{float64(term), float64(term)}, []float64{rows.Losses[i], rows.ChunkSums[i]})
		}
		require.NoError(t, sameNumbers(rows.GradPred, none.GradPred))

		halves, wide := Args[smoothl1.BF16]{Pred: make([]smoothl1.BF16, n), Target: make([]smoothl1.BF16, n), ByRow: true, Losses: make([]float64, n), Shape: rows.Shape}, a
		require.NoError(t, smoothl1.Convert(halves.Pred, a.Pred))
		require.NoError(t, smoothl1.Convert(halves.Target, a.Target))
		require.NoError(t, smoothl1.Convert(wide.Pred, halves.Pred))
		require.NoError(t, smoothl1.Convert(wide.Target, halves.Target))
		l.Reduction = smoothl1.Sum
		mustRun(t, l, &halves, "bfloat16")
		require.NoError(t, ForwardTerms(l, &wide))
		for i, term := range wide.Terms {
			require.Equal(t, float64(term), halves.Losses[i])
		}
	}
}

// A matrix by rows is as many calls of one row, which are those of a shorter array.
func TestRowsAreCalls(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, dims := range [][2]int{{9, 4}, {40, 50}, {3, 700}, {2, 5000}} {
		rows, cols := dims[0], dims[1]
		n := rows * cols
		for _, l := range losses {
			for _, d := range []smoothl1.Divisor{{}, smoothl1.DivideByKept(), smoothl1.DivideByWeights(), smoothl1.DivideBy(3)} {
				if l.Reduction != smoothl1.Mean {
					d = smoothl1.Divisor{}
				}
				g := random(r, rows)
				all := Args[float64]{Pred: random(r, n), Target: random(r, n), Weight: random(r, n), Mask: make([]uint8, n), GradPred: make([]float64, n), ByRow: true,
					Losses: make([]float64, rows), ChunkSums: make([]float64, rows*Chunks(cols)), Divisor: d, Upstream: Elements(g),
					Shape: &smoothl1.Shape{Rows: rows, Cols: cols, Upstream: smoothl1.PerRow()}}
				for i := range all.Mask {
					all.Mask[i] = uint8(r.IntN(2))
				}
				mustRun(t, l, &all, "rows")
				for k := range rows {
					from, to := k*cols, (k+1)*cols
					one := Args[float64]{Pred: all.Pred[from:to], Target: all.Target[from:to], Weight: all.Weight[from:to], Mask: all.Mask[from:to],
						GradPred: make([]float64, cols), Divisor: d, Upstream: Number[float64](g[k]), ChunkSums: make([]float64, Chunks(cols))}
					value := mustRun(t, l, &one, "a row")
					require.NoError(t, sameNumbers([]float64{all.Losses[k]}, []float64{value}), "%v %v", l, d)
					require.NoError(t, sameNumbers(all.GradPred[from:to], one.GradPred), "%v %v", l, d)
					require.NoError(t, sameNumbers(all.ChunkSums[k*Chunks(cols):(k+1)*Chunks(cols)], one.ChunkSums))
				}
			}
		}
	}
}

// Shards of a masked and weighted array, cut at multiples of Chunk, have the chunk sums and so the loss of the whole.
func TestShardsOfAMaskedArray(t *testing.T) {
	const n = 5*Chunk + 300
	r := rand.New(rand.NewPCG(7, 8))
	a := randomArgs[float32](n)
	all := Args[float32]{Pred: a.Pred, Target: a.Target, Weight: randomArgs[float32](n + 1).Pred[1:], Mask: make([]uint8, n), GradPred: make([]float32, n)}
	kept := 0
	for i := range all.Mask {
		all.Mask[i] = uint8(r.IntN(2))
		kept += int(all.Mask[i])
	}
	l := smoothl1.Loss{Beta: 0.3}
	all.Divisor = smoothl1.DivideByKept()
	whole := mustRun(t, l, &all, "whole")
	var sums []float64
	for _, cut := range [][2]int{{0, Chunk}, {Chunk, 3 * Chunk}, {3 * Chunk, n}} {
		from, to := cut[0], cut[1]
		shard := Args[float32]{Pred: all.Pred[from:to], Target: all.Target[from:to], Weight: all.Weight[from:to], Mask: all.Mask[from:to],
			GradPred: make([]float32, to-from), ChunkSums: make([]float64, Chunks(to-from)), Divisor: smoothl1.DivideBy(float64(kept))}
		mustRun(t, l, &shard, "shard")
		sums = append(sums, shard.ChunkSums...)
		require.NoError(t, sameNumbers(shard.GradPred, all.GradPred[from:to]))
	}
	got, err := Finish(l, sums, n, smoothl1.DivideBy(float64(kept)))
	require.NoError(t, err)
	assert.Equal(t, math.Float64bits(whole), math.Float64bits(got))
}

// Where nothing is masked, the gradient with respect to target is the exact negative of the other; else both are +0.
func testGradientOfTarget[T smoothl1.Float](t *testing.T, from func(float64) T) {
	eachCall(t, from, 60, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		n := r.rows * r.cols
		if a.Index != nil || !slices.Equal([]bool{a.Terms == nil, a.Abs == nil}, []bool{true, true}) {
			return
		}
		s := *a.Shape
		s.GradPred, s.GradTarget, a.Shape = smoothl1.View{}, smoothl1.View{}, &s
		a.GradPred, a.GradTarget, a.AccumulatePred, a.AccumulateTarget = make([]T, n), make([]T, n), false, false
		mustRun(t, l, a, at)
		s.Mask, s.Rows, s.Cols = a.Shape.Mask, r.rows, r.cols
		for i := range n {
			p, q := asFloat(a.GradPred[i]), asFloat(a.GradTarget[i])
			if a.Mask != nil && a.Mask[placeOf(s.Mask, i, r.cols)] == 0 {
				require.Equal(t, []uint64{0, 0}, []uint64{math.Float64bits(p), math.Float64bits(q)}, at)
			} else if p == p || q == q {
				require.Equal(t, math.Float64bits(-p), math.Float64bits(q), at)
			}
		}
	})
}

// placeOf returns the index of element i of a matrix in an array with the view.
func placeOf(v smoothl1.View, i, cols int) int {
	offset, row, col := v.Strides(cols)
	return offset + i/cols*row + i%cols*col
}

func TestGradientOfTargetIsTheNegative(t *testing.T) {
	eachType(t, testGradientOfTarget[float32], testGradientOfTarget[float64], testGradientOfTarget[smoothl1.F16], testGradientOfTarget[smoothl1.BF16])
}

// Accumulating twice is adding the gradient twice, rounded each time.
func testAccumulate[T float32 | float64](t *testing.T, from func(float64) T) {
	eachCall(t, from, 60, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		if a.GradPred == nil && a.GradTarget == nil || r.rows*r.cols == 0 ||
			a.GradPred != nil && &a.GradPred[0] == &a.Pred[0] {
			return
		}
		once, twice := a.clone(), a.clone()
		once.AccumulatePred, once.AccumulateTarget = false, false
		mustRun(t, l, once, at)
		twice.AccumulatePred, twice.AccumulateTarget = a.GradPred != nil, a.GradTarget != nil
		mustRun(t, l, twice, at)
		mustRun(t, l, twice, at)
		cols := r.cols
		if a.Index != nil {
			cols = a.Shape.Cols
		}
		for _, x := range []struct {
			old, once, twice []T
			view             smoothl1.View
			cols             int
		}{{a.GradPred, once.GradPred, twice.GradPred, a.Shape.GradPred, cols}, {a.GradTarget, once.GradTarget, twice.GradTarget, a.Shape.GradTarget, r.cols}} {
			if x.old == nil {
				continue
			}
			for i := range r.rows * x.cols {
				k := placeOf(x.view, i, x.cols)
				sum := x.old[k] + x.once[k]
				sum += x.once[k]
				require.True(t, sum == x.twice[k] || sum != sum && x.twice[k] != x.twice[k], "%v, not %v: %s", x.twice[k], sum, at)
			}
		}
	})
}

func TestAccumulatingIsAdding(t *testing.T) {
	testAccumulate(t, func(x float64) float32 { return float32(x) })
	testAccumulate(t, func(x float64) float64 { return x })
}
