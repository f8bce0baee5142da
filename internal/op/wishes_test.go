package op

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
)

func TestWishesAreChecked(t *testing.T) {
	for f := range form(forms) {
		for p := range Pass(Passes) {
			testWishes(t, f, p)
		}
	}
}

func testWishes(t *testing.T, f form, p Pass) {
	check := func(change func(*Call)) error { return f.check(p, f.callOf(p), change) }
	err := check(func(c *Call) { c.Reduction = smoothl1.None })
	if p.Reduces() || f == byRowForm && p == Backward {
		refused(t, err, smoothl1.ErrReduction, "reduction")
	} else {
		assert.NoError(t, err)
	}
	for _, x := range []float64{0, -1} {
		err = check(func(c *Call) { c.Divisor = smoothl1.DivideBy(x) })
		if p == Terms {
			assert.NoError(t, err, "nothing is divided")
		} else {
			refused(t, err, smoothl1.ErrDivisor, "divisor")
		}
	}
	for _, x := range []struct {
		t       smoothl1.DType
		divisor float64
		fits    bool
	}{
		{smoothl1.Float32, 1e-38, true}, {smoothl1.Float32, 1e-39, false}, {smoothl1.Float32, 1e45, true}, {smoothl1.Float32, 1e46, false},
		{smoothl1.Float64, 1e-308, true}, {smoothl1.Float64, 1e-309, false}, {smoothl1.Float64, 1e308, true},
		{smoothl1.Float16, 1e45, true}, {smoothl1.Float16, 1e46, false}, {smoothl1.BFloat16, 1e-39, false},
	} {
		err = check(func(c *Call) { c.DType, c.Divisor = x.t, smoothl1.DivideBy(x.divisor) })
		if x.fits || !p.Differentiates() {
			assert.NoError(t, err, "%v %v", p, x)
		} else {
			refused(t, err, smoothl1.ErrDivisor, "divisor")
		}
	}
	for _, d := range []smoothl1.Divisor{smoothl1.DivideBy(3), smoothl1.DivideByKept(), smoothl1.DivideByWeights(), smoothl1.Divisor{}.ZeroIfEmpty()} {
		for _, r := range []smoothl1.Reduction{smoothl1.Sum, smoothl1.None} {
			if r == smoothl1.None && (p.Reduces() || f == byRowForm) {
				continue // refused above
			}
			err = check(func(c *Call) { c.Reduction, c.Divisor = r, d })
			if p == Terms {
				assert.NoError(t, err)
			} else {
				refused(t, err, smoothl1.ErrReduction, "divisor")
			}
		}
	}
	for r, d := range map[Role]smoothl1.Divisor{RoleMask: smoothl1.DivideByKept(), RoleWeight: smoothl1.DivideByWeights().ZeroIfEmpty()} {
		arrays := f.callOf(p)
		by := func(c *Call) { c.Divisor = d }
		if f != leanForm {
			assert.NoError(t, f.check(p, arrays, by))
		}
		delete(arrays, r)
		if err := f.check(p, arrays, by); p == Terms {
			assert.NoError(t, err)
		} else {
			refused(t, err, smoothl1.ErrDivisor, "divisor")
			assert.ErrorContains(t, err, "there is no "+r.String())
		}
	}
	assert.NoError(t, check(func(c *Call) { c.Elementwise = ElementwiseOfKernels }), "which concerns only Lean")
}
