package cpu

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// filled returns n numbers that no output is expected to have.
func filled[T smoothl1.Element](n int, x T) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = x
	}
	return s
}

// everything returns a call on 6 × 5 elements that has all arguments but an index.
func everything() (*smoothl1.Loss, *Args[float32]) {
	const rows, cols, n = 6, 5, 30
	in := randomArgs[float32](n)
	x := func() []float32 { return filled[float32](n, -77) }
	return &smoothl1.Loss{Beta: 0.5}, &Args[float32]{
		Pred: in.Pred, Target: in.Target, Weight: filled[float32](n, 2), Mask: filled[uint8](n, 1), Beta: filled[float32](n, 0.7),
		Upstream: Elements(filled[float32](n, 3)), Terms: x(), Abs: x(), GradPred: x(), GradTarget: x(), Second: x(), Direction: filled[float32](n, 1),
		AccumulatePred: true, AccumulateTarget: true, ByRow: true, Losses: filled(rows, -77.0), ChunkSums: filled(rows, -77.0),
		Divisor: smoothl1.DivideByWeights(), Shape: &smoothl1.Shape{Rows: rows, Cols: cols},
	}
}

// indexed returns a call on 6 rows of 5 actions.
func indexed() (*smoothl1.Loss, *Args[float32]) {
	const rows, cols = 6, 5
	in := randomArgs[float32](rows * cols)
	return &smoothl1.Loss{Beta: 0.5}, &Args[float32]{
		Pred: in.Pred, Target: in.Target[:rows], Index: []int32{0, 1, 2, 3, 4, 0}, Terms: filled[float32](rows, -77), Abs: filled[float32](rows, -77),
		GradPred: filled[float32](rows*cols, -77), GradTarget: filled[float32](rows, -77), Shape: &smoothl1.Shape{Rows: rows, Cols: cols},
	}
}

// contents returns copies of all arrays of the arguments, which no refused call may change.
func contents(a *Args[float32]) (arrays []any) {
	v := reflect.ValueOf(*a)
	for i := range v.NumField() {
		switch x := v.Field(i).Interface().(type) {
		case []float32:
			arrays = append(arrays, slices.Clone(x))
		case []float64:
			arrays = append(arrays, slices.Clone(x))
		case []uint8:
			arrays = append(arrays, slices.Clone(x))
		case []int32:
			arrays = append(arrays, slices.Clone(x))
		case Upstream[float32]:
			arrays = append(arrays, slices.Clone(x.elements))
		}
	}
	return arrays
}

type bad struct {
	change func(l *smoothl1.Loss, a *Args[float32])
	reason error
	text   string
}

func TestBadArguments(t *testing.T) {
	testBad(t, everything, []bad{
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Pred = nil }, smoothl1.ErrLength, "len(pred) = 0: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Target = a.Target[1:] }, smoothl1.ErrLength, "len(target) = 29: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Weight = a.Weight[1:] }, smoothl1.ErrLength, "len(weight) = 29: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Mask = a.Mask[:0] }, smoothl1.ErrLength, "len(mask) = 0: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Beta = a.Beta[1:] }, smoothl1.ErrLength, "len(beta) = 29: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Upstream = Elements[float32](nil) }, smoothl1.ErrLength, "len(upstream) = 0: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Upstream = smoothl1.PerRow() }, smoothl1.ErrLength, "len(upstream) = 30: length does not fit: 6 × 5 elements, one per row, have 6"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Direction = nil }, smoothl1.ErrNil, "direction = nil: must not be nil"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Second = nil }, smoothl1.ErrUnused, "direction = given: is not used by this operation: there is no second"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Abs = a.Abs[1:] }, smoothl1.ErrLength, "len(abs) = 29: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.GradPred = nil }, smoothl1.ErrUnused, "accumulatePred = true: is not used by this operation: there is no gradPred"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.GradTarget = nil }, smoothl1.ErrUnused, "accumulateTarget = true: is not used by this operation: there is no gradTarget"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Losses = nil }, smoothl1.ErrNil, "losses = nil: must not be nil"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Losses = append(a.Losses, 0) }, smoothl1.ErrLength, "len(losses) = 7: length does not fit: 6 × 1 elements, dense, have 6"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.ByRow = false }, smoothl1.ErrUnused, "losses = given: is not used by this operation: byRow is not set"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.ChunkSums = a.ChunkSums[1:] }, smoothl1.ErrLength, "len(chunkSums) = 5: length does not fit: the call has 6"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.NoLoss = true }, smoothl1.ErrUnused, "losses = given: is not used by this operation: there is no reduced loss"},
		{func(l *smoothl1.Loss, a *Args[float32]) { l.Reduction = smoothl1.None }, smoothl1.ErrReduction, "reduction = none: not a valid reduction here: byRow takes mean or sum"},
		{func(l *smoothl1.Loss, a *Args[float32]) {
			l.Reduction, a.Losses, a.ChunkSums = smoothl1.None, nil, nil
		}, smoothl1.ErrReduction, "reduction = none: not a valid reduction here: byRow takes mean or sum"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Weight, a.Weight = smoothl1.PerRow(), nil }, smoothl1.ErrUnused,
			"shape.Weight = one per row: is not used by this operation: there is no weight"},
		{func(_ *smoothl1.Loss, a *Args[float32]) {
			a.Shape.Upstream, a.Upstream = smoothl1.Single(), Number[float32](3)
		}, smoothl1.ErrUnused,
			"shape.Upstream = one for all: is not used by this operation: there is no array of upstream gradients"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Weight = a.Weight[:6] }, smoothl1.ErrLength,
			"len(weight) = 6: length does not fit: 6 × 5 elements, dense, have 30; for one for each row, set shape.Weight to PerRow()"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Beta = a.Beta[:5] }, smoothl1.ErrLength,
			"len(beta) = 5: length does not fit: 6 × 5 elements, dense, have 30; for one for each column, set shape.Beta to PerColumn()"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Mask = a.Mask[:1] }, smoothl1.ErrLength,
			"len(mask) = 1: length does not fit: 6 × 5 elements, dense, have 30; for one for all, set shape.Mask to Single()"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape = nil }, smoothl1.ErrLength,
			"len(losses) = 6: length does not fit: 1 × 1 elements, dense, have 1; without a Shape there is one row"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Rows, a.Shape.Cols = 0, 0 }, smoothl1.ErrLength,
			"len(pred) = 30: length does not fit: 0 × 0 elements, dense, have 0; set the Rows and Cols of the Shape"},
		{func(l *smoothl1.Loss, a *Args[float32]) { l.Reduction = smoothl1.Sum }, smoothl1.ErrReduction,
			"divisor = weights: not a valid reduction here: only a mean has a divisor, and the reduction is sum"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Weight = nil }, smoothl1.ErrDivisor, "divisor = weights: divisor out of range: there is no weight"},
		{func(_ *smoothl1.Loss, a *Args[float32]) {
			a.Mask, a.Divisor = nil, smoothl1.DivideByKept().ZeroIfEmpty()
		}, smoothl1.ErrDivisor,
			"divisor = kept, 0 if empty: divisor out of range: there is no mask"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Divisor = smoothl1.DivideBy(math.Inf(1)) }, smoothl1.ErrDivisor, "divisor = +Inf: divisor out of range: must be positive and finite"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Divisor = smoothl1.DivideBy(1e50) }, smoothl1.ErrDivisor, "divisor = 1e+50: divisor out of range: 1/divisor is 0 in float32"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Rows = -6 }, smoothl1.ErrLength, "shape.Rows = -6: length does not fit: must not be negative"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Cols = -1 }, smoothl1.ErrLength, "shape.Cols = -1: length does not fit: must not be negative"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Rows, a.Shape.Cols = 1<<62+15, 4 }, smoothl1.ErrTooLarge, "shape = 4611686018427387919 × 4: too large"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Rows, a.Shape.Cols = 5, 6 }, smoothl1.ErrLength, "len(losses) = 6: length does not fit: 5 × 1 elements, dense, have 5"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Pred = smoothl1.Strided(1, 5, 1) }, smoothl1.ErrView,
			"pred = from 1 with strides 5 and 1: view does not fit: 6 × 5 elements leave an array of 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Terms = smoothl1.Strided(24, -5, 1) }, smoothl1.ErrView,
			"terms = from 24 with strides -5 and 1: view does not fit: 6 × 5 elements leave an array of 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Terms = smoothl1.Strided(0, 4, 1) }, smoothl1.ErrRepeat,
			"terms = from 0 with strides 4 and 1: repeats elements: an output must not"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Second, a.Second = smoothl1.Single(), a.Second[:1] }, smoothl1.ErrRepeat,
			"second = one for all: repeats elements: an output must not"},
		{func(_ *smoothl1.Loss, a *Args[float32]) {
			a.Shape.Target, a.Target = smoothl1.PerColumn(), a.Target[:5]
		}, smoothl1.ErrRepeat,
			"target = one per column: repeats elements: its derivative would be a sum"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Abs = a.Terms }, smoothl1.ErrOverlap, "abs = in the memory of terms: overlapping memory would corrupt the result"},
		{func(_ *smoothl1.Loss, a *Args[float32]) {
			a.Terms, a.Shape.Terms = a.Pred, smoothl1.Strided(29, -5, -1)
		}, smoothl1.ErrOverlap, "terms = in the memory of pred: overlapping memory would corrupt the result"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index = []int32{0, 0, 0, 0, 0, 0} }, smoothl1.ErrLength, "len(target) = 30: length does not fit: 6 × 1 elements, dense, have 6"},
		{func(l *smoothl1.Loss, a *Args[float32]) { l.Beta = -1 }, smoothl1.ErrBeta, ""},
		{func(l *smoothl1.Loss, a *Args[float32]) { l.Kind, l.Beta = smoothl1.Huber, 0 }, smoothl1.ErrBeta, ""},
	})
	testBad(t, indexed, []bad{
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index[3] = 5 }, smoothl1.ErrIndex, "index[3] = 5: index out of range: pred has 5 columns"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index[5] = -1 }, smoothl1.ErrIndex, "index[5] = -1: index out of range: pred has 5 columns"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index[2], a.Index[4] = math.MinInt32, math.MaxInt32 }, smoothl1.ErrIndex,
			"index[2] = -2147483648: index out of range: pred has 5 columns"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index = a.Index[1:] }, smoothl1.ErrLength, "len(index) = 5: length does not fit: 6 × 1 elements, dense, have 6"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Index = []int32{} }, smoothl1.ErrLength, "len(index) = 0: length does not fit: 6 × 1 elements, dense, have 6"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape = nil }, smoothl1.ErrLength, "len(target) = 6: length does not fit: 1 × 1 elements, dense, have 1; without a Shape there is one row"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Pred = a.Pred[:6] }, smoothl1.ErrLength, "len(pred) = 6: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.GradPred = a.GradPred[:6] }, smoothl1.ErrLength, "len(gradPred) = 6: length does not fit: 6 × 5 elements, dense, have 30"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.GradPred = a.Pred }, smoothl1.ErrOverlap, "gradPred = in the memory of pred: overlapping memory would corrupt the result"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.GradTarget = a.Target }, smoothl1.ErrOverlap, "gradTarget = in the memory of target: overlapping memory would corrupt the result"},
		{func(_ *smoothl1.Loss, a *Args[float32]) { a.Shape.Rows = 1 << 33 }, smoothl1.ErrTooLarge, "shape.Rows = 8589934592: too large: with an index, at most 4294967295"},
		{func(_ *smoothl1.Loss, a *Args[float32]) {
			a.Pred, a.GradPred, a.Shape.Cols = []float32{}, nil, 0
		}, smoothl1.ErrIndex, "index[0] = 0: index out of range: pred has 0 columns"},
	})
}

// testBad makes a sound call and those that a change makes unsound. They must be refused, and write nothing.
func testBad(t *testing.T, sound func() (*smoothl1.Loss, *Args[float32]), cases []bad) {
	for name, run := range map[string]func(smoothl1.Loss, *Args[float32]) (float64, error){"Run": Run[float32], "RefRun": RefRun[float32]} {
		l, a := sound()
		before := contents(a)
		_, err := run(*l, a)
		require.NoError(t, err)
		require.NotEqual(t, before, contents(a))
		for i, c := range cases {
			l, a := sound()
			c.change(l, a)
			before := contents(a)
			value, err := run(*l, a)
			require.ErrorIs(t, err, c.reason, "%s %d", name, i)
			if c.text != "" {
				assert.EqualError(t, err, fmt.Sprintf("smoothl1: %s: %s", name, c.text))
			}
			assert.Zero(t, value)
			assert.Equal(t, before, contents(a), "%s: %v", name, err)
		}
	}
}

// The functions named after a pass ignore what it does not use, wherever that is and whatever its length.
func TestUnusedArgumentsAreIgnored(t *testing.T) {
	type four struct {
		terms, backward func(smoothl1.Loss, *Args[float32]) error
		forward, both   func(smoothl1.Loss, *Args[float32]) (float64, error)
	}
	for _, f := range []four{{ForwardTerms[float32], Backward[float32], Forward[float32], ForwardBackward[float32]},
		{RefForwardTerms[float32], RefBackward[float32], RefForward[float32], RefForwardBackward[float32]}} {
		l, all := everything()
		untouched := func(a Args[float32], err error, used ...*[]float32) {
			t.Helper()
			require.NoError(t, err)
			for _, x := range [][]float32{a.GradPred, a.GradTarget, a.Second} {
				if x != nil && !slices.ContainsFunc(used, func(u *[]float32) bool { return &(*u)[0] == &x[0] }) {
					assert.Equal(t, filled[float32](len(x), -77), x)
				}
			}
		}
		a := *all
		a.Direction, a.Upstream, a.Losses, a.ChunkSums = nil, Elements(make([]float32, 3)), nil, []float64{1}
		untouched(a, f.terms(*l, &a))

		a.ByRow, a.ChunkSums, a.Losses = false, nil, []float64{-77} // neither used nor checked
		_, err := f.forward(*l, &a)
		untouched(a, err)
		assert.Equal(t, []float64{-77}, a.Losses)

		l, all = everything()
		a = *all
		a.GradPred, a.Second, a.Direction = nil, nil, a.Direction[1:] // nothing to accumulate to, no second derivative
		untouched(a, f.backward(*l, &a), &a.GradTarget)
		l, all = everything()
		a = *all
		a.GradTarget = nil
		_, err = f.both(*l, &a)
		untouched(a, err, &a.GradPred, &a.Second)
		l, all = everything()
		a = *all
		a.GradTarget, a.GradPred = nil, nil
		untouched(a, f.backward(*l, &a), &a.Second)
		assert.NotEqual(t, filled[float32](30, -77), a.Second)
	}
}

// A view of nothing may leave its array, and a matrix without columns may have any number of rows.
func TestMatricesWithoutElements(t *testing.T) {
	far := smoothl1.Strided(-3, -5, 2)
	for name, run := range map[string]func(smoothl1.Loss, *Args[float64]) (float64, error){"Run": Run[float64], "RefRun": RefRun[float64]} {
		for _, dims := range [][2]int{{0, 4}, {3, 0}, {0, 0}, {math.MaxInt, 0}, {0, math.MaxInt}} {
			for _, d := range []smoothl1.Divisor{{}, smoothl1.Divisor{}.ZeroIfEmpty(), smoothl1.DivideByKept().ZeroIfEmpty(), smoothl1.DivideByKept(), smoothl1.DivideByWeights()} {
				s := &smoothl1.Shape{Rows: dims[0], Cols: dims[1], Pred: far, Target: far, GradPred: far, Terms: far}
				a := &Args[float64]{Pred: []float64{7}, Target: []float64{8}, GradPred: []float64{9}, Shape: s, Divisor: d}
				if d.Kept() {
					a.Mask = []uint8{}
				}
				if d.Weights() {
					a.Weight = []float64{}
				}
				value, err := run(smoothl1.Loss{Beta: 1}, a)
				require.NoError(t, err)
				if d.IsZeroIfEmpty() {
					assert.Zero(t, value)
				} else {
					assert.True(t, math.IsNaN(value))
				}
				a.NoLoss, a.ByRow, a.Terms = true, true, []float64{1}
				_, err = run(smoothl1.Loss{Beta: 1}, a)
				require.NoError(t, err, "%s %v", name, dims)
				assert.Equal(t, []float64{9, 1}, []float64{a.GradPred[0], a.Terms[0]})
				if dims[0] == 3 {
					a.NoLoss, a.Losses = false, []float64{5, 5, 5}
					_, err = run(smoothl1.Loss{Beta: 1}, a)
					require.NoError(t, err)
					assert.Equal(t, !d.IsZeroIfEmpty(), math.IsNaN(a.Losses[2]), d)
					assert.NotEqual(t, 5.0, a.Losses[0])
				}
			}
		}
	}
	// More elements than any memory holds, by repeating one.
	one := []float64{1}
	_, err := Run(smoothl1.Loss{Beta: 1}, &Args[float64]{Pred: one, Target: one, Shape: &smoothl1.Shape{Rows: 1 << 30, Cols: 1 << 29, Pred: smoothl1.Single(), Target: smoothl1.Single()}})
	require.EqualError(t, err, "smoothl1: Run: shape = 1073741824 × 536870912: too large")
}
