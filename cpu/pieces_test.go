package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// testManyPieces computes arrays of many pieces with and without a loss, gradients, weights and a mask.
func testManyPieces[T smoothl1.Float](t *testing.T, from func(float64) T) {
	n := 60*Chunk + 77
	if testing.Short() { // under an emulator or the race detector
		n = 24*Chunk + 77
	}
	r := rand.New(rand.NewPCG(1, 2))
	numbers := func() []T {
		x := make([]T, n)
		for i := range x {
			x[i] = from(r.NormFloat64())
		}
		return x
	}
	pred, target, weight, mask := numbers(), numbers(), numbers(), make([]uint8, n)
	for i := range mask {
		mask[i] = uint8(r.IntN(3))
	}
	l := smoothl1.Loss{Beta: 1}
	for form := range 1 << 5 {
		flag := func(i int) bool { return form>>i&1 != 0 }
		if flag(0) && !flag(1) && !flag(2) {
			continue // nothing to compute
		}
		a := &Args[T]{Pred: pred, Target: target, NoLoss: flag(0)}
		if flag(1) {
			a.GradPred = make([]T, n)
		}
		if flag(2) {
			a.GradTarget = make([]T, n)
		}
		if flag(3) {
			a.Weight = weight
		}
		if flag(4) {
			a.Mask = mask
		}
		want := a.clone()
		wantValue, err := RefRun(l, want)
		require.NoError(t, err)
		eachSet(t, func(t *testing.T) {
			got := a.clone()
			sameOutputs(t, got, want, mustRun(t, l, got, ""), wantValue, fmt.Sprintf("form %05b", form))
		})
	}
}

func TestManyPieces(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testManyPieces(t, func(x float64) float32 { return float32(x) }) })
	t.Run("float16", func(t *testing.T) { testManyPieces(t, smoothl1.ToF16) })
	t.Run("bfloat16", func(t *testing.T) { testManyPieces(t, smoothl1.ToBF16) })
}
