package measure

import (
	"math"
	"sync"

	"github.com/smoothl1/smoothl1"
)

// generate writes the content that begins at position first: pseudo-random multiples of 2^-22 in [-2, 2), rounded to T, for which both
// branches of the formula are likely.
func generate[T smoothl1.Float](x []T, seed uint64, first int) {
	round := rounding[T]()
	spread(x, seed, first, func(z uint64) T { return round(number(z)) })
}

// The seeds of the arrays.
const (
	seedPred = 1 + iota
	seedTarget
	seedWeight
	seedMask
	seedIndex
)

// generateWeights writes the absolute values of such numbers.
func generateWeights[T smoothl1.Float](x []T, first int) {
	round := rounding[T]()
	spread(x, seedWeight, first, func(z uint64) T { return round(math.Abs(number(z))) })
}

// generateMask writes as many ones as zeros.
func generateMask(x []uint8, first int) {
	spread(x, seedMask, first, func(z uint64) uint8 { return uint8(z >> 63) })
}

// generateIndex writes numbers of columns.
func generateIndex(x []int32, first, columns int) {
	spread(x, seedIndex, first, func(z uint64) int32 { return int32(z >> 32 % uint64(columns)) })
}

func number(z uint64) float64 { return float64(int64(z>>40)-1<<23) * 0x1p-22 }

// rounding returns the conversion to T.
func rounding[T smoothl1.Float]() func(float64) T {
	var round any
	switch any(*new(T)).(type) {
	case float32:
		round = func(x float64) float32 { return float32(x) }
	case float64:
		round = func(x float64) float64 { return x }
	case smoothl1.F16:
		round = smoothl1.ToF16
	case smoothl1.BF16:
		round = smoothl1.ToBF16
	}
	return round.(func(float64) T)
}

// spread writes a function of pseudo-random numbers that depend on seed and position alone.
func spread[E any](x []E, seed uint64, first int, of func(z uint64) E) {
	const share = 1 << 18
	var wait sync.WaitGroup
	for at := 0; at < len(x); at += share {
		part := x[at:min(len(x), at+share)]
		begin := uint64(first+at) + seed<<40
		wait.Go(func() {
			for i := range part {
				z := (begin + uint64(i) + 1) * 0x9e3779b97f4a7c15 // splitmix64
				z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
				z = (z ^ z>>27) * 0x94d049bb133111eb
				part[i] = of(z ^ z>>31)
			}
		})
	}
	wait.Wait()
}
