package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func TestLossHasTheBitsOfOneCall(t *testing.T) {
	t.Run("float32", lossHasTheBitsOfOneCall[float32])
}

func lossHasTheBitsOfOneCall[T smoothl1.Float](t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, cols = 3001, 7
	n := rows * cols
	d := npyType(smoothl1.DTypeOf[T]())
	p, q, w := fill[T](rng, n), fill[T](rng, n), fill[T](rng, n)
	m := make([]uint8, n)
	for i := range m {
		m[i] = uint8(rng.IntN(2))
	}
	c := Config{
		Pred: write(t, p, cols, d, cuts(rng, rows, 5)...), Target: write(t, q, cols, d, cuts(rng, rows, 3)...),
		Weight: write(t, w, cols, d, cuts(rng, rows, 2)...), Mask: write(t, m, cols, npy.Bool),
		Loss: smoothl1.Loss{Beta: 0.5}, Divisor: smoothl1.DivideByWeights(), block: cpu.Chunk, BFloat16: d == npy.Uint16,
	}
	o, err := evaluateIn(t, c, whole)
	require.NoError(t, err)
	want := whole1(t, c.Loss, cpu.Args[T]{Pred: p, Target: q, Weight: w, Mask: m, Divisor: c.Divisor})
	require.Len(t, o.results, 1)
	require.Equal(t, math.Float64bits(want), math.Float64bits(o.results[0].Loss))
}
