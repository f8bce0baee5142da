package gorgonia

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// steps are ways to compute the mean loss and its gradient with respect to pred by a machine.
var steps = []struct {
	name string
	loss func(pred, target *G.Node) *G.Node
}{
	{"composed", func(pred, target *G.Node) *G.Node { return composed(1, pred, target) }},
	{"node", func(pred, target *G.Node) *G.Node { return G.Must(SmoothL1(smoothl1.Loss{Beta: 1}, pred, target)) }},
	{"node,reuse", func(pred, target *G.Node) *G.Node {
		return G.Must(SmoothL1(smoothl1.Loss{Beta: 1}, pred, target, ReuseMemory()))
	}},
}

// newStep returns a function that makes the i-th step, after one that has allocated what is kept.
func newStep(b *testing.B, i, n int) func() {
	g := G.NewGraph()
	pred, target := input(g, "pred", random(tensor.Float32, 1, n)), input(g, "target", random(tensor.Float32, 2, n))
	loss := steps[i].loss(pred, target)
	_, err := G.Grad(loss, pred)
	require.NoError(b, err)
	m := G.NewTapeMachine(g)
	step := func() {
		require.NoError(b, m.RunAll())
		m.Reset()
	}
	step()
	return step
}

// BenchmarkStep measures each way, and counts the bytes that the loss itself has to move: two arrays read, one written.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 15, 1 << 20} {
		for i, s := range steps {
			b.Run(fmt.Sprintf("loss=%s/n=%d", s.name, n), func(b *testing.B) {
				step := newStep(b, i, n)
				b.SetBytes(int64(3 * 4 * n))
				for b.Loop() {
					step()
				}
			})
		}
	}
}

// BenchmarkFactor measures the ways in turn, and reports the median time of the composed loss divided by that of each node.
func BenchmarkFactor(b *testing.B) {
	for _, n := range []int{1 << 10, 1 << 15, 1 << 20} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			var step [3]func()
			for i := range steps {
				step[i] = newStep(b, i, n)
			}
			var times [3][]time.Duration
			for b.Loop() {
				for i, f := range step {
					start := time.Now()
					f()
					times[i] = append(times[i], time.Since(start))
				}
			}
			var median [3]float64
			for i, t := range times {
				slices.Sort(t)
				median[i] = float64(t[len(t)/2])
			}
			b.ReportMetric(median[0]/median[1], "composed/node")
			b.ReportMetric(median[0]/median[2], "composed/reuse")
		})
	}
}
