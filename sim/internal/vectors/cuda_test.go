package vectors_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/sim/internal/vectors"
)

// TestCUDADevice compares a GPU, if there is one, with the vectors of the instructions that its architecture has.
func TestCUDADevice(t *testing.T) {
	dev, err := cuda.Open(0)
	if errors.Is(err, cuda.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer func() { assert.NoError(t, dev.Close()) }()
	info := dev.Info()
	t.Logf("%s, sm_%d%d", info.Name, info.Major, info.Minor)
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	require.NoError(t, err)
	require.Len(t, files, len(vectors.All()))
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.Open(path)
			require.NoError(t, err)
			defer file.Close()
			cases, err := vectors.Read(file)
			require.NoError(t, err)
			all := len(cases)
			cases = slices.DeleteFunc(cases, func(c vectors.Case) bool { return c.SM > 10*info.Major+info.Minor })
			t.Logf("%d of %d instructions", len(cases), all)
			bad, err := vectors.Run(dev, cases)
			require.NoError(t, err)
			for i, m := range bad {
				if i == 20 {
					t.Errorf("and %d more", len(bad)-i)
					break
				}
				t.Error(m)
			}
		})
	}
}
