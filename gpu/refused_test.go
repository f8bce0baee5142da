package gpu

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// TestEveryCombinationOfOutputs checks that a call may have any outputs together, if it has one.
func TestEveryCombinationOfOutputs(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		for _, reduction := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.None} {
			op := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: reduction})
			for wanted := range 1 << len(outputRoles) {
				var outs []string
				for i, role := range outputRoles {
					if wanted>>i&1 != 0 {
						outs = append(outs, role)
					}
				}
				for _, noLoss := range []bool{false, true} {
					a := &Args[float32]{Pred: newFour[float32](t, d, 4).pred, Target: newFour[float32](t, d, 4).pred, NoLoss: noLoss}
					for _, role := range outs {
						set(a, role, allocFor(t, d, role, 4))
					}
					if a.Second != nil {
						a.Direction = newFour[float32](t, d, 4).pred
					}
					if a.Losses != nil {
						a.ByRow, a.Shape = true, &smoothl1.Shape{Rows: 4, Cols: 1}
					}
					loss := reduction != smoothl1.None && !noLoss
					err := op.Run(a)
					switch {
					case len(outs) == 0 && !loss:
						refused(t, err, smoothl1.ErrNil, "Run", "outputs", "nil")
					case a.Losses != nil && !loss:
						require.Error(t, err, outs)
					default:
						require.NoError(t, err, "%v, %v", outs, noLoss)
					}
				}
			}
		}
	})
}

func TestUnusedArgumentsAreRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		none := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
		sum := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
		mask, err := Alloc[uint8](d, 4)
		require.NoError(t, err)
		losses, err := Alloc[float64](d, 1)
		require.NoError(t, err)
		index, err := Alloc[int32](d, 1)
		require.NoError(t, err)
		for _, c := range []struct {
			op     *SmoothL1[float32]
			change func(a *Args[float32])
			reason error
			arg    string
			value  any
		}{
			{op, func(a *Args[float32]) { a.Upstream = Number[float32](1) }, smoothl1.ErrUnused, "upstream", "a number"},
			{op, func(a *Args[float32]) { a.Upstream = Elements(b.grad) }, smoothl1.ErrUnused, "upstream", "given"},
			{op, func(a *Args[float32]) { a.Direction = b.grad }, smoothl1.ErrUnused, "direction", "given"},
			{op, func(a *Args[float32]) { a.Direction, a.GradPred = b.grad, b.gradTarget }, smoothl1.ErrUnused, "direction", "given"},
			{op, func(a *Args[float32]) { a.Second = b.grad }, smoothl1.ErrNil, "direction", "nil"},
			{op, func(a *Args[float32]) { a.AccumulatePred = true }, smoothl1.ErrUnused, "accumulatePred", true},
			{op, func(a *Args[float32]) { a.AccumulateTarget, a.GradPred = true, b.grad }, smoothl1.ErrUnused, "accumulateTarget", true},
			{op, func(a *Args[float32]) { a.Losses = losses }, smoothl1.ErrUnused, "losses", "given"},
			{op, func(a *Args[float32]) { a.ByRow = true }, smoothl1.ErrNil, "losses", "nil"},
			{op, func(a *Args[float32]) { a.ByRow, a.NoLoss, a.Terms = true, true, b.grad }, smoothl1.ErrUnused, "byRow", true},
			{none, func(a *Args[float32]) { a.Losses, a.Terms, a.ByRow = losses, b.grad, true }, smoothl1.ErrReduction, "reduction", smoothl1.None},
			{none, func(a *Args[float32]) { a.GradPred, a.ByRow = b.grad, true }, smoothl1.ErrReduction, "reduction", smoothl1.None},
			{none, func(*Args[float32]) {}, smoothl1.ErrNil, "outputs", "nil"},
			{op, func(a *Args[float32]) { a.NoLoss, a.Terms, a.Divisor = true, b.grad, smoothl1.DivideBy(2) }, smoothl1.ErrUnused, "divisor", 2},
			{op, func(a *Args[float32]) { a.Divisor = smoothl1.DivideBy(0) }, smoothl1.ErrDivisor, "divisor", 0},
			{op, func(a *Args[float32]) { a.Divisor = smoothl1.DivideBy(-1) }, smoothl1.ErrDivisor, "divisor", -1},
			{op, func(a *Args[float32]) { a.GradPred, a.Divisor = b.grad, smoothl1.DivideBy(1e-40) }, smoothl1.ErrDivisor, "divisor", 1e-40},
			{op, func(a *Args[float32]) { a.Divisor = smoothl1.DivideByKept() }, smoothl1.ErrDivisor, "divisor", "kept"},
			{op, func(a *Args[float32]) { a.Divisor, a.Mask = smoothl1.DivideByWeights(), mask }, smoothl1.ErrDivisor, "divisor", "weights"},
			{sum, func(a *Args[float32]) { a.Divisor = smoothl1.DivideBy(3) }, smoothl1.ErrReduction, "divisor", 3},
			{sum, func(a *Args[float32]) { a.Divisor, a.Mask = smoothl1.DivideByKept(), mask }, smoothl1.ErrReduction, "divisor", "kept"},
			{none, func(a *Args[float32]) { a.GradPred, a.Divisor = b.grad, smoothl1.DivideBy(3) }, smoothl1.ErrReduction, "divisor", 3},
			{op, func(a *Args[float32]) { a.Index = index }, smoothl1.ErrLength, "len(target)", 4},
		} {
			a := Args[float32]{Pred: b.pred, Target: b.target}
			c.change(&a)
			refused(t, c.op.Run(&a), c.reason, "Run", c.arg, c.value)
		}
	})
}

func TestShapesAreRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 6)
		two, err := b.gradTarget.Slice(0, 2)
		require.NoError(t, err)
		index, err := Alloc[int32](d, 2)
		require.NoError(t, err)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		strided := smoothl1.Strided
		for _, c := range []struct {
			shape  smoothl1.Shape
			change func(a *Args[float32])
			reason error
			arg    string
			value  any
		}{
			{smoothl1.Shape{Rows: -1, Cols: 6}, nil, smoothl1.ErrLength, "shape.Rows", -1},
			{smoothl1.Shape{Rows: 1, Cols: -6}, nil, smoothl1.ErrLength, "shape.Cols", -6},
			{smoothl1.Shape{Rows: math.MaxInt, Cols: 2}, nil, smoothl1.ErrTooLarge, "shape", fmt.Sprintf("%d × 2", math.MaxInt)},
			{smoothl1.Shape{Rows: 1, Cols: 5}, nil, smoothl1.ErrLength, "len(pred)", 6},
			{smoothl1.Shape{Rows: 2, Cols: 3, Target: smoothl1.PerRow()}, nil, smoothl1.ErrLength, "len(target)", 6},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(1, 3, 1)}, nil, smoothl1.ErrView, "pred", strided(1, 3, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(-1, 3, 1)}, nil, smoothl1.ErrView, "pred", strided(-1, 3, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(1, 3, -1)}, nil, smoothl1.ErrView, "pred", strided(1, 3, -1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(0, math.MaxInt, 1)}, nil, smoothl1.ErrView, "pred", strided(0, math.MaxInt, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(5, math.MinInt, 1)}, nil, smoothl1.ErrView, "pred", strided(5, math.MinInt, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, GradPred: strided(0, 0, 1)}, nil, smoothl1.ErrRepeat, "gradPred", strided(0, 0, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, GradPred: strided(0, 2, 1)}, nil, smoothl1.ErrRepeat, "gradPred", strided(0, 2, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(0, 0, 1)}, nil, smoothl1.ErrRepeat, "pred", strided(0, 0, 1)},
			{smoothl1.Shape{Rows: 2, Cols: 3, Target: smoothl1.PerRow()}, func(a *Args[float32]) {
				a.GradTarget, a.GradPred, a.Target = a.GradPred, nil, two
			}, smoothl1.ErrRepeat, "target", smoothl1.PerRow()},
			{smoothl1.Shape{Rows: 2, Cols: 3, Pred: strided(0, 1, 2)}, func(a *Args[float32]) { a.GradPred = a.Pred }, smoothl1.ErrOverlap, "gradPred", "in the memory of pred"},
			{smoothl1.Shape{Rows: 2, Cols: 3}, func(a *Args[float32]) { a.Index = index }, smoothl1.ErrLength, "len(target)", 6},
			{smoothl1.Shape{Rows: 6, Cols: 1}, func(a *Args[float32]) { a.Index = index }, smoothl1.ErrLength, "len(index)", 2},
			{smoothl1.Shape{Rows: math.MaxUint32 + 1, Cols: 1}, func(a *Args[float32]) { a.Index = index }, smoothl1.ErrTooLarge, "shape.Rows", math.MaxUint32 + 1},
		} {
			a := Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Shape: &c.shape}
			if c.change != nil {
				c.change(&a)
			}
			refused(t, op.Run(&a), c.reason, "Run", c.arg, c.value)
		}
	})
}

// TestNilInEveryField sets each buffer of a valid call to nil: it is then absent, which is an error only if the call needs it.
func TestNilInEveryField(t *testing.T) {
	needed := map[string]string{ // what the error names
		"Pred": "pred", "Target": "target", "Upstream": "upstream", "Direction": "direction", "Losses": "losses",
		"Terms": "outputs", "Abs": "outputs", "GradPred": "outputs", "GradTarget": "outputs", "Second": "outputs",
	}
	both(t, func(t *testing.T, d *Device) {
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		for _, role := range roles {
			a := sound(t, d, 4, role)
			set(a, role, reflect.Zero(reflect.TypeOf(allocFor(t, d, role, 4))).Interface().(buffer))
			err := op.Run(a)
			if needed[role] != "" {
				refused(t, err, smoothl1.ErrNil, "Run", needed[role], "nil")
			} else {
				require.NoError(t, err, role)
			}
		}
	})
}
