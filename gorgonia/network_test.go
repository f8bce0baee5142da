package gorgonia

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// composed returns the mean of the smooth L1 loss made of Gorgonia's own nodes.
func composed(beta float64, pred, target *G.Node) *G.Node {
	number := func(x float64) *G.Node { return G.NewConstant(scalar(pred.Dtype(), x)) }
	a := G.Must(G.Abs(G.Must(G.Sub(pred, target))))
	small, large := G.Must(G.Lt(a, number(beta), true)), G.Must(G.Gte(a, number(beta), true))
	quadratic := G.Must(G.Mul(G.Must(G.Square(a)), number(0.5/beta)))
	linear := G.Must(G.Sub(a, number(0.5*beta)))
	return G.Must(G.Mean(G.Must(G.Add(G.Must(G.HadamardProd(small, quadratic)), G.Must(G.HadamardProd(large, linear))))))
}

// network is two layers with a loss.
type network struct {
	pred, loss *G.Node
	parameters G.Nodes
}

const batch, features, hidden = 64, 5, 16

func newNetwork(t testing.TB, dtype tensor.Dtype, loss func(pred, target *G.Node) *G.Node) *network {
	g := G.NewGraph()
	x, y := input(g, "x", random(dtype, 1, batch, features)), input(g, "y", random(dtype, 2, batch, 1))
	w1, b1 := input(g, "w1", random(dtype, 3, features, hidden)), input(g, "b1", random(dtype, 4, 1, hidden))
	w2, b2 := input(g, "w2", random(dtype, 5, hidden, 1)), input(g, "b2", random(dtype, 6, 1, 1))
	h := G.Must(G.Tanh(G.Must(G.BroadcastAdd(G.Must(G.Mul(x, w1)), b1, nil, []byte{0}))))
	pred := G.Must(G.BroadcastAdd(G.Must(G.Mul(h, w2)), b2, nil, []byte{0}))
	return &network{pred, loss(pred, y), G.Nodes{w1, b1, w2, b2}}
}

// The gradients with respect to pred differ by the roundings of a product and a quotient in another order. Those with respect to the
// parameters are sums over the batch: where they cancel, an element has lost the bits that the larger ones still have, so they are compared
// in units of the largest element. Where beta is a power of two, those roundings are exact, and all gradients are equal. Those of a
// LispMachine have the bits of a TapeMachine's.
func TestGradientsOfANetworkAreThoseOfTheComposedLoss(t *testing.T) {
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for _, beta := range []float64{1, 4, 0.7, 3} {
			ours := newNetwork(t, dtype, func(pred, target *G.Node) *G.Node {
				return G.Must(SmoothL1(smoothl1.Loss{Beta: beta}, pred, target))
			})
			theirs := newNetwork(t, dtype, func(pred, target *G.Node) *G.Node { return composed(beta, pred, target) })
			for _, n := range []*network{ours, theirs} {
				_, err := G.Grad(n.loss, n.parameters...)
				require.NoError(t, err)
				require.NoError(t, G.NewTapeMachine(n.pred.Graph()).RunAll())
			}
			lisp := newNetwork(t, dtype, func(pred, target *G.Node) *G.Node {
				return G.Must(SmoothL1(smoothl1.Loss{Beta: beta}, pred, target))
			})
			require.NoError(t, G.NewLispMachine(lisp.pred.Graph()).RunAll())
			for i, n := range lisp.parameters {
				requireBits(t, gradOf(t, ours.parameters[i]), gradOf(t, n), dtype, beta, i)
			}
			for i := range ours.parameters {
				x, y := gradOf(t, ours.parameters[i]), gradOf(t, theirs.parameters[i])
				if beta == 1 || beta == 4 {
					requireBits(t, x, y, dtype, beta, i)
				}
				largest := 0.0
				for _, v := range y {
					largest = max(largest, math.Abs(v))
				}
				for j := range x {
					require.LessOrEqual(t, math.Abs(x[j]-y[j])/ulp(dtype, largest), 4.0, "%v, beta %v, parameter %d", dtype, beta, i)
				}
			}
			x, y := gradOf(t, ours.pred), gradOf(t, theirs.pred)
			for j := range x {
				require.LessOrEqual(t, math.Abs(x[j]-y[j])/ulp(dtype, y[j]), 4.0, "%v, beta %v", dtype, beta)
			}
		}
	}
}

func gradOf(t testing.TB, n *G.Node) []float64 {
	v, err := n.Grad()
	require.NoError(t, err)
	return list(t, v.(*tensor.Dense))
}

// ulp returns the unit in the last place of x.
func ulp(dtype tensor.Dtype, x float64) float64 {
	if x = math.Abs(x); dtype == tensor.Float32 {
		return float64(math.Nextafter32(float32(x), float32(math.Inf(1)))) - x
	}
	return math.Nextafter(x, math.Inf(1)) - x
}
