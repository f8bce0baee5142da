package stage

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/isa"
)

// Repeat must write what it should, and nothing else.
func TestRepeat(t *testing.T) {
	t.Run("1", testRepeat[uint8])
	t.Run("2", testRepeat[uint16])
	t.Run("4", testRepeat[uint32])
	t.Run("8", testRepeat[uint64])
}

func testRepeat[E uint8 | uint16 | uint32 | uint64](t *testing.T) {
	x := make([]E, 3000)
	for i := range x {
		x[i] = E(i*31 + i>>8)
	}
	for _, set := range isa.Available() {
		defer isa.Use(set)()
		for times := 1; times <= MaxRepeats+6; times++ {
			for _, n := range []int{0, 1, times, 63, 64, 333, 2048} {
				rows := (n + times - 1) / times
				for _, spare := range []int{0, 5, 40} {
					dst := guarded[E](n, 0, 77)
					Repeat(dst, x[:rows+spare:rows+spare], times)
					for i := range dst {
						if dst[i] != x[i/times] { // Equal for each element would take most of the time
							require.Equal(t, x[i/times], dst[i], "%v: %d times, element %d of %d", set, times, i, n)
						}
					}
					require.True(t, intact(dst, 77), fmt.Sprint(set, times, n))
				}
			}
		}
	}
}
