package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// TestVariantsOfPyTorch runs the variants for GPUs on the CPU, with stand-ins for CUDA graphs and compilation: each operation on several
// sets, whose results are checked. It says nothing about PyTorch on a GPU.
func TestVariantsOfPyTorch(t *testing.T) {
	testkit.NeedsLong(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	python := realPython(t, ctx)
	script, err := filepath.Abs("testdata/cudagraphs.py")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "python3")
	require.NoError(t, os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\nexec %s %s \"$@\"\n", python, script), 0o755))
	for _, contender := range []string{Graphed, Whole} {
		t.Run(contender, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			t.Setenv("LOG", log)
			p, err := startPeer(ctx, program, "cuda", contender, time.Minute)
			require.NoError(t, err)
			defer func() { assert.NoError(t, p.close()) }()
			assert.False(t, p.Bits)
			assert.Equal(t, contender == Graphed, p.has(ForwardNone))
			variantOn[float32](t, ctx, p, Workload{Shape: []int{250, 4}, DType: smoothl1.Float32, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}, Ops: append(Ops, FurtherOps...)})
			variantOn[smoothl1.BF16](t, ctx, p, Workload{Shape: []int{250, 4}, DType: smoothl1.BFloat16, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}, Ops: append(Ops, FurtherOps...)})
			if contender == Graphed {
				err := p.prepare(Workload{Shape: []int{1<<24 + 1}}, 1, 1<<24+64, "", nil)
				assert.ErrorContains(t, err, "arrays of more than 16777216 elements gain nothing by a graph")
			}
			text, err := os.ReadFile(log)
			require.NoError(t, err)
			for _, line := range map[string][]string{Graphed: {"warm up", "capture", "replay"}, Whole: {"whole"}}[contender] {
				assert.Contains(t, string(text), line+"\n")
			}
			if contender == Graphed {
				assert.Equal(t, strings.Count(string(text), "warm up"), strings.Count(string(text), "capture"))
				assert.Greater(t, strings.Count(string(text), "replay"), strings.Count(string(text), "capture"))
			}
		})
	}
	// Without a GPU there are none.
	_, err = startPeer(ctx, python, "cpu", Graphed, time.Minute)
	require.ErrorContains(t, err, "has no CUDA graphs on the device cpu")
}

// TestPeersOfAGPU checks who takes part in a run on a GPU: all in measurements, and in a comparison of bits alone those that have their own.
func TestPeersOfAGPU(t *testing.T) {
	t.Setenv(asPython, "well")
	defer func(n int) { holdElements = n }(holdElements)
	holdElements = 1 << 10
	drv := likeCUDA{sim.New(sim.Fast())}
	c := Config{Device: open(t, gpu.On(drv)), Driver: drv, Samples: 1, Rotate: 1, Python: os.Args[0], BitsSize: 10}
	for _, want := range [][]string{{Eager, Compiled}, {Eager, Compiled, Whole, Graphed}} {
		r, err := Run(t.Context(), c)
		require.NoError(t, err)
		var got []string
		for _, p := range r.Peers {
			got = append(got, p.Contender)
		}
		assert.Equal(t, want, got)
		for i := range r.Groups {
			for _, peer := range want {
				_, ok := r.Groups[i].Find(ForwardBackward, peer)
				assert.True(t, ok, peer)
			}
		}
		c.Workloads, c.BitsSize = Sizes([]int{100}, []smoothl1.DType{smoothl1.Float32}, []float64{1}), 0
	}
}

// variantOn checks each operation of a peer, and samples it on more sets than it captures graphs for.
func variantOn[T smoothl1.Float](t *testing.T, ctx context.Context, p *peer, w Workload) {
	dev := open(t, gpu.CPU())
	r, err := newRotation[T](ctx, dev, w.layout(), uint64(70*2*1024*w.DType.Size()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, r.close()) }()
	require.Greater(t, r.sets, 64)
	expected, err := r.expectAll(ctx, w, 0)
	require.NoError(t, err)
	require.NoError(t, p.prepare(w, r.sets, r.stride, r.shared.path(), r.places))
	for _, o := range w.operations() {
		if !p.has(o.name) {
			continue
		}
		require.NoError(t, checkPeer(ctx, p, r, &o, expected[o.form]), "%s of %v", o.name, w.DType)
		for range 2 {
			device, wall, err := p.contender(&o, w, 50).sample(ctx, 50)
			require.NoError(t, err)
			assert.Positive(t, device)
			assert.Positive(t, wall)
		}
	}
}
