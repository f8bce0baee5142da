package op

import (
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLevels(t *testing.T) {
	for chunks, want := range map[int]int{0: 0, 1: 1, 2: 3, 2048: 2049, 2049: 2052, 1 << 22: 1<<22 + 1<<11 + 1} {
		assert.Equal(t, want, Levels(chunks), chunks)
	}
}

// The numbers of chunks and of sums of arrays that no memory holds yet.
func TestLevelsOfLargeArrays(t *testing.T) {
	for shift := 33; shift <= 45 && shift < bits.UintSize-1; shift++ {
		n := 1 << shift
		chunks := n >> 11
		for _, c := range []struct{ n, want int }{{n - 1, chunks}, {n, chunks}, {n + 1, chunks + 1}} {
			require.Equal(t, c.want, Chunks(c.n))
		}
		total := 0
		for left := shift - 11; ; left -= 11 {
			total += 1 << max(left, 0)
			if left <= 0 {
				break
			}
		}
		require.Equal(t, total, Levels(chunks), "2^%d", shift)
	}
	assert.Equal(t, math.MaxInt/Chunk+1, Chunks(math.MaxInt))
}
