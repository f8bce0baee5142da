package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// objective is a call whose loss, or that of each row times an upstream gradient, is differentiated.
type objective struct {
	loss smoothl1.Loss
	args Args[float64]
	g    []float64 // of each row, or of the whole
}

// value returns the sum of the losses times the upstream gradients.
func (o *objective) value(t *testing.T) (sum float64) {
	a := o.args
	a.GradPred, a.GradTarget, a.Second, a.Direction, a.Upstream = nil, nil, nil, nil, Upstream[float64]{}
	if !a.ByRow {
		value, err := Run(o.loss, &a)
		require.NoError(t, err)
		return value * o.g[0]
	}
	_, err := Run(o.loss, &a)
	require.NoError(t, err)
	for r, value := range a.Losses {
		sum += value * o.g[r]
	}
	return sum
}

// objectives calls f for calls of every kind of loss, divisor and reduction, with weights, masks, beta by element and index.
func objectives(t *testing.T, f func(o *objective, name string)) {
	const rows, cols, actions = 5, 4, 3
	r := rand.New(rand.NewPCG(3, 4))
	for _, l := range losses {
		for _, d := range []smoothl1.Divisor{{}, smoothl1.DivideByKept().ZeroIfEmpty(), smoothl1.DivideByWeights().ZeroIfEmpty(), smoothl1.DivideBy(2.5)} {
			if l.Reduction != smoothl1.Mean && !d.IsZero() {
				continue
			}
			for form := range 16 {
				byRow, weight, index, beta := form&1 != 0, form&2 != 0 || d.Weights(), form&4 != 0, form&8 != 0
				n, pred, s := rows*cols, rows*cols, &smoothl1.Shape{Rows: rows, Cols: cols}
				if index {
					n, pred, s.Cols = rows, rows*actions, actions
				}
				a := Args[float64]{Pred: random(r, pred), Target: random(r, n), GradPred: make([]float64, pred), GradTarget: make([]float64, n),
					Second: make([]float64, n), Direction: random(r, n), Mask: make([]uint8, n), ByRow: byRow, Divisor: d, Shape: s}
				for i := range a.Mask {
					a.Mask[i] = uint8(r.IntN(3)) // one in three is left out, and all of the first row
					if i < n/rows {
						a.Mask[i] = 0
					}
				}
				if weight {
					a.Weight = random(r, n)
					for i := range a.Weight {
						a.Weight[i] = math.Abs(a.Weight[i]) + 0.1
					}
				}
				if beta {
					a.Beta, s.Beta = []float64{0.2, 0.5, 1, 2, 3}, smoothl1.PerRow()
				}
				if index {
					a.Index = make([]int32, rows)
					for i := range a.Index {
						a.Index[i] = int32(r.IntN(actions))
					}
				}
				o := &objective{l, a, []float64{-1.5}}
				o.args.Upstream = Number[float64](-1.5)
				if byRow {
					o.g = random(r, rows)
					o.args.Losses, s.Upstream = make([]float64, rows), smoothl1.PerRow()
					o.args.Upstream = Elements(o.g)
				}
				f(o, fmt.Sprintf("%v, divisor %v, by row %v, weight %v, index %v, beta by row %v", l, d, byRow, weight, index, beta))
			}
		}
	}
}

// chosen returns the place in pred, and the beta, of element i.
func (o *objective) chosen(i int) (at int, beta float64) {
	cols := len(o.args.Target) / o.args.Shape.Rows
	at, beta = i, o.loss.Beta
	if o.args.Index != nil {
		at = i*o.args.Shape.Cols + int(o.args.Index[i])
	}
	if o.args.Beta != nil {
		beta = o.args.Beta[i/cols]
	}
	return at, beta
}

// smooth reports whether the loss and its gradient are differentiable within step of element i.
func (o *objective) smooth(i int, step float64) bool {
	at, beta := o.chosen(i)
	d := math.Abs(o.args.Pred[at] - o.args.Target[i])
	return math.Abs(d-beta) > step && (d > step || beta > 0)
}

// Gradients must be the central differences of the loss, for every way to weigh, mask, divide and reduce.
func TestGradientsAreDerivatives(t *testing.T) {
	const step = 1e-6
	compared := 0
	objectives(t, func(o *objective, name string) {
		a := o.args
		_, err := Run(o.loss, &a)
		require.NoError(t, err)
		difference := func(x *float64) float64 {
			at := *x
			*x = at + step
			up := o.value(t)
			*x = at - step
			down := o.value(t)
			*x = at
			return (up - down) / (2 * step)
		}
		isChosen := map[int]bool{}
		for i := range a.Target {
			at, _ := o.chosen(i)
			isChosen[at] = true
			if !o.smooth(i, 3*step) {
				continue
			}
			compared++
			if got, want := a.GradTarget[i], difference(&a.Target[i]); math.Abs(got-want) > 1e-7 {
				require.InDelta(t, want, got, 1e-7, "%s: target %d", name, i)
			}
			if got, want := a.GradPred[at], difference(&a.Pred[at]); math.Abs(got-want) > 1e-7 {
				require.InDelta(t, want, got, 1e-7, "%s: pred %d", name, at)
			}
		}
		for i, x := range a.GradPred {
			if !isChosen[i] {
				require.Equal(t, uint64(0), math.Float64bits(x), name)
			}
		}
	})
	assert.Greater(t, compared, 1000)
}

// The second derivative times a direction must be the difference of the gradients along that direction.
func TestSecondIsTheDerivativeOfTheGradient(t *testing.T) {
	const step = 1e-6
	compared, nonzero := 0, 0
	objectives(t, func(o *objective, name string) {
		gradient := func(by float64) []float64 {
			a := o.args
			a.Pred = append([]float64{}, a.Pred...)
			a.GradPred = make([]float64, len(a.Pred))
			for i := range a.Target {
				at, _ := o.chosen(i)
				a.Pred[at] += by * a.Direction[i]
			}
			_, err := Run(o.loss, &a)
			require.NoError(t, err)
			return a.GradPred
		}
		up, down := gradient(step), gradient(-step)
		_, err := Run(o.loss, &o.args)
		require.NoError(t, err)
		for i, got := range o.args.Second {
			at, _ := o.chosen(i)
			if !o.smooth(i, 20*step) {
				continue
			}
			compared++
			if got != 0 {
				nonzero++
			}
			if want := (up[at] - down[at]) / (2 * step); math.Abs(got-want) > 1e-7 {
				require.InDelta(t, want, got, 1e-7, "%s: %d", name, i)
			}
		}
	})
	assert.Greater(t, compared, 1000)
	assert.Greater(t, nonzero, 300)
}
