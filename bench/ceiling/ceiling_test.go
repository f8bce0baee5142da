package ceiling

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/isa"
)

// aligned returns n elements from a multiple of 64 bytes on.
func aligned(n int) []float32 {
	x := make([]float32, n+16)
	for uintptr(unsafe.Pointer(&x[0]))%64 != 0 {
		x = x[1:]
	}
	return x[:n]
}

// A ceiling that does not touch all of its arrays would be too high.
func TestLoopsMoveEverything(t *testing.T) {
	for _, set := range isa.Available() {
		restore := isa.Use(set)
		for _, l := range Loops() {
			for _, n := range []int{Granule, 3 * Granule, 3*batch + Granule} {
				for _, threads := range []int{1, 3} {
					a, b, to := aligned(n), aligned(n), aligned(n+1)
					for i := range a {
						a[i] = float32(i + 1)
					}
					l.Run(to[:n], a, b, threads)
					switch l.Kind {
					case Read:
						require.NotContains(t, to, float32(1), l.Name)
					case Copy, Combine: // Combine ors, and b is 0
						require.Equal(t, a, to[:n], l.Name)
						a[0] = 0
						b[n-1] = -1
						l.Run(to[:n], a, b, threads)
						assert.Zero(t, to[0])
						assert.Equal(t, l.Kind == Combine, to[n-1] != a[n-1], l.Name)
					}
					assert.Zero(t, to[n], "behind the end")
				}
			}
		}
		restore()
	}
}
