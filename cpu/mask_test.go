package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// poisons are numbers that must not leak from behind a mask.
var poisons = []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, math.MaxFloat64, 0}

// What the inputs hold where the mask is 0 must not matter: not even for the sum of the weights, and not where beta is not valid.
func testPoison[T smoothl1.Float](t *testing.T, from func(float64) T) {
	for _, whole := range []bool{false, true} {
		eachCall(t, from, 60, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
			if a.Index != nil {
				return
			}
			n := r.rows * r.cols
			s := &smoothl1.Shape{Rows: r.rows, Cols: r.cols} // dense, so that each element can be poisoned
			derives := a.GradPred != nil || a.GradTarget != nil || a.Second != nil
			a.Shape, a.Mask = s, make([]uint8, n)
			for i := range a.Mask {
				if a.Mask[i] = uint8(r.IntN(3)); whole {
					a.Mask[i] = 0
				}
			}
			for _, x := range []*[]T{&a.Weight, &a.Beta, &a.Direction, &a.Pred, &a.Target, &a.Terms, &a.Abs, &a.GradPred, &a.GradTarget, &a.Second} {
				if *x != nil {
					*x = make([]T, n)
					for i := range *x {
						(*x)[i] = from(math.Abs(r.NormFloat64()))
					}
				}
			}
			if derives {
				a.Upstream = Elements(make([]T, n))
				for i := range a.Upstream.elements {
					a.Upstream.elements[i] = from(r.NormFloat64())
				}
			}
			want, poisoned := a.clone(), a.clone()
			value := mustRun(t, l, want, at)
			for _, x := range []*[]T{&poisoned.Pred, &poisoned.Target, &poisoned.Weight, &poisoned.Beta, &poisoned.Direction, &poisoned.Upstream.elements} {
				if *x == nil {
					continue
				}
				*x = append([]T{}, *x...)
				for i := range *x {
					if a.Mask[i] == 0 {
						(*x)[i] = from(poisons[r.IntN(len(poisons))])
					}
				}
			}
			got := poisoned.clone()
			sameOutputs(t, got, want, mustRun(t, l, got, at), value, at)
			ref := poisoned.clone()
			wantValue, err := RefRun(l, ref)
			require.NoError(t, err)
			sameOutputs(t, ref, want, wantValue, value, at)
			if !whole || n == 0 {
				return
			}
			for _, x := range [][]T{want.Terms, want.Abs, want.Second} {
				for _, y := range x {
					require.Zero(t, math.Float64bits(asFloat(y)), at)
				}
			}
			if a.ByRow {
				value = 0
				if len(want.Losses) > 0 {
					value = want.Losses[0]
				}
			}
			empty := a.Divisor.Kept() || a.Divisor.Weights()
			loss := l.Reduction != smoothl1.None && !a.NoLoss
			assert.Equal(t, loss && empty && !a.Divisor.IsZeroIfEmpty(), math.IsNaN(value), at)
			if value == value {
				assert.Zero(t, math.Float64bits(value), at)
			}
		})
	}
}

func TestNothingLeaksFromBehindTheMask(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		eachType(t, testPoison[float32], testPoison[float64], testPoison[smoothl1.F16], testPoison[smoothl1.BF16])
	})
}

// Weights that add up to 0 make a mean NaN or infinite, or 0 with gradients of 0 if that is asked for.
func TestWeightsThatAddUpToZero(t *testing.T) {
	for name, run := range map[string]func(smoothl1.Loss, *Args[float32]) (float64, error){"Run": Run[float32], "RefRun": RefRun[float32]} {
		for _, byRow := range []bool{false, true} {
			a := Args[float32]{Pred: []float32{0.5, 3, 7}, Target: make([]float32, 3), Weight: []float32{1, -1, 5}, Mask: []uint8{1, 1, 0},
				GradPred: make([]float32, 3), Divisor: smoothl1.DivideByWeights(), ByRow: byRow}
			if byRow {
				a.Losses = make([]float64, 1)
			}
			value, err := run(smoothl1.Loss{Beta: 1}, &a)
			require.NoError(t, err)
			if byRow {
				value = a.Losses[0]
			}
			assert.True(t, math.IsInf(value, -1), name)
			assert.True(t, math.IsInf(float64(a.GradPred[0]), 1) && math.IsInf(float64(a.GradPred[1]), -1), a.GradPred)
			a.Divisor = a.Divisor.ZeroIfEmpty()
			value, err = run(smoothl1.Loss{Beta: 1}, &a)
			require.NoError(t, err)
			if byRow {
				value = a.Losses[0]
			}
			assert.Zero(t, math.Float64bits(value))
			assert.Equal(t, []float32{0, 0, 0}, a.GradPred)
		}
	}
}

// TestKeptRows divides by what a mask of rows keeps, which is counted from one byte for each row.
func TestKeptRows(t *testing.T) {
	withProcessors(t, 3)
	const rows, cols = 3*Chunk + 5, 3
	a := randomArgs[float32](rows * cols)
	a.GradTarget, a.Mask, a.Divisor = nil, make([]uint8, rows), smoothl1.DivideByKept()
	a.Shape = &smoothl1.Shape{Rows: rows, Cols: cols, Mask: smoothl1.PerRow()}
	for i := range a.Mask {
		a.Mask[i] = uint8(i % 5 % 2)
	}
	a.Mask[rows-1] = 7
	l := smoothl1.Loss{Beta: 0.3}
	want := *a.clone()
	value, err := RefRun(l, &want)
	require.NoError(t, err)
	for _, setting := range []string{"threads=1", "threads=3"} {
		fix(t, setting)
		got, err := Run(l, &a)
		require.NoError(t, err)
		require.Equal(t, value, got)
		require.NoError(t, sameNumbers(a.GradPred, want.GradPred))
	}
}
