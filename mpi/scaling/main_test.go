package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCosts(t *testing.T) {
	require.Equal(t, cost{1 + 1, 104 + 8*(1+2048)}, loss(2))
	require.Equal(t, cost{10 + 10, 1023*104 + 1023*8*(1+2048)}, loss(1024))
	require.Equal(t, cost{2 * 2, 2 * 3000}, allreduce(4, 4000))
	require.Equal(t, cost{2 + 3 + 2, 3*104 + 0.75*8e6*2048 + 0.75*8e6}, gradient(4))
	require.InDelta(t, 3*2+100*0.5, cost{3, 100}.seconds(network{alpha: 2, beta: 0.5}), 1e-12)
	require.Equal(t, "1 MB", unit(999_600, "B", "kB", "MB"))
	require.Equal(t, "1.23 kB", unit(1234, "B", "kB", "MB"))
}

func TestTableOfTheREADME(t *testing.T) {
	committed, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, committed, 0o600))
	require.NoError(t, run([]string{file}))
	made, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(committed), string(made), "go run ./scaling README.md makes the table again")
	require.NoError(t, os.WriteFile(file, []byte("no markers"), 0o600))
	require.ErrorContains(t, run([]string{file}), "want the lines")
	require.Error(t, run([]string{file + ".none"}))
}
