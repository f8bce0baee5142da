package op

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// eachChoice calls f for all combinations of outputs and of what only some of them use. Whether there is a weight, mask, beta or index makes
// no difference, and they are in all calls or in none.
func eachChoice(f func(c *Call)) {
	roles := []Role{RoleUpstream, RoleDirection, RoleTerms, RoleAbs, RoleGradPred, RoleGradTarget, RoleSecond, RoleLosses, RoleChunkSums}
	for set := range 1 << len(roles) {
		given := SetOf(RolePred, RoleTarget)
		if set%3 == 0 {
			given |= SetOf(RoleWeight, RoleMask, RoleBeta, RoleIndex)
		}
		for i, r := range roles {
			if set>>i&1 != 0 {
				given |= SetOf(r)
			}
		}
		for flags := range 1 << 6 {
			flag := func(i int) bool { return flags>>i&1 != 0 }
			for _, reduction := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.Sum, smoothl1.None} {
				c := Call{NoLoss: flag(0), Upstream: flag(1), ByRow: flag(2), AccumulatePred: flag(3), AccumulateTarget: flag(4), Reduction: reduction, Has: Found(given)}
				if flag(5) {
					c.Divisor = smoothl1.DivideBy(2)
				}
				f(&c)
			}
		}
	}
}

// useless restates which arguments Choose refuses: those that nothing that is computed depends on.
func useless(c *Call) (names []string) {
	given := c.Has.Given()
	loss, derived := c.Reduction != smoothl1.None && !c.NoLoss, given&derived != 0
	for _, x := range []struct {
		name        string
		given, used bool
	}{
		{"upstream", given.Has(RoleUpstream) || c.Upstream, derived},
		{"direction", given.Has(RoleDirection), given.Has(RoleSecond)},
		{"losses", given.Has(RoleLosses), loss && c.ByRow},
		{"chunkSums", given.Has(RoleChunkSums), loss},
		{"accumulatePred", c.AccumulatePred, given.Has(RoleGradPred)},
		{"accumulateTarget", c.AccumulateTarget, given.Has(RoleGradTarget)},
		{"divisor", !c.Divisor.IsZero(), loss || derived},
		{"byRow", c.ByRow, loss || derived},
	} {
		if x.given && !x.used {
			names = append(names, x.name)
		}
	}
	return names
}

// TestEveryChoice checks that outputs can be computed in any combination, and that every argument must be used.
func TestEveryChoice(t *testing.T) {
	refused, chosen := map[string]int{}, map[Pass]int{}
	eachChoice(func(c *Call) {
		given := c.Has.Given()
		loss, terms, derived := c.Reduction != smoothl1.None && !c.NoLoss, given&perTerm != 0, given&derived != 0
		p, err := c.Choose("Op")
		bad := useless(c)
		var e *smoothl1.ArgError
		switch {
		case c.ByRow && c.Reduction == smoothl1.None:
			require.ErrorIs(t, err, smoothl1.ErrReduction, "%+v", c)
			return
		case !loss && !terms && !derived:
			require.ErrorIs(t, err, smoothl1.ErrNil, "%+v", c)
			return
		case len(bad) > 0:
			require.ErrorIs(t, err, smoothl1.ErrUnused, "%+v", c)
			require.ErrorAs(t, err, &e)
			if !slices.Contains(bad, e.Arg) {
				require.Fail(t, "names another argument", "%v, not one of %v", err, bad)
			}
			refused[e.Arg]++
			return
		case err != nil:
			require.NoError(t, err, "%+v", c)
		}
		want := Terms
		switch {
		case derived && loss:
			want = ForwardBackward
		case derived:
			want = Backward
		case loss:
			want = Forward
		}
		if p != want {
			require.Equal(t, want, p, "%+v", c)
		}
		chosen[p]++
	})
	assert.Len(t, refused, 8, refused)
	assert.Len(t, chosen, Passes, chosen)
}

// TestUselessArguments checks the errors' texts.
func TestUselessArguments(t *testing.T) {
	for _, c := range []struct {
		call  Call
		given Set[Role]
		text  string
	}{
		{Call{}, SetOf(RoleUpstream), "upstream = given: is not used by this operation: there is no gradPred, gradTarget or second"},
		{Call{Upstream: true}, 0, "upstream = a number: is not used by this operation: there is no gradPred, gradTarget or second"},
		{Call{NoLoss: true}, SetOf(RoleUpstream, RoleTerms), "upstream = given: is not used by this operation: there is no gradPred, gradTarget or second"},
		{Call{}, SetOf(RoleDirection), "direction = given: is not used by this operation: there is no second"},
		{Call{}, SetOf(RoleDirection, RoleGradPred), "direction = given: is not used by this operation: there is no second"},
		{Call{}, SetOf(RoleLosses), "losses = given: is not used by this operation: byRow is not set"},
		{Call{NoLoss: true}, SetOf(RoleLosses, RoleTerms), "losses = given: is not used by this operation: there is no reduced loss"},
		{Call{NoLoss: true}, SetOf(RoleChunkSums, RoleGradPred), "chunkSums = given: is not used by this operation: there is no reduced loss"},
		{Call{AccumulatePred: true}, SetOf(RoleGradTarget), "accumulatePred = true: is not used by this operation: there is no gradPred"},
		{Call{AccumulateTarget: true}, SetOf(RoleGradPred), "accumulateTarget = true: is not used by this operation: there is no gradTarget"},
		{Call{NoLoss: true, Divisor: smoothl1.DivideByKept()}, SetOf(RoleAbs), "divisor = kept: is not used by this operation: there is no reduced loss or gradient"},
		{Call{NoLoss: true, ByRow: true}, SetOf(RoleTerms), "byRow = true: is not used by this operation: there is no reduced loss or gradient"},
		{Call{NoLoss: true}, SetOf(RoleWeight), "outputs = nil: must not be nil: no terms, gradients or reduced loss requested"},
		{Call{Reduction: smoothl1.None, ByRow: true}, SetOf(RoleTerms), "reduction = none: not a valid reduction here: byRow takes mean or sum"},
	} {
		c.call.Has = Found(c.given)
		_, err := c.call.Choose("Op")
		assert.EqualError(t, err, "smoothl1: Op: "+c.text)
	}
}
