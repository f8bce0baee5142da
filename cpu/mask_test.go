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
