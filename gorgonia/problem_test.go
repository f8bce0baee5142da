package gorgonia

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// problem is a graph with one loss, and what it should compute.
type problem struct {
	loss           smoothl1.Loss
	dtype          tensor.Dtype
	weight, mask   []int // their shapes; nil for none
	divisor        smoothl1.Divisor
	scale          float64 // of the objective; 1 for the loss itself
	pred, target   *tensor.Dense
	w, m           *tensor.Dense
	targetGradient bool
}

func (p *problem) name() string {
	return fmt.Sprint(p.loss, p.dtype, " weight ", p.weight, " mask ", p.mask, " divisor ", p.divisor, " scale ", p.scale)
}

var shape = []int{40, 60} // more than a chunk

// problems are all kinds of graphs.
func problems() (out []*problem) {
	for _, dtype := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for _, loss := range []smoothl1.Loss{{Beta: 0.7}, {Kind: smoothl1.Huber, Beta: 1.5, Reduction: smoothl1.Sum}, {Reduction: smoothl1.None, Beta: 0.1}, {}} {
			for _, scale := range []float64{1, 3} {
				out = append(out, &problem{loss: loss, dtype: dtype, scale: scale})
				out = append(out, &problem{loss: loss, dtype: dtype, scale: scale, weight: shape, mask: []int{40, 1}})
			}
			out = append(out, &problem{loss: loss, dtype: dtype, scale: 1, weight: []int{60}})
			out = append(out, &problem{loss: loss, dtype: dtype, scale: 1, mask: shape})
		}
		out = append(out, &problem{loss: smoothl1.Loss{Beta: 1}, dtype: dtype, scale: 1, mask: shape, divisor: smoothl1.DivideByKept()})
		out = append(out, &problem{loss: smoothl1.Loss{Beta: 1}, dtype: dtype, scale: 3, weight: []int{40, 1}, divisor: smoothl1.DivideByWeights()})
		out = append(out, &problem{loss: smoothl1.Loss{Beta: 1}, dtype: dtype, scale: 1, divisor: smoothl1.DivideBy(17)})
	}
	for i, p := range out {
		seed := uint64(10 * i)
		p.targetGradient = i%2 == 0
		p.pred, p.target = random(p.dtype, seed, shape...), random(p.dtype, seed+1, shape...)
		if p.weight != nil {
			p.w = random(p.dtype, seed+2, p.weight...)
		}
		if p.mask != nil {
			p.m = random([]tensor.Dtype{tensor.Bool, tensor.Uint8}[i/2%2], seed+3, p.mask...)
		}
	}
	return out
}

// nodes is a problem as a graph.
type nodes struct {
	graph                         *G.ExprGraph
	pred, target, loss, objective *G.Node
	grads                         G.Nodes
}

func input(g *G.ExprGraph, name string, x *tensor.Dense) *G.Node {
	return G.NewTensor(g, x.Dtype(), x.Dims(), G.WithShape(x.Shape()...), G.WithName(name), G.WithValue(x))
}

func (p *problem) build(t testing.TB, options ...Option) *nodes {
	n := &nodes{graph: G.NewGraph()}
	n.pred, n.target = input(n.graph, "pred", p.pred), input(n.graph, "target", p.target)
	if p.w != nil {
		options = append(options, Weight(input(n.graph, "weight", p.w)))
	}
	if p.m != nil {
		options = append(options, Mask(input(n.graph, "mask", p.m)))
	}
	if p.targetGradient {
		options = append(options, TargetGradient(true))
	}
	var err error
	n.loss, err = SmoothL1(p.loss, n.pred, n.target, append(options, Divisor(p.divisor), Broadcast())...)
	require.NoError(t, err)
	n.objective = n.loss
	if p.loss.Reduction == smoothl1.None {
		n.objective = G.Must(G.Sum(n.loss))
	}
	if p.scale != 1 {
		n.objective = G.Must(G.Mul(n.objective, G.NewConstant(scalar(p.dtype, p.scale))))
	}
	return n
}

func scalar(dtype tensor.Dtype, x float64) any {
	if dtype == tensor.Float32 {
		return float32(x)
	}
	return x
}

func (p *problem) differentiate(t testing.TB, n *nodes) {
	wrt := G.Nodes{n.pred}
	if p.targetGradient {
		wrt = append(wrt, n.target)
	}
	var err error
	n.grads, err = G.Grad(n.objective, wrt...)
	require.NoError(t, err)
}

// want returns what Run computes: the loss or the terms, and the gradients.
func (p *problem) want(t testing.TB) (loss float64, out *Args) {
	a := &Args{Pred: p.pred, Target: p.target, Weight: p.w, Mask: p.m, Divisor: p.divisor, Broadcast: true, Upstream: Number(p.scale),
		GradPred: zeros(p.pred), GradTarget: zeros(p.pred)}
	if p.loss.Reduction == smoothl1.None {
		a.Terms = zeros(p.pred)
	}
	loss, err := Run(p.loss, a)
	require.NoError(t, err)
	return loss, a
}

// check compares the values of the loss and the gradients, which a LispMachine has added to zeros the given number of times.
func (p *problem) check(t testing.TB, n *nodes, grads []G.Value, added float64) {
	want, out := p.want(t)
	if p.loss.Reduction == smoothl1.None {
		requireBits(t, list(t, out.Terms), list(t, n.loss.Value().(*tensor.Dense)))
	} else {
		got, err := Value(n.loss)
		require.NoError(t, err)
		requireBits(t, []float64{want}, []float64{got})
		switch v := n.loss.Value().(type) {
		case *G.F32:
			assert.Equal(t, float32(want), float32(*v))
		case *G.F64:
			assert.Equal(t, want, float64(*v))
		default:
			require.Fail(t, "not a scalar")
		}
	}
	for i, g := range grads {
		x := list(t, []*tensor.Dense{out.GradPred, out.GradTarget}[i])
		if added > 0 {
			for i := range x {
				x[i] = added*x[i] + 0 // −0 becomes +0
			}
		}
		requireBits(t, x, list(t, g.(*tensor.Dense)))
	}
}
