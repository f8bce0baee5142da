package difftest

import (
	"math"
	"math/bits"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// significands is the number of significands of a float32.
const significands = 1 << 23

// quotientBetas are values of beta for which float32 kernels correct the quotients by the reciprocal, and some next to the limits of those.
var quotientBetas = []float64{
	0.1, 0.3, 1.0 / 9, 3, 0x1.fffffep0, 0x1.000002p0, // the last two have the reciprocals that are off most, in proportion
	0x1.000002p-24, 0x1.fffffep-25, 0x1.fffffep23, 0x1.000002p24,
}

// quotientCases returns cases of differences whose quotients are the hardest to round, with upstream gradients from none that a kernel may
// correct to the largest.
func quotientCases() []Case {
	var cases []Case
	for _, p := range []op.Pass{ForwardTerms, Forward, Backward, ForwardBackward} {
		for i, beta := range quotientBetas {
			for k, upstream := range []float64{1, 0x1p79, 0x1p126, 0x1p-60, 0x1p-126} {
				if !p.Differentiates() && k > 0 {
					continue
				}
				c := Case{Op: p, Loss: smoothl1.Loss{Beta: beta, Reduction: smoothl1.Sum}, Data: Quotients, Seed: uint64(len(cases)), Upstream: upstream}
				c.N = []int{3*cpu.Chunk - 1, 20 * cpu.Chunk, 20*cpu.Chunk + 5}[(i+k)%3] // shared chunks, and others
				if p.Differentiates() {
					c.Grads = GradPred
				}
				c.Shift = i % 2
				cases = append(cases, c)
			}
		}
	}
	return cases
}

// significandCases returns cases of the differences of all significands of float32, of the magnitude of beta and of that whose square is,
// and of zeros and subnormal numbers: they are the numbers that are divided by beta.
func significandCases() []Case {
	var cases []Case
	for i, beta := range quotientBetas[:5] {
		cases = append(cases,
			Case{Op: Backward, Loss: smoothl1.Loss{Beta: beta, Reduction: smoothl1.Sum}, Data: Significands, Upstream: 1, Grads: GradPred, Seed: uint64(i)},
			Case{Op: ForwardTerms, Loss: smoothl1.Loss{Beta: beta}, Data: Significands, Seed: uint64(i)})
	}
	for i := range cases {
		cases[i].N = significands + 4*cpu.Chunk
	}
	return cases
}

// significand returns the i-th difference of Significands.
func significand(beta float64, i int) float64 {
	if i >= significands {
		return float64(math.Float32frombits(uint32((i-significands)/2))) * float64(1-i%2*2)
	}
	return math.Ldexp(float64(significands+i), exponent(beta)-24)
}

// oddPart returns the significand of beta, as an odd integer.
func oddPart(beta float32) uint32 {
	b := math.Float32bits(beta)&(significands-1) | significands
	return b >> bits.TrailingZeros32(b)
}

// hardest returns significands x, as integers, for which x/b is as near as it can be to the middle of two numbers of float32, where b is the
// significand of beta. In units of their last places x·2^24 or x·2^25 is m·b + t with an odd m, the middle, and a small odd t.
func hardest(beta float32) []float64 {
	b := oddPart(beta)
	inverse := b // modulo 2^3, as of every odd number; each step doubles the exponent
	for range 4 {
		inverse *= 2 - b*inverse
	}
	var found []float64
	for t := uint32(1); t < 16; t += 2 {
		for _, t := range []uint32{t, -t} {
			for _, modulus := range []uint32{1 << 24, 1 << 25} {
				m := -t * inverse % modulus
				if m |= 1 << 24 & modulus; m < 1<<24 {
					continue // it has fewer bits
				}
				x := int64(m)*int64(b) + int64(int32(t))
				for x%2 == 0 {
					x /= 2
				}
				if x > 0 && x < 2*significands {
					found = append(found, float64(x))
				}
			}
		}
	}
	return found
}
