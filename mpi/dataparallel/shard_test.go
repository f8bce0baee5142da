package dataparallel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/mpi"
)

func TestShard(t *testing.T) {
	for _, n := range []int{0, 1, 2047, 2048, 2049, 10_000, 1 << 20, math.MaxInt} {
		for _, size := range []int{1, 2, 3, 7, 1024} {
			for _, cols := range []int{1, 2, 3, 4, 6, 2048, 4096} {
				end := 0
				for rank := range size {
					from, to, err := ShardRows(n, cols, rank, size)
					require.NoError(t, err)
					require.Equal(t, end, from)
					require.True(t, to >= from && (to == n || (to%2048)*(cols%2048)%2048 == 0), "%d %d %d %d", n, cols, rank, size)
					end = to
				}
				require.Equal(t, n, end)
			}
		}
	}
	from, to, err := Shard(5*2048+1, 1, 3) // 6 chunks
	require.NoError(t, err)
	require.Equal(t, []int{2 * 2048, 4 * 2048}, []int{from, to})
	from, to, err = ShardRows(4096, 4, 1, 4) // 8 chunks of 512 rows
	require.NoError(t, err)
	require.Equal(t, []int{1024, 2048}, []int{from, to})

	for _, c := range []struct {
		n, cols, rank, size int
		reason              error
	}{{-1, 1, 0, 1, smoothl1.ErrCount}, {1, 0, 0, 1, smoothl1.ErrCount}, {1, 1, 0, 0, smoothl1.ErrCount}, {1, 1, 1, 1, mpi.ErrRank}, {1, 1, -1, 1, mpi.ErrRank}} {
		_, _, err := ShardRows(c.n, c.cols, c.rank, c.size)
		require.ErrorIs(t, err, c.reason)
	}
}

func TestListOf(t *testing.T) {
	require.Equal(t, "rank 3", listOf([]int{3}))
	require.Equal(t, "ranks 0, 1, 2, 3, 4, 5, 6, 7, … (9)", listOf([]int{0, 1, 2, 3, 4, 5, 6, 7, 8}))
}

func TestHeaderOfTheScalingTable(t *testing.T) {
	require.EqualValues(t, 13, fields, "scaling/main.go has the size of a header, too")
}
