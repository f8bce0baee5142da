package evaluate

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// Prism fails a job with its first failed bundle. Other runners process the bundle again and discard what it had emitted: this does
// both by hand, with a worker that is stopped in the middle of its first two attempts.
func TestBundleThatFailsTwice(t *testing.T) {
	ctx := context.Background()
	x := make([]float32, 5*cpu.Chunk)
	for i := range x {
		x[i] = float32(i)
	}
	c := Config{Pred: write(t, x, 1, npy.Float32, 2*cpu.Chunk+1), Target: write(t, make([]float32, len(x)), 1, npy.Float32), block: cpu.Chunk}
	var all [roles][]shard
	for r, p := range c.shards() {
		for _, pattern := range p {
			names, err := filepath.Glob(pattern)
			require.NoError(t, err)
			for i, name := range names {
				s := shard{Role: int64(r), Number: int64(i), Path: name}
				require.NoError(t, s.look(ctx))
				all[r] = append(all[r], s)
			}
		}
	}
	p := &plan{settings: &settings{Loss: c.Loss, Block: cpu.Chunk, Roles: []bool{true, true, false, false, false}}, shards: all}
	require.NoError(t, p.arrange())
	var items []item
	p.cut(func(it item) { items = append(items, it) })
	require.Len(t, items, 2)

	worker := &readFn{Settings: *p.settings}
	worker.Setup()
	var committed sums
	for _, it := range items {
		for attempt := 1; ; attempt++ {
			var bundle sums
			ctx, fail := context.WithCancel(ctx)
			err := worker.ProcessElement(ctx, it, func(_ int64, s sum) {
				bundle = collect{}.AddInput(bundle, s)
				if attempt < 3 {
					fail() // in the middle of the bundle
				}
			}, nil, nil)
			fail()
			if attempt < 3 {
				require.Error(t, err)
				require.NotEmpty(t, bundle.All)
				continue
			}
			require.NoError(t, err)
			committed = collect{}.MergeAccumulators(committed, bundle)
			break
		}
	}
	got, err := committed.add(p.geometry.blocks(), false)
	require.NoError(t, err)
	want, err := cpu.Run(smoothl1.Loss{Reduction: smoothl1.Sum}, &cpu.Args[float32]{Pred: x, Target: make([]float32, len(x))})
	require.NoError(t, err)
	require.Equal(t, bits(want), bits(got.terms))
}
