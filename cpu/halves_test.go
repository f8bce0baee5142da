package cpu

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// widened returns the arguments with every number converted to float32.
func widened[T smoothl1.Float](t *testing.T, a *Args[T]) *Args[float32] {
	wide := func(x []T) []float32 {
		if x == nil {
			return nil
		}
		y := make([]float32, len(x))
		require.NoError(t, smoothl1.Convert(y, x))
		return y
	}
	w := &Args[float32]{Pred: wide(a.Pred), Target: wide(a.Target), Weight: wide(a.Weight), Mask: a.Mask, Beta: wide(a.Beta), Index: a.Index, Terms: wide(a.Terms), Abs: wide(a.Abs),
		GradPred: wide(a.GradPred), GradTarget: wide(a.GradTarget), AccumulatePred: a.AccumulatePred, AccumulateTarget: a.AccumulateTarget,
		Direction: wide(a.Direction), Second: wide(a.Second), ByRow: a.ByRow, Losses: slices.Clone(a.Losses), ChunkSums: slices.Clone(a.ChunkSums),
		Divisor: a.Divisor, NoLoss: a.NoLoss, Shape: a.Shape}
	if w.Upstream = (Upstream[float32]{value: a.Upstream.value, set: a.Upstream.set}); a.Upstream.elements != nil {
		w.Upstream = Elements(wide(a.Upstream.elements))
	}
	return w
}

// Numbers of 16 bits give the results of float32, rounded once, and the same loss.
func testHalves[T smoothl1.F16 | smoothl1.BF16](t *testing.T, from func(float64) T) {
	eachCall(t, from, 150, func(r *richCase[T], l smoothl1.Loss, a *Args[T], at string) {
		wide, got := widened(t, a), a.clone()
		wantValue := mustRun(t, l, wide, at)
		value := mustRun(t, l, got, at)
		want := a.clone()
		for _, x := range []struct {
			to   []T
			from []float32
		}{{want.Terms, wide.Terms}, {want.Abs, wide.Abs}, {want.GradPred, wide.GradPred}, {want.GradTarget, wide.GradTarget}, {want.Second, wide.Second}} {
			for i, y := range x.from {
				x.to[i] = from(float64(y))
			}
		}
		want.Losses, want.ChunkSums = wide.Losses, wide.ChunkSums
		sameOutputs(t, got, want, value, wantValue, at)
	})
}

func TestHalvesAreFloat32RoundedOnce(t *testing.T) {
	t.Run("float16", func(t *testing.T) { testHalves(t, smoothl1.ToF16) })
	t.Run("bfloat16", func(t *testing.T) { testHalves(t, smoothl1.ToBF16) })
}
