package cpu

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
)

// testInPlace puts an output of drawn calls in place of an input. The results must be those of the same call out of place.
func testInPlace[T smoothl1.Float](t *testing.T, from func(float64) T) {
	pairs := map[[2]int]int{}
	eachCall(t, from, 150, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		s := *a.Shape
		a.Shape = &s
		a.AccumulatePred, a.AccumulateTarget = false, false
		ins := []struct {
			array []T
			view  smoothl1.View
		}{{a.Pred, s.Pred}, {a.Target, s.Target}, {a.Weight, s.Weight}, {a.Beta, s.Beta}, {a.Upstream.elements, s.Upstream}, {a.Direction, s.Direction}}
		outs := []struct {
			array *[]T
			view  *smoothl1.View
		}{{&a.Terms, &s.Terms}, {&a.Abs, &s.Abs}, {&a.GradPred, &s.GradPred}, {&a.GradTarget, &s.GradTarget}, {&a.Second, &s.Second}}
		i, k := r.IntN(len(ins)), r.IntN(len(outs))
		in, out := ins[i], outs[k]
		if a.Index != nil || in.array == nil || *out.array == nil || r.rows*r.cols == 0 || slices.Contains([]smoothl1.View{smoothl1.PerRow(), smoothl1.PerColumn(), smoothl1.Single()}, in.view) {
			return
		}
		if len(a.GradPred) > 0 && &a.GradPred[0] == &a.Pred[0] {
			a.GradPred = slices.Clone(a.Pred)
		}
		*out.array, *out.view = make([]T, len(in.array)), in.view
		want := a.clone()
		value := mustRun(t, l, want, at)
		pairs[[2]int{i, k}]++

		*out.array = in.array
		gotValue := mustRun(t, l, a, at)
		assert.NoError(t, sameNumbers([]float64{gotValue}, []float64{value}), at)
		assert.NoError(t, sameNumbers(a.Losses, want.Losses), at)
		result := [][]T{want.Terms, want.Abs, want.GradPred, want.GradTarget, want.Second}[k]
		for e := range r.rows * r.cols {
			place := placeOf(in.view, e, r.cols)
			if err := sameNumbers((*out.array)[place:place+1], result[place:place+1]); err != nil {
				assert.Fail(t, "differs in place", "%v: element %d, output %d in place of input %d: %s", err, e, k, i, at)
				return
			}
		}
	})
	assert.Greater(t, len(pairs), 10, pairs)
}

func TestEveryOutputInPlaceOfEveryInput(t *testing.T) {
	fix(t, "stores=streaming")
	eachSet(t, func(t *testing.T) {
		eachType(t, testInPlace[float32], testInPlace[float64], testInPlace[smoothl1.F16], testInPlace[smoothl1.BF16])
	})
}
