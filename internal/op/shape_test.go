package op

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestShapesAreChecked(t *testing.T) {
	for _, c := range []struct {
		rows, cols int
		indexed    bool
		text       string
	}{
		{-1, 3, false, "shape.Rows = -1: length does not fit: must not be negative"},
		{3, math.MinInt, false, "shape.Cols = -9223372036854775808: length does not fit: must not be negative"},
		{1 << 20, 1<<20 + 1, false, "shape = 1048576 × 1048577: too large"},
		{math.MaxInt, math.MaxInt, false, "shape = 9223372036854775807 × 9223372036854775807: too large"},
		{math.MaxInt, 1, false, "shape = 9223372036854775807 × 1: too large"},
		{1 << 33, 1 << 31, false, "shape = 8589934592 × 2147483648: too large"},
		{1 << 32, 1, true, "shape.Rows = 4294967296: too large: with an index, at most 4294967295"},
		{1 << 40, 0, true, "shape.Rows = 1099511627776: too large: with an index, at most 4294967295"},
		{1 << 20, 1 << 20, false, ""}, {math.MaxInt, 0, false, ""}, {0, math.MaxInt, false, ""}, {1<<32 - 1, 1, true, ""}, {0, 0, true, ""},
	} {
		var call Call
		err := call.SetShape("Op", &smoothl1.Shape{Rows: c.rows, Cols: c.cols}, 5, c.indexed, new(Views))
		if c.text != "" {
			assert.EqualError(t, err, "smoothl1: Op: "+c.text)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, []int{c.rows, c.cols}, []int{call.Rows, call.Actions})
		assert.Equal(t, call.Rows*call.Cols, call.N)
	}
	var call Call
	require.NoError(t, call.SetShape("Op", nil, 5, true, new(Views)))
	assert.Equal(t, []int{1, 1, 5, 1}, []int{call.Rows, call.Cols, call.Actions, call.N})
}

// TestEveryViewIsChecked gives each array of a 3 × 4 matrix each view: its length must be that of the view, outputs must not repeat
// elements, and nothing that a gradient is taken of may.
func TestEveryViewIsChecked(t *testing.T) {
	for _, view := range []struct {
		view     smoothl1.View
		repeats  bool
		least, n int // the least length, and the only one or -1
	}{
		{smoothl1.View{}, false, 12, 12}, {smoothl1.PerRow(), true, 3, 3}, {smoothl1.PerColumn(), true, 4, 4}, {smoothl1.Single(), true, 1, 1},
		{smoothl1.Strided(2, 5, 1), false, 16, -1}, {smoothl1.Strided(11, -4, -1), false, 12, -1}, {smoothl1.Strided(0, 1, 3), false, 12, -1},
		{smoothl1.Strided(0, 2, 1), true, 8, -1}, {smoothl1.Strided(8, -4, 0), true, 9, -1},
	} {
		for r := range Role(Roles) {
			var s smoothl1.Shape
			if !setView(&s, r, view.view) {
				continue
			}
			s.Rows, s.Cols = 3, 4
			call := func(n int) error {
				c := Call{Elementwise: ElementwiseOfCPU}
				c.Reset(smoothl1.Mean, smoothl1.Divisor{}, 12, smoothl1.Float32)
				require.NoError(t, c.SetShape("Op", &s, 12, false, new(Views)))
				for role := range Role(Roles) {
					length := 12
					switch role {
					case RoleIndex, RoleLosses:
						continue
					case RoleChunkSums:
						length = 1
					case r:
						length = n
					}
					c.Has |= c.Put(role, uint64(role+1)<<32, length)
				}
				return c.Check("Op", ForwardBackward)
			}
			if err := call(view.least); view.repeats && (r.IsOutput() || r == RolePred || r == RoleTarget) {
				refused(t, err, smoothl1.ErrRepeat, r.String())
				rule := "an output must not"
				if !r.IsOutput() {
					rule = "its derivative would be a sum"
				}
				assert.EqualError(t, err, "smoothl1: Op: "+r.String()+" = "+view.view.String()+": repeats elements: "+rule)
			} else {
				assert.NoError(t, err, "%v: %v", r, view.view)
			}
			if err := call(view.least + 1); view.n >= 0 {
				refused(t, err, smoothl1.ErrLength, "len("+r.String()+")")
				assert.ErrorContains(t, err, "3 × 4 elements, "+view.view.String()+", have ")
			} else if !view.repeats {
				assert.NoError(t, err)
			}
			if err := call(view.least - 1); view.n >= 0 {
				refused(t, err, smoothl1.ErrLength, "len("+r.String()+")")
			} else {
				refused(t, err, smoothl1.ErrView, r.String())
				assert.ErrorContains(t, err, "3 × 4 elements leave an array of ")
			}
		}
	}
}

// setView sets the view of a role's array, and reports whether the shape has one.
func setView(s *smoothl1.Shape, r Role, v smoothl1.View) bool {
	views := map[Role]*smoothl1.View{RolePred: &s.Pred, RoleTarget: &s.Target, RoleWeight: &s.Weight, RoleMask: &s.Mask, RoleBeta: &s.Beta,
		RoleUpstream: &s.Upstream, RoleDirection: &s.Direction, RoleTerms: &s.Terms, RoleAbs: &s.Abs, RoleGradPred: &s.GradPred,
		RoleGradTarget: &s.GradTarget, RoleSecond: &s.Second}
	if views[r] == nil {
		return false
	}
	*views[r] = v
	return true
}

// A repeated input is in order where no gradient is taken of it.
func TestGradientsOfRepeatedInputs(t *testing.T) {
	for _, c := range []struct {
		pred, target smoothl1.View
		out          Role
		refused      string
	}{
		{smoothl1.Single(), smoothl1.View{}, RoleGradTarget, ""}, {smoothl1.Single(), smoothl1.View{}, RoleGradPred, "pred"},
		{smoothl1.View{}, smoothl1.PerRow(), RoleGradPred, ""}, {smoothl1.View{}, smoothl1.PerRow(), RoleGradTarget, "target"},
		{smoothl1.Single(), smoothl1.Single(), RoleTerms, ""},
		{smoothl1.PerColumn(), smoothl1.View{}, RoleSecond, "pred"}, {smoothl1.View{}, smoothl1.PerColumn(), RoleSecond, ""},
	} {
		s := &smoothl1.Shape{Rows: 3, Cols: 4, Pred: c.pred, Target: c.target}
		p := Backward
		if c.out == RoleTerms {
			p = Terms
		}
		offsets := map[Role]int{RolePred: 0, RoleTarget: 100, c.out: 200}
		lengths := map[Role]int{RolePred: c.pred.Len(3, 4), RoleTarget: c.target.Len(3, 4), c.out: 12}
		if c.out == RoleSecond {
			offsets[RoleDirection], lengths[RoleDirection] = 300, 12
		}
		err := inMemory(s, p, false, offsets, lengths)
		if c.refused == "" {
			assert.NoError(t, err)
		} else {
			refused(t, err, smoothl1.ErrRepeat, c.refused)
		}
	}
}

// The elements of a matrix without any are nowhere, whatever its views say.
func TestViewsOfNothing(t *testing.T) {
	far := smoothl1.Strided(-1<<62, math.MinInt, math.MaxInt)
	for _, dims := range [][2]int{{0, 4}, {3, 0}, {0, 0}} {
		s := &smoothl1.Shape{Rows: dims[0], Cols: dims[1], Pred: far, Target: far, GradPred: far, GradTarget: far}
		same := map[Role]int{RolePred: 0, RoleTarget: 0, RoleGradPred: 0, RoleGradTarget: 0}
		assert.NoError(t, inMemory(s, Backward, false, same, map[Role]int{RolePred: 9, RoleTarget: 5, RoleGradPred: 9, RoleGradTarget: 1}))
	}
}

// TestWhatThePassDoesNotUse checks that arguments without those that they belong to are as if they were absent. Choose refuses them.
func TestWhatThePassDoesNotUse(t *testing.T) {
	for _, c := range []struct {
		without, unused Role
		pass            Pass
	}{{RoleSecond, RoleDirection, Backward}, {RoleSecond, RoleDirection, ForwardBackward}, {RoleSecond, RoleLosses, Forward}} {
		arrays := wholeForm.callOf(c.pass)
		delete(arrays, c.without)
		arrays[c.unused] = placed{arrays[RolePred].at, 3}
		assert.NoError(t, wholeForm.check(c.pass, arrays, nil), "%v", c)
		assert.NoError(t, wholeForm.check(c.pass, arrays, func(k *Call) { k.Has |= k.PutUnusable(c.unused, Closed, "so") }), "%v", c)
	}
	for p := range Pass(Passes) {
		for r := range Set[Role](4) {
			arrays := wholeForm.callOf(p)
			pred, target := p.Differentiates() && r&1 != 0, p.Differentiates() && r&2 != 0
			if !pred {
				delete(arrays, RoleGradPred)
			}
			if !target {
				delete(arrays, RoleGradTarget)
			}
			var call *Call
			require.NoError(t, wholeForm.check(p, arrays, func(c *Call) { call, c.AccumulatePred, c.AccumulateTarget = c, true, true }))
			assert.Equal(t, []bool{pred, target}, []bool{call.AccumulatePred, call.AccumulateTarget}, p)
		}
	}
}

// An array that cannot be used, but is not, does not hide another's error.
func TestUnusableArraysThatAreNotUsed(t *testing.T) {
	for _, order := range [][]Role{{RoleUpstream, RoleTerms}, {RoleTerms, RoleUpstream}} {
		err := leanForm.check(Terms, leanForm.callOf(Terms), func(c *Call) {
			for _, r := range order {
				c.Has |= c.PutUnusable(r, Closed, "so")
			}
		})
		assert.EqualError(t, err, "smoothl1: Op: terms = so: is closed")
	}
}

// TestLean checks which calls lean code makes.
func TestLean(t *testing.T) {
	for f := range form(forms) {
		for p := range Pass(Passes) {
			lean := func(elementwise Set[Pass], without []Role, change func(*Call)) (is bool) {
				arrays := f.callOf(p)
				for _, r := range without {
					delete(arrays, r)
				}
				require.NoError(t, f.check(p, arrays, func(c *Call) {
					if change != nil {
						change(c)
					}
					c.Elementwise = elementwise
					is = c.Lean(p)
				}))
				return is
			}
			rich := []Role{RoleWeight, RoleMask, RoleBeta, RoleIndex, RoleDirection, RoleAbs, RoleSecond, RoleLosses}
			terms := []Role{RoleTerms}
			if p == Terms {
				terms = nil
			}
			plain := append(rich, terms...)
			if f == byRowForm {
				plain = append(rich[:7:7], terms...)
			}
			want := f == leanForm || f == wholeForm
			if f != indexedForm { // whose arrays have other lengths without the index
				assert.Equal(t, want, lean(ElementwiseOfCPU, plain, nil), "%v %v", f, p)
				assert.Equal(t, want && p != ForwardBackward, lean(ElementwiseOfKernels, plain, nil), "%v %v", f, p)
				assert.Equal(t, want, lean(0, append(plain, RoleUpstream), nil))
				assert.Equal(t, want && p == Terms, lean(ElementwiseOfCPU, rich[:7:7], nil) && f != byRowForm, "%v %v", f, p)
				assert.Equal(t, want, lean(ElementwiseOfCPU, plain, func(c *Call) { c.Divisor = smoothl1.DivideBy(3).ZeroIfEmpty() }))
			}
			if f == wholeForm {
				for _, r := range rich {
					if f.has(p, r) && r != RoleDirection {
						var others []Role
						for _, x := range plain {
							if x != r && (r != RoleSecond || x != RoleDirection) {
								others = append(others, x)
							}
						}
						assert.False(t, lean(ElementwiseOfCPU, others, nil), "%v with %v", p, r)
					}
				}
			}
		}
	}
	for _, c := range []struct {
		change func(*Call)
		lean   bool
	}{
		{func(*Call) {}, true}, {func(c *Call) { c.AccumulatePred = true }, false}, {func(c *Call) { c.AccumulateTarget = true }, false},
		{func(c *Call) { c.Divisor = smoothl1.DivideByKept() }, false}, {func(c *Call) { c.Divisor = smoothl1.DivideByWeights() }, false},
	} {
		call := Call{Has: Found(SetOf(RolePred, RoleTarget, RoleGradPred, RoleGradTarget))}
		c.change(&call)
		assert.Equal(t, c.lean, call.Lean(Backward))
	}
}

// Arrays that are dense in memory, with an offset or without strides that matter, are lean; others are not.
func TestLeanViews(t *testing.T) {
	for _, c := range []struct {
		rows, cols int
		view       smoothl1.View
		lean       bool
	}{
		{3, 4, smoothl1.Strided(5, 4, 1), true}, {3, 4, smoothl1.Strided(0, 5, 1), false}, {3, 4, smoothl1.Strided(0, 1, 3), false}, {1, 4, smoothl1.Strided(0, -9, 1), true},
		{4, 1, smoothl1.Strided(0, 1, 7), true}, {4, 1, smoothl1.PerRow(), true}, {4, 1, smoothl1.Strided(0, 2, 1), false}, {1, 4, smoothl1.PerColumn(), true},
		{1, 1, smoothl1.Single(), true}, {2, 1, smoothl1.Single(), false},
	} {
		n := c.view.Len(c.rows, c.cols)
		if n < 0 {
			n = 100
		}
		call := Call{Elementwise: ElementwiseOfCPU}
		call.Reset(smoothl1.Mean, smoothl1.Divisor{}, n, smoothl1.Float32)
		require.NoError(t, call.SetShape("Op", &smoothl1.Shape{Rows: c.rows, Cols: c.cols, Target: c.view}, n, false, new(Views)))
		call.Has = call.Put(RolePred, 1<<20, c.rows*c.cols) | call.Put(RoleTarget, 1<<30, n) | call.Put(RoleChunkSums, 1<<40, 1)
		require.NoError(t, call.Check("Op", Forward))
		assert.Equal(t, c.lean, call.Lean(Forward), "%v", c)
	}
}
