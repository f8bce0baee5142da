package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// BenchmarkCommand compares the command, on Prism, with "smoothl1 eval", on 2^27 elements of float32 in 8 shards of each array and in one
// file. Both check each other's result.
func BenchmarkCommand(b *testing.B) {
	const shards, rows = 8, 1 << 22
	dir := b.TempDir()
	x := make([]float32, 4*rows)
	for name, step := range map[string]uint32{"p": 2654435761, "q": 40503} {
		h := npy.Header{DType: npy.Float32, Shape: []int{shards * rows, 4}}
		w, err := npy.Create(context.Background(), filepath.Join(dir, name+".npy"), h)
		require.NoError(b, err)
		h.Shape[0] = rows
		for s := range shards {
			for i := range x {
				x[i] = float32(uint32(i+s)*step>>16) / 0x1p14
			}
			require.NoError(b, npy.Append(w, x))
			require.NoError(b, npy.WriteFile(context.Background(), filepath.Join(dir, fmt.Sprintf("%s-%d-of-%d.npy", name, s, shards)), h, x))
		}
		require.NoError(b, npy.Commit(w))
	}
	var printed [2]string
	eval := buildEval(b)
	b.Run("beam", func(b *testing.B) {
		b.SetBytes(2 * 4 * 4 * rows * shards)
		for b.Loop() {
			stdout, stderr, code := command(filepath.Join(dir, "p-*.npy"), filepath.Join(dir, "q-*.npy"))
			require.Zero(b, code, stderr)
			printed[0] = stdout
		}
	})
	b.Run("eval", func(b *testing.B) {
		b.SetBytes(2 * 4 * 4 * rows * shards)
		for b.Loop() {
			out, err := exec.Command(eval, "eval", "--device", "cpu", filepath.Join(dir, "p.npy"), filepath.Join(dir, "q.npy")).Output()
			require.NoError(b, err)
			printed[1] = string(out)
		}
	})
	require.Equal(b, strings.TrimSpace(printed[1]), strings.TrimSpace(printed[0]))
}
