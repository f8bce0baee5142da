package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// Each element has the results of a loss with its beta, or NaN if no loss can have it.
func testBetas[T smoothl1.Float](t *testing.T, from func(float64) T) {
	r := rand.New(rand.NewPCG(1, 2))
	betas := []float64{1, 0.5, 0.1, 0, 3, -1, math.NaN(), math.Inf(1)}
	const rows = 40
	for _, cols := range []int{3, 40, 600} {
		n := rows * cols
		draw := func() []T {
			x := make([]T, n)
			for i := range x {
				x[i] = from(r.NormFloat64())
			}
			return x
		}
		call := func(pred, target, direction []T) *Args[T] {
			return &Args[T]{Pred: pred, Target: target, Terms: make([]T, n), GradPred: make([]T, n), Direction: direction, Second: make([]T, n),
				Upstream: Number[T](0.7), Shape: &smoothl1.Shape{Rows: rows, Cols: cols}}
		}
		pred, target, direction := draw(), draw(), draw()
		for _, kind := range []smoothl1.Kind{smoothl1.SmoothL1, smoothl1.Huber} {
			results := make([]*Args[T], len(betas)) // nil where beta is not valid
			for k, beta := range betas {
				a := call(pred, target, direction)
				if _, err := Run(smoothl1.Loss{Kind: kind, Beta: asFloat(from(beta)), Reduction: smoothl1.None}, a); err == nil {
					results[k] = a
				} else {
					require.ErrorIs(t, err, smoothl1.ErrBeta)
				}
			}
			for _, view := range []smoothl1.View{{}, smoothl1.PerRow(), smoothl1.PerColumn(), smoothl1.Single(), smoothl1.Single(), smoothl1.Single()} {
				which := make([]int, view.Len(rows, cols))
				a := call(pred, target, direction)
				a.Shape.Beta = view
				for i := range which {
					which[i] = r.IntN(len(betas))
					a.Beta = append(a.Beta, from(betas[which[i]]))
				}
				mustRun(t, smoothl1.Loss{Kind: kind, Beta: 7, Reduction: smoothl1.None}, a, "beta by element")
				for i := range n {
					want := results[which[placeOf(view, i, cols)]]
					nan := from(math.NaN())
					terms, gradient, second := nan, nan, nan
					if want != nil {
						terms, gradient, second = want.Terms[i], want.GradPred[i], want.Second[i]
					}
					require.NoError(t, sameNumbers([]T{a.Terms[i], a.GradPred[i], a.Second[i]}, []T{terms, gradient, second}), "%v %v: %d of %d × %d", kind, view, i, rows, cols)
				}
			}
		}
	}
}

func TestBetaByElement(t *testing.T) {
	eachSet(t, func(t *testing.T) {
		eachType(t, testBetas[float32], testBetas[float64], testBetas[smoothl1.F16], testBetas[smoothl1.BF16])
	})
}
