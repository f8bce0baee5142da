package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

func TestTable(t *testing.T) {
	beam.Init()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ctx := context.Background()
	boxes := npy.Header{DType: npy.Float32, Shape: []int{3, 4}}
	require.NoError(t, npy.WriteFile(ctx, in("pred.npy"), boxes, []float32{1, 1, 1, 1, 3, 3, 3, 3, 0, 0, 0, 0.5}))
	require.NoError(t, npy.WriteFile(ctx, in("target.npy"), boxes, make([]float32, 12)))
	require.NoError(t, npy.WriteFile(ctx, in("class.npy"), npy.Header{DType: npy.Int64, Shape: []int{3}}, []int64{1, 2, 1}))
	*pred, *target, *class, *beta, *out = in("pred.npy"), in("target.npy"), in("class.npy"), 1, in("table.txt")
	require.NoError(t, run(ctx))
	table, err := os.ReadFile(*out)
	require.NoError(t, err)
	require.Equal(t, `class  boxes  mean loss   largest error
    2      1  2.5         3
    1      2  0.265625    1
  all      3  1.01042   
`, string(table))
}
