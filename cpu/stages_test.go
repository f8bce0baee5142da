package cpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// Passes in stages must produce the bits of the reference, for numbers of elements around those of a piece and of a batch, and for a
// gradient in place of an input that another stage reads.
func testStages[T smoothl1.Float](t *testing.T) {
	losses := []smoothl1.Loss{{Beta: 1}, {Beta: 0.25, Reduction: smoothl1.Sum}, {Beta: 0.1}, {}, {Kind: smoothl1.Huber, Beta: 0.3}}
	for i, n := range []int{1, 5, 128, piece - 1, piece, piece + 1, 3*piece + 200, severalBatches} {
		for k, l := range losses {
			if n == severalBatches && k != 2 {
				continue
			}
			in := randomArgs[T](n)
			in.Target[n/2] = in.Pred[n/2] // a gradient of zero
			upstream := randomArgs[T](n + 1).Pred[1:]
			want := in
			want.Upstream, want.ChunkSums = Elements(upstream), make([]float64, Chunks(n))
			value, err := RefForwardBackward(l, &want)
			require.NoError(t, err)
			places := 7
			if n == severalBatches {
				places = 2 // a gradient each, and one in place of pred
			}
			for place := range places {
				a := Args[T]{Pred: slices.Clone(in.Pred), Target: slices.Clone(in.Target)}
				g := slices.Clone(upstream)
				a.Upstream = Elements(g)
				if (i+place)%2 == 0 {
					a.ChunkSums = make([]float64, Chunks(n))
				}
				a.GradPred = [][]T{make([]T, n), a.Pred, a.Target, g, nil, nil, g}[place]
				a.GradTarget = [][]T{make([]T, n), nil, a.Pred, nil, g, a.Pred, a.Target}[place]
				got, err := ForwardBackward(l, &a)
				require.NoError(t, err)
				message := fmt.Sprintf("%v n=%d place=%d", l, n, place)
				require.Equal(t, math.Float64bits(value), math.Float64bits(got), message)
				require.True(t, a.GradPred == nil || equal(want.GradPred, a.GradPred), message)
				require.True(t, a.GradTarget == nil || equal(want.GradTarget, a.GradTarget), message)
				require.True(t, a.ChunkSums == nil || equal(want.ChunkSums, a.ChunkSums), message)
			}
		}
	}
}

func TestStages(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		t.Run("float32", testStages[float32])
		t.Run("float64", testStages[float64])
	})
}
