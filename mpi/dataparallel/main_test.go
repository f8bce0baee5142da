//go:build cgo && linux

package dataparallel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

func TestMain(m *testing.M) {
	ranks.Main(m, map[string]func(){
		"same":     rank(sameAsOne),
		"refusals": rank(refusals),
		"gradient": rank(gradients),
		"buffers":  rank(buffers),
		"steps":    rank(steps),
		"time":     rank(timed),
	})
}

// rank is the program of a rank.
func rank(f func(ranks.Check, *mpi.Comm)) func() {
	return func() {
		mpi.Main(mpi.Multiple, func(world *mpi.Comm) error {
			f(ranks.Check{Rank: world.Rank()}, world)
			return nil
		})
	}
}

// TestRanks runs cases whose ranks check themselves.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		name string
		np   []int
	}{
		{"same", []int{1, 2, 3, 4, 7}}, {"refusals", []int{3}}, {"gradient", []int{1, 2, 4, 7}}, {"buffers", []int{3}}, {"steps", []int{2}},
	} {
		for _, np := range c.np {
			t.Run(fmt.Sprintf("%s/np=%d", c.name, np), func(t *testing.T) {
				out, err := ranks.Run(t, np, c.name)
				require.NoError(t, err, out)
			})
		}
	}
}

// TestDirect runs the buffers with a library that says that it is aware of CUDA, on a device whose memory is the host's.
func TestDirect(t *testing.T) {
	dir := t.TempDir()
	source, library := filepath.Join(dir, "aware.c"), filepath.Join(dir, "aware.so")
	require.NoError(t, os.WriteFile(source, []byte("int MPIX_Query_cuda_support(void) { return 1; }\n"), 0o600))
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput()
	require.NoError(t, err, string(out))
	text, err := ranks.Run(t, 3, "buffers", "LD_PRELOAD="+library)
	require.NoError(t, err, text)
}
