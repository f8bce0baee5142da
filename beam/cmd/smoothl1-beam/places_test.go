package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An output that would replace an input is refused, and the input stays as it was.
func TestOutputIsInput(t *testing.T) {
	dir := data(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Link(in("p.npy"), in("other name.npy")))
	before, err := os.ReadFile(in("p.npy"))
	require.NoError(t, err)
	for _, c := range []struct{ pred, out, replaced string }{
		{"p.npy", in("p.npy"), "p.npy"},
		{"p.npy", dir + "/./p.npy", "p.npy"},
		{"p.npy", in("other name.npy"), "p.npy"},
		{"p-*.npy", in("p-00001-of-00002.npy"), "p-00001-of-00002.npy"},
		{"p-*.npy --rows", in("p"), "p-00000-of-00002.npy"},
	} {
		pred, rows, _ := strings.Cut(c.pred, " ")
		arguments := append([]string{in(pred), in("q.npy"), "--out", c.out}, strings.Fields(rows)...)
		stdout, stderr, code := command(arguments...)
		require.Equal(t, 2, code, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "--out "+c.out+" would replace an input, "+in(c.replaced)+": use another name")
	}
	after, err := os.ReadFile(in("p.npy"))
	require.NoError(t, err)
	require.Equal(t, before, after)
}
