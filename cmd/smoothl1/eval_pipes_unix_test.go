//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// TestEvalOperandsFromPipes gives operands to eval as pipes: those that are read once, and those that are needed again, because they are
// repeated, counted by a divisor before gradients, or added to the columns that an index does not choose.
func TestEvalOperandsFromPipes(t *testing.T) {
	chunkPieces(t)
	dir := inMemory(t)
	const rows, columns = 900, 5
	n := rows * columns
	numbers := func(name string, shape ...int) {
		x := make([]float32, product(shape))
		for i := range x {
			x[i] = float32(i%17) - 6.5
		}
		save(t, dir, name, x, shape...)
	}
	numbers("p.npy", rows, columns)
	numbers("t.npy", rows, columns)
	numbers("old.npy", rows, columns)
	numbers("w.npy", rows, 1)
	numbers("all.npy", rows, columns)
	numbers("targets.npy", rows)
	mask, index := make([]uint8, n), make([]int64, rows)
	for i := range mask {
		mask[i] = uint8(i % 3)
	}
	for i := range index {
		index[i] = int64(i % columns)
	}
	saveAs(t, dir, "m.npy", npy.Uint8, mask, rows, columns)
	saveAs(t, dir, "i.npy", npy.Int64, index, rows)

	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		piped string
		flags []string
	}{
		{"m.npy", []string{"p.npy", "t.npy", "--mask", "m.npy", "--divisor", "kept"}},
		{"m.npy", []string{"p.npy", "t.npy", "--mask", "m.npy", "--divisor", "kept", "--grad-pred", "g.npy"}},
		{"w.npy", []string{"p.npy", "t.npy", "--weight", "w.npy", "--divisor", "weights", "--grad-pred", "g.npy"}},
		{"all.npy", []string{"p.npy", "t.npy", "--weight", "all.npy", "--grad-pred", "g.npy"}},
		{"all.npy", []string{"p.npy", "t.npy", "--upstream", "all.npy", "--grad-pred", "g.npy", "--rows"}},
		{"old.npy", []string{"p.npy", "t.npy", "--accumulate-pred", "old.npy", "--grad-pred", "g.npy"}},
		{"old.npy", []string{"p.npy", "targets.npy", "--index", "i.npy", "--accumulate-pred", "old.npy", "--grad-pred", "g.npy"}},
		{"i.npy", []string{"p.npy", "targets.npy", "--index", "i.npy", "--grad-pred", "g.npy"}},
		{"p.npy", []string{"p.npy", "targets.npy", "--index", "i.npy", "--grad-pred", "g.npy"}},
		{"w.npy", []string{"p.npy", "w.npy", "--broadcast", "--grad-pred", "g.npy"}},
	} {
		run := func(piped string) (stdout string, gradient []byte) {
			arguments := []string{"eval", "--device", "cpu"}
			for _, word := range c.flags {
				switch {
				case word == c.piped && piped != "":
					word = piped
				case filepath.Ext(word) == ".npy":
					word = at(word)
				}
				arguments = append(arguments, word)
			}
			os.Remove(at("g.npy"))
			stdout, stderr, code := call(arguments...)
			require.Zero(t, code, "%v: %s", arguments, stderr)
			gradient, _ = os.ReadFile(at("g.npy"))
			return stdout, gradient
		}
		loss, gradient := run("")
		content, err := os.ReadFile(at(c.piped))
		require.NoError(t, err)
		path := at("fifo")
		require.NoError(t, syscall.Mkfifo(path, 0o666))
		go func() { assert.NoError(t, os.WriteFile(path, content, 0)) }()
		got, gotGradient := run(path)
		require.Equal(t, loss, got, c)
		require.Equal(t, gradient, gotGradient, c)
		require.NoError(t, os.Remove(path))
	}
}
