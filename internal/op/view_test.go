package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// eachView calls f for all small matrices and strides.
func eachView(f func(v View, rows, cols int)) {
	for rows := range 5 {
		for cols := range 5 {
			for r := -7; r <= 7; r++ {
				for c := -7; c <= 7; c++ {
					f(View{0, r, c}, rows, cols)
				}
			}
		}
	}
}

// places returns the number of elements at each index, and the lowest and highest index.
func places(v View, rows, cols int) (at map[int]int, low, high int) {
	at = map[int]int{}
	low, high = math.MaxInt, math.MinInt
	for r := range rows {
		for c := range cols {
			i := v.At(r, c)
			at[i]++
			low, high = min(low, i), max(high, i)
		}
	}
	return at, low, high
}

func TestRepeats(t *testing.T) {
	eachView(func(v View, rows, cols int) {
		at, _, _ := places(v, rows, cols)
		if got, want := v.Repeats(rows, cols), len(at) < rows*cols; got != want {
			require.Equal(t, want, got, "%v of %d × %d", v, rows, cols)
		}
	})
	for _, c := range []struct {
		v          View
		rows, cols int
		want       bool
	}{
		{View{0, math.MinInt, math.MinInt}, 2, 2, true}, {View{0, math.MinInt, 1}, 2, 2, false}, {View{0, math.MaxInt, math.MaxInt - 1}, 9, 9, false},
		{View{0, 1 << 40, 1 << 20}, 2, 1<<20 + 1, true}, {View{0, 1 << 40, 1 << 20}, 2, 1 << 20, false},
	} {
		assert.Equal(t, c.want, c.v.Repeats(c.rows, c.cols), c)
	}
}

func TestIsDense(t *testing.T) {
	eachView(func(v View, rows, cols int) {
		want := true
		for i := range rows * cols {
			want = want && v.At(i/cols, i%cols) == i
		}
		if got := v.IsDense(rows, cols); got != want {
			require.Equal(t, want, got, "%v of %d × %d", v, rows, cols)
		}
	})
}

func TestExtent(t *testing.T) {
	eachView(func(v View, rows, cols int) {
		if rows == 0 || cols == 0 {
			return
		}
		for _, v.Offset = range []int{-1, 0, 3, 20} {
			_, low, high := places(v, rows, cols)
			for _, n := range []int{0, 1, 4, 20, 21, 30, 50} {
				gotLow, gotHigh, ok := v.extent(n, rows, cols)
				if want := low >= 0 && high < n; ok != want || ok && (gotLow != low || gotHigh != high) {
					require.Fail(t, "wrong extent", "%v of %d × %d in %d: %d to %d %v, want %d to %d %v", v, rows, cols, n, gotLow, gotHigh, ok, low, high, want)
				}
			}
		}
	})
	for _, v := range []View{{0, math.MaxInt, 1}, {0, math.MinInt, 1}, {0, 1, math.MinInt}, {math.MaxInt, 1, 1}, {math.MinInt, 1, 1}, {1, math.MaxInt / 2, math.MaxInt/2 + 1},
		{math.MaxInt - 1, math.MinInt / 2, math.MaxInt}} {
		_, _, ok := v.extent(100, 3, 3)
		assert.False(t, ok, v)
	}
	_, high, ok := (&View{0, 0, 1}).extent(math.MaxInt, 1<<40, math.MaxInt)
	assert.True(t, ok)
	assert.Equal(t, math.MaxInt-1, high)
}

// TestApart checks that views that are said to be apart have no element in common and that, unless rows and columns interleave, views without
// a common element are said to be apart.
func TestApart(t *testing.T) {
	apart := 0
	eachView(func(v View, rows, cols int) {
		at, low, high := places(v, rows, cols)
		if rows == 0 || cols == 0 || len(at) < rows*cols {
			return
		}
		r, c := magnitude(v.RowStride), magnitude(v.ColStride)
		nested := rows == 1 || cols == 1 || r >= uint64(cols)*c || c >= uint64(rows)*r
		for delta := low - high - 2; delta <= high-low+2; delta++ {
			if delta == 0 {
				continue
			}
			want := true
			for i := range at {
				want = want && at[i+delta] == 0
			}
			got := v.apart(delta, rows, cols)
			if got && !want || nested && got != want {
				require.Equal(t, want, got, "%v of %d × %d, %d apart", v, rows, cols, delta)
			}
			if got {
				apart++
			}
		}
	})
	assert.Greater(t, apart, 1000)
}

// inMemory returns a call on arrays in one memory of float32s, as given by the shape.
func inMemory(s *smoothl1.Shape, p Pass, indexed bool, offsets map[Role]int, lengths map[Role]int) error {
	c := Call{Elementwise: ElementwiseOfCPU}
	c.Reset(smoothl1.Mean, smoothl1.Divisor{}, lengths[RolePred], smoothl1.Float32)
	if err := c.SetShape("Op", s, lengths[RolePred], indexed, new(Views)); err != nil {
		return err
	}
	if indexed {
		c.Has |= c.Put(RoleIndex, 1<<40, s.Rows)
	}
	for r, at := range offsets {
		c.Has |= c.Put(r, 1<<20+4*uint64(at), lengths[r])
	}
	return c.Check("Op", p)
}

// TestColumnsOfOneMatrix places arrays in the columns of one padded matrix, in one memory.
func TestColumnsOfOneMatrix(t *testing.T) {
	const rows, pitch = 7, 16
	columns := func(from int) smoothl1.View { return smoothl1.Strided(from, pitch, 1) }
	all := map[Role]int{RolePred: 0, RoleTarget: 0, RoleGradPred: 0, RoleGradTarget: 0}
	whole := map[Role]int{RolePred: rows * pitch, RoleTarget: rows * pitch, RoleGradPred: rows * pitch, RoleGradTarget: rows * pitch}
	for from := range pitch - 3 {
		s := &smoothl1.Shape{Rows: rows, Cols: 4, Pred: columns(0), Target: columns(4), GradPred: columns(8), GradTarget: columns(from)}
		err := inMemory(s, Backward, false, all, whole)
		if from == 0 || from == 4 || from == 12 {
			assert.NoError(t, err, "beside the others, or in place of an input")
		} else {
			assert.ErrorIs(t, err, smoothl1.ErrOverlap, from)
		}
	}
	// The same elements in another order are not in place.
	s := &smoothl1.Shape{Rows: rows, Cols: 4, Pred: columns(0), Target: columns(4), GradPred: smoothl1.Strided((rows-1)*pitch, -pitch, 1), GradTarget: columns(12)}
	refused(t, inMemory(s, Backward, false, all, whole), smoothl1.ErrOverlap, "gradPred")
	// Nor is anything with an index, though columns of one matrix are apart.
	s = &smoothl1.Shape{Rows: rows, Cols: 4, Pred: columns(0), GradPred: columns(8), Target: smoothl1.Strided(0, pitch, 1), GradTarget: smoothl1.Strided(5, pitch, 1)}
	two := map[Role]int{RolePred: 0, RoleGradPred: 0, RoleTarget: 1000, RoleGradTarget: 1000}
	assert.NoError(t, inMemory(s, Backward, true, two, whole))
	s.GradTarget = s.Target
	refused(t, inMemory(s, Backward, true, two, whole), smoothl1.ErrOverlap, "gradTarget")
	s.GradTarget, s.GradPred = smoothl1.Strided(5, pitch, 1), s.Pred
	refused(t, inMemory(s, Backward, true, two, whole), smoothl1.ErrOverlap, "gradPred")
	// A mask has elements of another size.
	c := Call{Elementwise: ElementwiseOfCPU}
	c.Reset(smoothl1.Mean, smoothl1.Divisor{}, 3, smoothl1.Float32)
	require.NoError(t, c.SetShape("Op", nil, 3, false, new(Views)))
	c.Has = c.Put(RolePred, 0, 3) | c.Put(RoleTarget, 100, 3) | c.Put(RoleGradPred, 200, 3) | c.Put(RoleMask, 200, 3)
	refused(t, c.Check("Op", Backward), smoothl1.ErrOverlap, "gradPred")
	// So its columns cannot be beside those of a gradient, nor can those of numbers between two others.
	for r, x := range map[Role]placed{RoleMask: {4 * 8, rows * pitch}, RoleWeight: {4*8 + 2, rows * pitch}} {
		s = &smoothl1.Shape{Rows: rows, Cols: 4, GradPred: columns(0)}
		if r == RoleMask {
			s.Mask = columns(0)
		} else {
			s.Weight = columns(0)
		}
		c.Reset(smoothl1.Mean, smoothl1.Divisor{}, 4*rows, smoothl1.Float32)
		require.NoError(t, c.SetShape("Op", s, 0, false, new(Views)))
		c.Has = c.Put(RolePred, 1<<20, 4*rows) | c.Put(RoleTarget, 1<<30, 4*rows) | c.Put(RoleGradPred, 0, rows*pitch) | c.Put(r, x.at, x.n)
		refused(t, c.Check("Op", Backward), smoothl1.ErrOverlap, "gradPred")
	}
	// Numbers that alternate in one row.
	s = &smoothl1.Shape{Rows: 1, Cols: 5, Pred: smoothl1.Strided(0, 0, 2), GradPred: smoothl1.Strided(1, 0, 2)}
	assert.NoError(t, inMemory(s, Backward, false, map[Role]int{RolePred: 0, RoleGradPred: 0, RoleTarget: 100}, map[Role]int{RolePred: 10, RoleGradPred: 10, RoleTarget: 5}))
}

// The stride between the rows of a single row, and that between the columns of a single column, lead nowhere.
func TestInPlaceOfASingleRowOrColumn(t *testing.T) {
	for _, c := range []struct {
		rows, cols int
		pred, out  smoothl1.View
		sound      bool
	}{
		{1, 4, smoothl1.View{}, smoothl1.PerColumn(), true}, {1, 4, smoothl1.Strided(0, 9, 1), smoothl1.View{}, true},
		{4, 1, smoothl1.View{}, smoothl1.PerRow(), true}, {4, 1, smoothl1.Strided(0, 1, 9), smoothl1.View{}, true},
		{1, 1, smoothl1.Single(), smoothl1.View{}, true}, {1, 1, smoothl1.Strided(0, 7, -3), smoothl1.Strided(0, -7, 3), true},
		{1, 4, smoothl1.Strided(0, 1, 1), smoothl1.Strided(3, 1, -1), false}, {4, 1, smoothl1.Strided(0, 1, 1), smoothl1.Strided(3, -1, 1), false},
		{1, 4, smoothl1.Strided(0, 4, 1), smoothl1.Strided(1, 9, 1), false}, {2, 2, smoothl1.Strided(0, 2, 1), smoothl1.Strided(0, 1, 2), false},
	} {
		s := &smoothl1.Shape{Rows: c.rows, Cols: c.cols, Pred: c.pred, GradPred: c.out}
		length := func(v smoothl1.View) int {
			if n := v.Len(c.rows, c.cols); n >= 0 {
				return n
			}
			return 5
		}
		err := inMemory(s, Backward, false, map[Role]int{RolePred: 0, RoleGradPred: 0, RoleTarget: 100},
			map[Role]int{RolePred: length(c.pred), RoleGradPred: length(c.out), RoleTarget: c.rows * c.cols})
		if c.sound {
			assert.NoError(t, err, "%+v", c)
		} else {
			refused(t, err, smoothl1.ErrOverlap, "gradPred")
		}
	}
}

// TestViewsThatOverlap draws views in a small memory, and compares what is allowed with the elements that they have in common.
func TestViewsThatOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	allowed, refusals := 0, 0
	for range 100_000 {
		rows, cols, n := 1+r.IntN(4), 1+r.IntN(4), 40
		view := func() smoothl1.View { return smoothl1.Strided(r.IntN(40), r.IntN(20)-9, r.IntN(5)-2) }
		s := &smoothl1.Shape{Rows: rows, Cols: cols, Pred: view(), Target: view(), GradTarget: view()}
		if r.IntN(3) == 0 {
			s.GradTarget = s.Pred
		}
		sets := map[Role]map[int]int{}
		outside := false
		for role, v := range map[Role]smoothl1.View{RolePred: s.Pred, RoleTarget: s.Target, RoleGradTarget: s.GradTarget} {
			var w View
			w.Offset, w.RowStride, w.ColStride = v.Strides(cols)
			at, low, high := places(w, rows, cols)
			sets[role] = at
			outside = outside || low < 0 || high >= n
		}
		err := inMemory(s, Backward, false, map[Role]int{RolePred: 0, RoleTarget: 0, RoleGradTarget: 0}, map[Role]int{RolePred: n, RoleTarget: n, RoleGradTarget: n})
		common := func(a, b Role) (k int) {
			for i := range sets[a] {
				k += min(1, sets[b][i])
			}
			return k
		}
		out := sets[RoleGradTarget]
		repeats := len(out) < rows*cols || len(sets[RoleTarget]) < rows*cols
		overlaps := common(RoleGradTarget, RolePred) > 0 && s.GradTarget != s.Pred || common(RoleGradTarget, RoleTarget) > 0 && s.GradTarget != s.Target
		switch {
		case err == nil:
			allowed++
			require.False(t, outside || repeats, "%+v", *s)
			require.False(t, overlaps && !sameElements(s.GradTarget, s.Pred, s.Target, rows, cols), "%+v", *s)
		case outside:
			require.ErrorIs(t, err, smoothl1.ErrView, "%+v", *s)
		case repeats:
			require.ErrorIs(t, err, smoothl1.ErrRepeat, "%+v", *s)
		default:
			refusals++
			require.ErrorIs(t, err, smoothl1.ErrOverlap, "%+v", *s)
		}
	}
	assert.Greater(t, allowed, 1000)
	assert.Greater(t, refusals, 1000)
}

// sameElements reports whether the elements of out at which others overlap it are the same ones of the matrix.
func sameElements(out, a, b smoothl1.View, rows, cols int) bool {
	var o, v View
	o.Offset, o.RowStride, o.ColStride = out.Strides(cols)
	for _, in := range []smoothl1.View{a, b} {
		v.Offset, v.RowStride, v.ColStride = in.Strides(cols)
		for i := range rows * cols {
			for j := range rows * cols {
				if i != j && o.At(i/cols, i%cols) == v.At(j/cols, j%cols) {
					return false
				}
			}
		}
	}
	return true
}
