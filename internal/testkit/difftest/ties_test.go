package difftest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// TestTies checks that there are pairs for Ties, in float16 always both below beta and above it, and in bfloat16 mostly below.
func TestTies(t *testing.T) {
	cases, with := 0, 0 // of bfloat16
	for _, c := range tieCases() {
		below, above := 0, 0
		for _, p := range ties(c) {
			if float32(math.Abs(p[0]-p[1])) < float32(c.Loss.Beta) {
				below++
			} else {
				above++
			}
		}
		if c.DType == smoothl1.Float16 {
			require.Greater(t, min(below, above), 2, "%v", c)
			continue
		}
		if cases++; below > 1 {
			with++
		}
	}
	assert.Greater(t, with, cases*3/4)
}

// TestDirections checks that there is a direction for each case.
func TestDirections(t *testing.T) {
	cases := directionCases()
	require.Len(t, cases, 20)
	for _, c := range cases {
		_, ok := directionOf(c)
		assert.True(t, ok, "%v", c)
		require.NoError(t, c.Check())
		require.NoError(t, Run(c, Fallback(), Fallback()))
	}
}

// TestEdges checks that the differences of Edges are beta, also where that is not a number of the element type, and that in float16 the
// branch that beta takes shows there.
func TestEdges(t *testing.T) {
	for _, dtype := range Types {
		f := formatOf(dtype)
		for _, beta := range []float64{f.steep, f.odd} {
			g := generate(Case{Op: Forward, DType: dtype, Loss: smoothl1.Loss{Beta: beta}, N: 100, Data: Edges})
			for i, pred := range g.values[op.RolePred] {
				target := g.values[op.RoleTarget][i]
				require.Equal(t, []float64{f.round(pred), f.round(target), beta}, []float64{pred, target, math.Abs(pred - target)}, "%v", dtype)
			}
		}
	}
	f := formatOf(smoothl1.Float16)
	beta, up := float32(f.odd), float32(f.oddEdge)
	assert.NotEqual(t, f.round(float64(up)), f.round(float64(float32(beta*up)/beta)), "gradients")
	n, factor := float32(1/float64(f.oddCount)), float32(f.oddFactor)
	assert.NotEqual(t, f.round(float64(n*factor)), f.round(float64(float32(float32(n*beta)*factor)/beta)), "elementwise")
	assert.NotEqual(t, beta-float32(0.5*beta), float32(float32(0.5*beta)*beta)/beta, "terms")
}
