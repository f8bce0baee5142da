package gorgonia

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

func TestTapeMachine(t *testing.T) {
	for i, p := range problems() {
		t.Run(p.name(), func(t *testing.T) {
			var options []Option
			if i%3 == 0 {
				options = append(options, ReuseMemory())
			}
			n := p.build(t, options...)
			p.differentiate(t, n)
			m := G.NewTapeMachine(n.graph)
			for range 3 {
				require.NoError(t, m.RunAll())
				var grads []G.Value
				for _, g := range n.grads {
					grads = append(grads, g.Value())
				}
				p.check(t, n, grads, 0)
				if op := n.loss.Op().(*lossOp); op.reduces() {
					assert.True(t, keptGradients(op, n.loss.Value()) == [2]*tensor.Dense{}, "what was computed with the loss is handed out")
				}
				m.Reset()
				require.NoError(t, G.Let(n.pred, p.target)) // and back, so that every run has other data than the one before
				p.pred, p.target = p.target, p.pred
				require.NoError(t, G.Let(n.target, p.target))
			}
		})
	}
}

func TestLispMachine(t *testing.T) {
	for _, p := range problems() {
		t.Run(p.name(), func(t *testing.T) {
			n := p.build(t)
			for run := range 2 { // with a machine each: after Reset, one runs only its last node
				require.NoError(t, G.NewLispMachine(n.graph).RunAll())
				var grads []G.Value
				wrt := G.Nodes{n.pred}
				if p.targetGradient {
					wrt = append(wrt, n.target)
				}
				for _, n := range wrt {
					g, err := n.Grad()
					require.NoError(t, err)
					grads = append(grads, g)
				}
				p.check(t, n, grads, float64(run)+1) // added, until a solver sets them to zero
			}
		})
	}
}

func TestGradientOfAComputedTarget(t *testing.T) {
	p := problems()[0]
	for _, constant := range []bool{false, true} {
		g := G.NewGraph()
		x := input(g, "x", p.pred)
		target := G.Must(G.Neg(x))
		var options []Option
		if constant {
			options = append(options, TargetGradient(false))
		}
		loss, err := SmoothL1(smoothl1.Loss{Reduction: smoothl1.Sum}, x, target, options...)
		require.NoError(t, err)
		grads, err := G.Grad(loss, x)
		require.NoError(t, err)
		require.NoError(t, G.NewTapeMachine(g).RunAll())
		factor := 2.0 // d|x − (−x)|/dx
		if constant {
			factor = 1
		}
		want := list(t, p.pred)
		for i, v := range want {
			want[i] = math.Copysign(factor, v)
		}
		requireBits(t, want, list(t, grads[0].Value().(*tensor.Dense)))
	}
}

func TestConstants(t *testing.T) {
	p := problems()[0]
	g := G.NewGraph()
	x := input(g, "x", p.pred)
	w := random(tensor.Float32, 3, shape...)
	loss, err := SmoothL1(p.loss, x, G.NewConstant(p.target), Weight(G.NewConstant(w)))
	require.NoError(t, err)
	grads, err := G.Grad(loss, x)
	require.NoError(t, err)
	require.NoError(t, G.NewTapeMachine(g).RunAll())
	p.w = w
	_, want := p.want(t)
	requireBits(t, list(t, want.GradPred), list(t, grads[0].Value().(*tensor.Dense)))
	for _, n := range g.AllNodes() {
		assert.NotContains(t, n.Name(), "/ d target", "nobody asked for the gradient of a constant")
	}
}

func TestScalarsAsWeightAndMask(t *testing.T) {
	p := problems()[0]
	for i, weightOf := range []func(*G.ExprGraph) *G.Node{
		func(*G.ExprGraph) *G.Node { return G.NewConstant(float32(3)) },
		func(g *G.ExprGraph) *G.Node {
			return G.NewScalar(g, tensor.Float32, G.WithName("w"), G.WithValue(float32(3)))
		},
	} {
		g := G.NewGraph()
		x := input(g, "x", p.pred)
		kept := G.NewScalar(g, tensor.Bool, G.WithName("m"), G.WithValue(true))
		loss, err := SmoothL1(p.loss, x, input(g, "target", p.target), Weight(weightOf(g)), Mask(kept), Broadcast())
		require.NoError(t, err)
		var grad G.Value
		if i == 0 {
			grads, err := G.Grad(loss, x)
			require.NoError(t, err)
			require.NoError(t, G.NewTapeMachine(g).RunAll())
			grad = grads[0].Value()
		} else {
			require.NoError(t, G.NewLispMachine(g).RunAll())
			grad, err = x.Grad()
			require.NoError(t, err)
		}
		p.w = tensor.New(tensor.FromScalar(float32(3)))
		p.check(t, &nodes{loss: loss}, []G.Value{grad}, float64(i))
	}
}

func TestSeveralLosses(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	second := p.loss
	second.Beta *= 2
	other, err := SmoothL1(second, n.pred, n.target, TargetGradient(true), Broadcast())
	require.NoError(t, err)
	swapped, err := SmoothL1(p.loss, n.target, n.pred, TargetGradient(true), Broadcast())
	require.NoError(t, err)
	same, err := SmoothL1(p.loss, n.pred, n.target, TargetGradient(true), Broadcast())
	require.NoError(t, err)
	assert.Same(t, n.loss, same, "the same loss of the same nodes is one node")
	require.NotSame(t, n.loss, swapped)
	require.NotSame(t, n.loss, other)

	grads, err := G.Grad(G.Must(G.ReduceAdd(G.Nodes{n.loss, other, swapped})), n.pred)
	require.NoError(t, err)
	m := G.NewTapeMachine(n.graph)
	require.NoError(t, m.RunAll())
	want := zeros(p.pred)
	for i, l := range []smoothl1.Loss{p.loss, second, p.loss} {
		a := &Args{Pred: p.pred, Target: p.target, GradPred: want, AccumulatePred: true, NoLoss: true}
		if i == 2 {
			a = &Args{Pred: p.target, Target: p.pred, GradTarget: want, AccumulateTarget: true, NoLoss: true}
		}
		_, err := Run(l, a)
		require.NoError(t, err)
	}
	got := list(t, grads[0].Value().(*tensor.Dense))
	for i, x := range list(t, want) {
		require.InDelta(t, x, got[i], 1e-6) // Gorgonia chooses the order in which it adds the three
	}
}

func TestPredAsItsOwnTarget(t *testing.T) {
	p := problems()[0]
	g := G.NewGraph()
	x := input(g, "x", p.pred)
	_, err := SmoothL1(p.loss, x, x, TargetGradient(true))
	require.NoError(t, err)
	require.NoError(t, G.NewLispMachine(g).RunAll())
	d, err := x.Grad()
	require.NoError(t, err)
	for _, v := range list(t, d.(*tensor.Dense)) {
		require.Zero(t, v)
	}
}

func TestNaNBehindAMask(t *testing.T) {
	p := problems()[3]
	p.mask = shape
	p.m = random(tensor.Bool, 9, shape...)
	for i, kept := range p.m.Bools() {
		if !kept {
			p.pred.SetF32(i, float32(math.NaN()))
			p.target.SetF32(i, float32(math.Inf(1)))
		}
	}
	n := p.build(t)
	p.differentiate(t, n)
	require.NoError(t, G.NewTapeMachine(n.graph, G.WithNaNWatch(), G.WithInfWatch()).RunAll())
	p.check(t, n, []G.Value{n.grads[0].Value()}, 0)
}

func TestNoElementsInAGraph(t *testing.T) {
	for _, r := range []smoothl1.Reduction{smoothl1.Sum, smoothl1.Mean, smoothl1.None} {
		g := G.NewGraph()
		e := tensor.New(tensor.Of(tensor.Float64), tensor.WithShape(0))
		pred, target := input(g, "pred", e), input(g, "target", e)
		loss, err := SmoothL1(smoothl1.Loss{Beta: 1, Reduction: r}, pred, target)
		require.NoError(t, err)
		if r == smoothl1.None {
			require.NoError(t, G.NewTapeMachine(g).RunAll())
			assert.Zero(t, loss.Value().Shape().TotalSize())
			continue
		}
		grads, err := G.Grad(loss, pred)
		require.NoError(t, err)
		require.NoError(t, G.NewTapeMachine(g).RunAll())
		v, err := Value(loss)
		require.NoError(t, err)
		requireBits(t, []float64{map[bool]float64{true: math.NaN()}[r == smoothl1.Mean]}, []float64{v})
		assert.Equal(t, []int{0}, []int(grads[0].Value().Shape()))
	}
}
