package difftest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// faulty returns the fallback with a fault injected into its results after each call.
func faulty(fault func(x *Arrays)) Column {
	return Column{"faulty", func(c Case, x *Arrays) (float64, error) {
		value, err := Fallback().run(c, x)
		fault(x)
		return value, err
	}}
}

// TestFaultsAreSeen breaks an implementation in each way that the comparison must detect.
func TestFaultsAreSeen(t *testing.T) {
	// at returns the element i of an array, which may be outside of it.
	at := func(x *Arrays, r op.Role, i int) *float32 {
		a := x.of[r]
		return &elementsOf[float32](a.whole)[a.from/4+i]
	}
	k := Case{Op: ForwardTerms, Loss: smoothl1.Loss{Beta: 1}, N: 20, Seed: 3, Shift: 1, Data: Single} // terms of +0
	matrix := Case{Op: ForwardBackward, Loss: smoothl1.Loss{Beta: 1}, N: 20, Rows: 4, Cols: 5, Grads: GradPred, Seed: 3, Keep: 50}
	matrix.Forms[op.RoleGradPred], matrix.Forms[op.RolePred], matrix.Forms[op.RoleMask] = Padded, Padded, Dense
	for _, c := range []struct {
		name  string
		k     Case
		fault func(x *Arrays)
		text  string
	}{
		{"one ULP", k, func(x *Arrays) { p := at(x, op.RoleTerms, 7); *p = math.Nextafter32(*p, 9) }, "terms[7]: got "},
		{"the sign of zero", k, func(x *Arrays) { *at(x, op.RoleTerms, 3) = float32(math.Copysign(0, -1)) }, "terms[3]: got -0 (80000000), want 0 (0), 0 ULP apart; 1 of 20"},
		{"NaN for a number", k, func(x *Arrays) { *at(x, op.RoleTerms, 19) = float32(math.NaN()) }, "terms[19]: got NaN"},
		{"a write behind the end", k, func(x *Arrays) { *at(x, op.RoleTerms, 20) = 1 }, "terms: element 20 of 20, which is not an output's, was overwritten: 1 for NaN"},
		{"a write before the start", k, func(x *Arrays) { *at(x, op.RoleTerms, -1) = 1 }, "terms: element -1 of 20"},
		{"another NaN behind the end", k, func(x *Arrays) { *at(x, op.RoleTerms, 21) = float32(math.NaN()) }, "terms: element 21 of 20"},
		{"a write to an input", k, func(x *Arrays) { *at(x, op.RoleTarget, 2)++ }, "target: element 2 of 20"},
		{"a write between rows", matrix, func(x *Arrays) { *at(x, op.RoleGradPred, 6) = 0 }, "gradPred: element 6 of 33"},
		{"a write to a gap of an input", matrix, func(x *Arrays) { *at(x, op.RolePred, 7) = 0 }, "pred: element 7 of 33"},
		{"another mask", matrix, func(x *Arrays) { x.of[op.RoleMask].whole[zone+1]++ }, "mask: element 1 of 20"},
		{"no gradient", matrix, func(x *Arrays) { *at(x, op.RoleGradPred, 1) = *at(x, op.RoleGradPred, 0) }, "gradPred[1]: got "},
	} {
		err := Run(c.k, faulty(c.fault), Reference())
		require.ErrorContains(t, err, c.text, c.name)
		assert.ErrorContains(t, err, "again: go test ./internal/testkit/difftest -run TestReplay -column faulty -case '"+c.k.String()+"'")
	}
}

func TestULPs(t *testing.T) {
	zero := 0.0
	inf := float32(math.Inf(1))
	nan := math.NaN()
	assert.Zero(t, ULPs(-zero, zero))
	assert.EqualValues(t, 2, ULPs(math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64))
	assert.EqualValues(t, 1, ULPs(float32(1), math.Nextafter32(1, 2)))
	assert.EqualValues(t, 1, ULPs(float32(-1), math.Nextafter32(-1, -2)))
	assert.EqualValues(t, 1, ULPs(inf, float32(math.MaxFloat32)))
	assert.EqualValues(t, uint64(math.MaxUint64), ULPs(nan, 1))
	assert.EqualValues(t, uint64(math.MaxUint64), ULPs(1, nan))
	assert.Zero(t, ULPs(nan, math.Float64frombits(0xfff8000000000001)))
	assert.EqualValues(t, uint64(0xffe0000000000000), ULPs(math.Inf(1), math.Inf(-1)))
}

func TestSameBits(t *testing.T) {
	zero := 0.0
	assert.True(t, SameBits(math.NaN(), math.Float64frombits(0xfff8000000000001)))
	assert.False(t, SameBits(math.Copysign(0, -1), zero))
	assert.False(t, SameBits(math.NaN(), 1))
	assert.False(t, SameBits(1, math.NaN()))
	assert.True(t, SameBits(float32(0.1), float32(0.1)))
}

// TestRandomCasesReachEverything checks that random cases have the distribution that Random documents.
func TestRandomCasesReachEverything(t *testing.T) {
	small, large := 0, 0
	data, betas := map[Data]int{}, map[float64]int{}
	for i := range 2000 {
		c := Random(5, i, 1<<20)
		require.NoError(t, c.Loss.Validate(c.DType))
		data[c.Data]++
		betas[c.Loss.Beta]++
		if c.N < 300 {
			small++
		}
		if c.N > 100_000 {
			large++
		}
	}
	assert.Len(t, data, int(dataCount))
	assert.Len(t, betas, 16)
	assert.Greater(t, small, 500)
	assert.Greater(t, large, 20)
}
