package gpu_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// Value copies nothing, unless page-locked memory was refused, which is tried once and shown. Its results are the same.
func TestValueIsNotCopied(t *testing.T) {
	const n = 5000
	var want float64
	for _, refused := range []bool{false, true} {
		drv := sim.New()
		d := must(gpu.Open(gpu.On(drv)))(t)
		a, b := must(gpu.Upload(d, wave(n, 0)))(t), must(gpu.Upload(d, wave(n, 1)))(t)
		if refused {
			drv.FailNext(sim.PinnedCall, 1, false)
		}
		const ops = 70 // of more than one page
		var crits []*gpu.SmoothL1[float32]
		for range ops {
			crits = append(crits, must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t))
		}
		for i, crit := range crits {
			require.NoError(t, crit.Run(&gpu.Args[float32]{Pred: a, Target: b, Divisor: smoothl1.DivideBy(float64(i + 1))}))
		}
		before := drv.Stats()
		for i, crit := range crits {
			value := must(crit.Value())(t)
			if want == 0 {
				want = value
			}
			assert.InEpsilon(t, want, value*float64(i+1), 1e-12, "each op has a cell of its own")
		}
		copies := drv.Stats().CopiesOut - before.CopiesOut
		if refused {
			assert.Equal(t, uint64(ops), copies)
			assert.Equal(t, uint64(1), drv.Calls(sim.PinnedCall))
			assert.Contains(t, d.String(), "losses are copied, as there is no page-locked memory: CUDA_ERROR_OUT_OF_MEMORY (2) from cuMemHostAlloc")
		} else {
			assert.Zero(t, copies)
			assert.NotContains(t, d.String(), "copied")
			pages := drv.Held().Pinned
			assert.Equal(t, 2, pages)
			for _, crit := range crits {
				require.NoError(t, crit.Close())
			}
			for range ops {
				_ = must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
			}
			assert.Equal(t, pages, drv.Held().Pinned, "the cells of closed ops are used again")
		}
		require.NoError(t, d.Close())
		assert.Equal(t, sim.Held{}, drv.Held())
	}
}

// Value waits for its loss whatever has become of the stream, and for nothing else.
func TestValueOfAClosedStream(t *testing.T) {
	for seed := range uint64(6) {
		d := must(gpu.Open(gpu.On(sim.New(sim.Seed(seed)))))(t)
		a, b := must(gpu.Upload(d, wave(100, 0)))(t), must(gpu.Upload(d, wave(100, 1)))(t)
		crit := must(gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 1}))(t)
		require.NoError(t, crit.Forward(a, b))
		want := must(crit.Value())(t)
		require.NoError(t, crit.Forward(a, a))
		s := must(d.NewStream())(t)
		require.NoError(t, crit.Forward(a, b, gpu.OnStream(s)))
		require.NoError(t, s.Close())
		assert.Equal(t, want, must(crit.Value())(t))
		require.NoError(t, d.Close())
	}
}
