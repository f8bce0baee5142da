package gorgonia

import (
	"fmt"
	"math"
	"sync"
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
					assert.True(t, op.find(n.loss.Value()).grads == [2]*tensor.Dense{}, "what was computed with the loss is handed out")
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

func TestGradientsArePassedOn(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	p.differentiate(t, n)
	grad := n.grads[0].Op()
	run := func(scale float64) (loss G.Value, want []float64) {
		loss, err := n.loss.Op().Do(p.pred, p.target)
		require.NoError(t, err)
		p.scale = scale
		_, a := p.want(t)
		return loss, list(t, a.GradPred)
	}
	backward := func(loss G.Value, scale float64) []float64 {
		x, err := grad.Do(p.pred, p.target, G.NewF32(float32(scale)), loss)
		require.NoError(t, err)
		defer x.(*tensor.Dense).Zero()
		return list(t, x.(*tensor.Dense))
	}
	elsewhere := func(f func()) { // with other numbers in pred, which shows whether the gradient is computed now
		old := append([]float32{}, p.pred.Float32s()...)
		copy(p.pred.Float32s(), p.target.Float32s())
		f()
		copy(p.pred.Float32s(), old)
	}
	for _, scale := range []float64{1, 3} {
		loss, want := run(scale)
		if scale != 1 { // the first run with another upstream gradient computes once more
			requireBits(t, want, backward(loss, scale))
			loss, want = run(scale)
		}
		elsewhere(func() { requireBits(t, want, backward(loss, scale)) })
		requireBits(t, want, backward(loss, scale), "asked twice, it computes, since who has the first may have changed it")
	}
	// Batches of another size, and losses that nobody remembers.
	p.pred, p.target = random(tensor.Float32, 1, 5, 3), random(tensor.Float32, 2, 5, 3)
	loss, want := run(3)
	requireBits(t, want, backward(loss, 3))
	requireBits(t, want, backward(G.NewF32(1), 3))
}

func TestReuseMemory(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		p := problems()[0]
		var options []Option
		if reuse {
			options = append(options, ReuseMemory())
		}
		n := p.build(t, options...)
		p.differentiate(t, n)
		m := G.NewTapeMachine(n.graph)
		require.NoError(t, m.RunAll())
		first := n.grads[0].Value().(*tensor.Dense)
		m.Reset()
		require.NoError(t, m.RunAll())
		assert.Equal(t, reuse, first.Uintptr() == n.grads[0].Value().Uintptr())
	}
}

func TestTraceExecCopiesValues(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	p.differentiate(t, n)
	require.NoError(t, G.NewTapeMachine(n.graph, G.TraceExec()).RunAll())
	want, out := p.want(t)
	assert.Equal(t, float32(want), float32(*n.loss.Value().(*G.F32)))
	requireBits(t, list(t, out.GradPred), list(t, n.grads[0].Value().(*tensor.Dense)))
	_, err := Value(n.loss)
	require.ErrorIs(t, err, smoothl1.ErrNoValue)
}

func TestClonesRunConcurrently(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	p.differentiate(t, n)
	want, out := p.want(t)
	var all sync.WaitGroup
	for i := range 4 {
		clone := n.graph.Clone().(*G.ExprGraph)
		all.Go(func() {
			m := G.NewTapeMachine(clone)
			for range 20 {
				if !assert.NoError(t, m.RunAll()) {
					return
				}
				loss := clone.Node(n.loss.ID()).(*G.Node)
				got, err := Value(loss)
				assert.NoError(t, err)
				assert.Equal(t, want, got, i)
				requireBits(t, list(t, out.GradPred), list(t, clone.Node(n.grads[0].ID()).(*G.Node).Value().(*tensor.Dense)))
				m.Reset()
			}
		})
	}
	all.Wait()
}

func TestMemoryOfLosses(t *testing.T) {
	p := problems()[0]
	n := p.build(t)
	p.differentiate(t, n)
	op := n.loss.Op().(*lossOp)
	var kept []G.Value
	for range 3 * maxCells {
		loss, err := op.Do(p.pred, p.target) // a machine for the loss alone: nobody takes the gradients
		require.NoError(t, err)
		kept = append(kept, loss)
	}
	assert.Len(t, op.cells, maxCells)
	assert.Nil(t, op.find(kept[0]))
	assert.NotNil(t, op.find(kept[len(kept)-1]))
}
