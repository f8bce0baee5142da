package ceiling

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/cpu"
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
		for _, threads := range []int{1, 3} {
			names := map[string]bool{}
			for _, l := range Loops(threads) {
				assert.False(t, names[l.Name], "%s is there twice", l.Name)
				names[l.Name] = true
				for _, n := range []int{Granule, 3 * Granule, 200*cpu.Chunk + Granule} {
					a, b, to := aligned(n), aligned(n), aligned(n+1)
					for i := range a {
						a[i] = float32(i + 1)
					}
					l.Run(to[:n], a, b)
					switch l.Kind {
					case Read:
						require.NotContains(t, to, float32(1), l.Name)
					case Copy, Combine: // Combine ors, and b is 0
						require.Equal(t, a, to[:n], l.Name)
						a[0] = 0
						b[n-1] = -1
						l.Run(to[:n], a, b)
						assert.Zero(t, to[0])
						assert.Equal(t, l.Kind == Combine, to[n-1] != a[n-1], l.Name)
					}
					assert.Zero(t, to[n], "behind the end")
				}
			}
			if set != isa.Generic {
				// Stores of two kinds, but for reading, and six distances.
				assert.Len(t, names, map[int]int{1: 30, 3: 90}[threads])
				assert.True(t, names["combine, streaming, prefetched 8192 ahead"])
			}
		}
		restore()
	}
}

// TestDivisions checks that every element is in one part, and how large the parts are.
func TestDivisions(t *testing.T) {
	for _, n := range []int{Granule, 5 * Granule, 100 * cpu.Chunk, 1 << 22} {
		for _, d := range divisions(3) {
			var mu sync.Mutex
			seen, largest, count := make([]byte, n/Granule), 0, 0
			d.start(n, func(start, end int) {
				mu.Lock()
				defer mu.Unlock()
				require.Zero(t, start%Granule)
				for i := start; i < end; i += Granule {
					seen[i/Granule]++
				}
				largest, count = max(largest, end-start), count+1
			})
			assert.Equal(t, n/Granule, ones(seen), d.name)
			if n == 100*cpu.Chunk {
				assert.Equal(t, map[string]int{"": 8 * cpu.Chunk, ", a part for each thread": 1067 * Granule, ", one goroutine": n}[d.name], largest)
			}
			if n == 1<<22 {
				assert.Equal(t, map[string]int{"": 32, ", a part for each thread": 3, ", one goroutine": 1}[d.name], count)
			}
		}
	}
}

// ones returns the number of ones, or -1 if there is anything else.
func ones(all []byte) int {
	for _, x := range all {
		if x != 1 {
			return -1
		}
	}
	return len(all)
}

// TestGHz checks the frequency against any that a processor may have.
func TestGHz(t *testing.T) {
	if ghz := GHz(); runtime.GOARCH == "amd64" {
		assert.Greater(t, ghz, 0.2)
		assert.Less(t, ghz, 8.0)
	} else {
		assert.Zero(t, ghz)
	}
}
