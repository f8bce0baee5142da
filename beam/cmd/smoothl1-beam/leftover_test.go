package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A run removes its own temporary files only, and Beam leaves none either.
func TestNothingIsLeft(t *testing.T) {
	dir := data(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	t.Setenv("TMPDIR", t.TempDir())
	j := &job{rows: true, out: in("[x]")}
	folder, record, err := j.prepare(t.Context())
	require.NoError(t, err)
	mine, theirs := in("[x]."+unique()+".tmp"), in("[x].more."+unique()+".tmp")
	for _, name := range []string{mine, theirs, record} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	j.remains()
	require.NoFileExists(t, mine)
	require.NoDirExists(t, folder)
	require.FileExists(t, theirs)

	_, stderr, code := command(in("p.npy"), in("q.npy"))
	require.Zero(t, code, stderr)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left)
}
