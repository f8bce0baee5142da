package gorgonia

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

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

func TestReusedMemoryIsNotThatOfTensorsMadeOfUnboundOnes(t *testing.T) {
	p := problems()[0]
	n := p.build(t, ReuseMemory())
	p.differentiate(t, n)
	m := G.NewTapeMachine(n.graph)
	require.NoError(t, m.RunAll())
	m.Reset()
	n.graph.UnbindAllNonInputs()
	var others []*tensor.Dense
	for range 8 {
		others = append(others, zeros(p.pred))
	}
	require.NoError(t, m.RunAll())
	p.check(t, n, []G.Value{n.grads[0].Value()}, 0)
	for _, x := range others {
		requireBits(t, make([]float64, x.DataSize()), list(t, x))
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
	var all sync.WaitGroup
	for i := range 4 { // each with other data
		p.pred = random(tensor.Float32, uint64(i), shape...)
		want, out := p.want(t)
		c := n.graph.Clone().(*G.ExprGraph)
		require.NoError(t, G.Let(c.ByName("pred")[0], p.pred))
		all.Go(func() {
			m := G.NewTapeMachine(c)
			for range 50 {
				m.Reset()
				assert.NoError(t, m.RunAll())
				got, err := Value(c.Node(n.loss.ID()).(*G.Node))
				assert.NoError(t, err)
				assert.Equal(t, want, got)
				grad := c.Node(n.grads[0].ID()).(*G.Node).Value().(*tensor.Dense)
				assert.True(t, slices.Equal(out.GradPred.Float32s(), grad.Float32s()))
			}
		})
	}
	all.Wait()
}

// keptGradients returns the gradients that were computed with a loss, and that nobody has asked for.
func keptGradients(op *lossOp, loss G.Value) [2]*tensor.Dense {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.find(loss).grads
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
	for i, loss := range kept {
		assert.Equal(t, i >= 2*maxCells, keptGradients(op, loss)[byPred] != nil, "the memory of older gradients is free")
	}
	kept = nil
	require.Eventually(t, func() bool {
		runtime.GC()
		op.mu.Lock()
		defer op.mu.Unlock()
		return len(op.cells) == 0
	}, time.Minute, time.Millisecond, "a loss that is not in use is forgotten")
}
