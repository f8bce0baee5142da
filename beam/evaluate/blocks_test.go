package evaluate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/cpu"
)

// through encodes and decodes an accumulator with the coder that Beam has for it.
func through(t *testing.T, a sums) sums {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, beam.NewElementEncoder(reflect.TypeFor[sums]()).Encode(a, &b))
	x, err := beam.NewElementDecoder(reflect.TypeFor[sums]()).Decode(&b)
	require.NoError(t, err)
	return x.(sums)
}

// mergeAtRandom puts the sums in random accumulators, some of them empty, and merges those along a random tree.
func mergeAtRandom(t *testing.T, rng *rand.Rand, all []sum) sums {
	accumulators := make([]sums, 1+rng.IntN(len(all)+3))
	for i := range accumulators {
		accumulators[i] = collect{}.CreateAccumulator()
	}
	for _, i := range rng.Perm(len(all)) {
		to := &accumulators[rng.IntN(len(accumulators))]
		*to = collect{}.AddInput(*to, all[i])
	}
	for len(accumulators) > 1 {
		i, j := rng.IntN(len(accumulators)), rng.IntN(len(accumulators)-1)
		if j >= i {
			j++
		}
		a, b := accumulators[i], accumulators[j]
		if rng.IntN(2) == 0 {
			a, b = through(t, a), through(t, b)
		}
		accumulators[i] = collect{}.MergeAccumulators(a, b)
		accumulators[j] = accumulators[len(accumulators)-1]
		accumulators = accumulators[:len(accumulators)-1]
	}
	return collect{}.ExtractOutput(accumulators[0])
}

// Prism lifts combiners, but its bundles leave it nothing to merge, so the trees are tried here.
func TestMergeTrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		n := 1 + rng.IntN(40)
		all, terms := make([]sum, n), make([]float64, n)
		for i := range all {
			terms[i] = rng.NormFloat64() * math.Exp2(float64(rng.IntN(80)))
			all[i] = sum{Block: int64(i), Terms: terms[i], Weights: -terms[i], Kept: int64(i), Largest: float64(i)}
		}
		got, err := mergeAtRandom(t, rng, all).add(int64(n), false)
		require.NoError(t, err)
		want, err := canonical(terms, int64(n)*cpu.Chunk)
		require.NoError(t, err)
		require.Equal(t, bits(want, -want, float64(n-1)), bits(got.terms, got.weights, got.largest))
		require.EqualValues(t, n*(n-1)/2, got.kept)

		lost := rng.IntN(n)
		_, err = mergeAtRandom(t, rng, append(append([]sum{}, all[:lost]...), all[lost+1:]...)).add(int64(n), false)
		require.ErrorContains(t, err, "is missing")
		_, err = mergeAtRandom(t, rng, append(append([]sum{}, all...), all[lost])).add(int64(n), false)
		require.ErrorContains(t, err, "came twice")
	}
	_, err := sums{[]sum{{Block: 3}}}.add(3, true)
	require.ErrorContains(t, err, "block 3 came, but there are 3")
}

func TestMergeKeepsNaN(t *testing.T) {
	a := through(t, sums{[]sum{{Terms: math.Copysign(0, -1), Weights: math.Inf(1), Largest: math.NaN()}, {Block: 1, Largest: 2}}})
	require.True(t, math.Signbit(a.All[0].Terms))
	total, err := a.add(2, false)
	require.NoError(t, err)
	require.True(t, math.IsNaN(total.largest))
	require.True(t, math.IsInf(total.weights, 1))
}

// A group that has elements in some chunks of a block has the sum in which the others are +0.
func TestGroupOfSomeChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int64{1, 2, cpu.Chunk, cpu.Chunk + 1, 3*cpu.Chunk - 1} {
		dense, g, blocks := make([]float64, n), &group{}, sums{}
		for c := range n {
			if rng.IntN(3) > 0 || c == n-1 {
				dense[c] = rng.NormFloat64() * math.Exp2(float64(rng.IntN(40)))
				g.chunks, g.terms = append(g.chunks, c), append(g.terms, dense[c])
				blocks.All = append(blocks.All, sum{Block: c, Terms: dense[c], Weights: -dense[c]})
			}
		}
		want, err := canonical(dense, n*cpu.Chunk)
		require.NoError(t, err)
		if n <= cpu.Chunk {
			require.Equal(t, bits(want), bits(g.level(g.terms)))
		}
		got, err := blocks.add(n, true)
		require.NoError(t, err)
		require.Equal(t, bits(want, -want), bits(got.terms, got.weights))
	}
	none, err := sums{}.add(5, true)
	require.NoError(t, err)
	require.Equal(t, bits(0), bits(none.terms))
}
