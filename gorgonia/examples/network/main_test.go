package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestHuberDoesNotFollowTheOutliers(t *testing.T) {
	years, calls, err := read(phones)
	require.NoError(t, err)
	require.Len(t, years, 24)
	huber, err := train(years, calls, 5, 1000)
	require.NoError(t, err)
	squares, err := train(years, calls, math.MaxFloat32, 1000)
	require.NoError(t, err)
	for i, year := range years {
		if year >= 64 && year <= 69 { // recorded in minutes
			assert.Less(t, huber.fit[i], 35.0)
			assert.Greater(t, squares.fit[i], 90.0)
		} else if year < 64 {
			assert.InDelta(t, calls[i], huber.fit[i], 4)
		}
	}
	assert.Less(t, squares.losses[999], squares.losses[0]/5)
	assert.Less(t, huber.losses[999], huber.losses[0])
}

func TestPicture(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "network.svg")
	require.NoError(t, run(1000, 5, file))
	svg, err := os.ReadFile(file)
	require.NoError(t, err)
	committed, err := os.ReadFile(filepath.Join("..", "..", "docs", "network.svg"))
	require.NoError(t, err)
	assert.Equal(t, string(committed), string(svg), "docs/network.svg: make it again as the README says")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	require.Error(t, run(1, 5, filepath.Join(dir, "folder")))
	require.Error(t, run(1, 5, filepath.Join(dir, "none", "network.svg")))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 2, "nothing half written is left")
}

func TestErrors(t *testing.T) {
	require.ErrorIs(t, run(1, -1, ""), smoothl1.ErrBeta)
	require.ErrorContains(t, run(0, 5, ""), "steps")
	for _, text := range []string{"", "year,calls\n1,2", "year,calls\n1,2\n3,x", "a,b\n1,2\n3"} {
		_, _, err := read([]byte(text))
		require.ErrorContains(t, err, "phones.csv", text)
	}
}
