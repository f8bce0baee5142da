package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

func TestFitEndsAtTheMinimum(t *testing.T) {
	year, calls, err := read(phones)
	require.NoError(t, err)
	require.Len(t, year, 24)
	dev, err := gpu.Open()
	require.NoError(t, err)
	defer dev.Close()
	made := 0
	got, loss, err := fit(dev, 12.117, year, calls, func() { made++ })
	require.NoError(t, err)
	// The minimum, computed by iteratively reweighted least squares to 1e-14.
	assert.InDelta(t, -102.529444, got.Intercept, 1e-6)
	assert.InDelta(t, 2.039597, got.Slope, 1e-6)
	assert.Positive(t, loss)
	assert.Equal(t, steps, made)

	squares := leastSquares(year, calls)
	assert.InDelta(t, 5.04, squares.Slope, 0.005)
}

func TestErrors(t *testing.T) {
	require.ErrorIs(t, run(-1, ""), smoothl1.ErrBeta)
	for _, text := range []string{"", "year,calls\n1,2", "year,calls\n1,2\n3,x", "a,b\n1,2\n3"} {
		_, _, err := read([]byte(text))
		require.ErrorContains(t, err, "phones.csv", text)
	}
}

func TestDraw(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "fit.svg")
	require.NoError(t, run(12.117, file))
	svg, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(svg), "</svg>")
	assert.Contains(t, string(svg), "least squares")

	committed, err := os.ReadFile(filepath.Join("..", "..", "docs", "robustfit.svg"))
	require.NoError(t, err)
	assert.Equal(t, string(committed), string(svg), "docs/robustfit.svg: make it again as the README says")

	require.Error(t, run(12.117, filepath.Join(dir, "none", "fit.svg")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	require.Error(t, run(12.117, filepath.Join(dir, "folder")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "nothing half written is left")
}
