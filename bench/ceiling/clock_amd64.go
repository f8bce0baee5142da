package ceiling

import (
	"math"
	"time"
)

// latency is the number of cycles after which a product of two registers is there, on every processor of AMD and Intel with AVX2.
const latency = 3

// GHz returns the frequency of the core that it runs on, the best of several measurements: the others were interrupted.
func GHz() float64 {
	const n, multiplications = 20_000, 16 // about a quarter of a millisecond
	best := math.Inf(1)
	for range 200 {
		begin := time.Now()
		chain(n)
		best = min(best, float64(time.Since(begin).Nanoseconds()))
	}
	return n * multiplications * latency / best
}
