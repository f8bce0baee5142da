package cpu

import (
	"flag"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

var exhaustive = flag.Bool("exhaustive", false, "divide all float32 significands (TestAllSignificands)")

// quotients computes x[i]/beta for |x[i]| < beta, as gradients of smooth L1 with respect to pred with norm and upstream gradient 1.
func quotients[T smoothl1.Float](t *testing.T, beta T, x []T) []T {
	got := make([]T, len(x))
	a := Args[T]{Pred: x, Target: make([]T, len(x)), GradPred: got}
	require.NoError(t, Backward(smoothl1.Loss{Beta: float64(beta), Reduction: smoothl1.Sum}, &a))
	return got
}

// hardNumerators returns the 53-bit integers x for which x/b, with b odd, is |s|/(2b) units in the last place, with s odd, away from the
// midpoint of two 53-bit numbers. A division that is not exact is likely to round such quotients wrongly.
func hardNumerators(b uint64, s int64) (hard []uint64) {
	modulus := new(big.Int).SetUint64(b)
	for _, shift := range []uint{53, 54} { // for quotients of at least 1, and below 1
		// x·2^shift = k·b + s with k odd: it is s modulo b, and k is odd because s and b are.
		x := new(big.Int).ModInverse(new(big.Int).Lsh(big.NewInt(1), shift), modulus)
		x.Mul(x, big.NewInt(s)).Mod(x, modulus)
		for v := x.Uint64(); v < 1<<53; v += b {
			if v >= 1<<52 && (v >= b) == (shift == 53) {
				hard = append(hard, v)
			}
		}
	}
	return hard
}

// TestHardQuotients compares the quotients nearest to a tie with exact ones from package big.
func TestHardQuotients(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		b := 1<<52 | r.Uint64()>>12 | 1
		var x []float64
		for _, s := range []int64{-3, -1, 1, 3} {
			for _, v := range hardNumerators(b, s) {
				x = append(x, math.Ldexp(float64(v), -4))
			}
		}
		if len(x) == 0 {
			continue
		}
		beta := float64(b)
		want := make([]float64, len(x))
		for i := range x {
			want[i], _ = new(big.Float).SetPrec(53).Quo(big.NewFloat(x[i]), big.NewFloat(beta)).Float64()
		}
		eachSet(t, func(t *testing.T) {
			require.Equal(t, want, quotients(t, beta, x), beta)
		})
	}
}

// TestHardQuotientsAreHard checks that multiplying by the inverse rounds many of the hard quotients wrongly.
func TestHardQuotientsAreHard(t *testing.T) {
	wrong, all := 0, 0
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		b := 1<<52 | r.Uint64()>>12 | 1
		for _, v := range append(hardNumerators(b, 1), hardNumerators(b, -1)...) {
			all++
			if float64(v)*(1/float64(b)) != float64(v)/float64(b) {
				wrong++
			}
		}
	}
	require.Greater(t, all, 200)
	require.Greater(t, wrong, all/4, "of %d", all)
}

// TestAllSignificands divides every float32 significand (without -exhaustive, every 997th) by several betas, and checks that each quotient
// is the exact one, rounded.
func TestAllSignificands(t *testing.T) {
	step := uint32(997)
	if *exhaustive {
		step = 1
	}
	for _, beta := range []float32{1, 0.1, 1.0 / 9, 0.3, 2.5, 3, 1.9999999, 1.0000001, 0x1.555554p-2, 0x1p-20, 0x1.fffffep63} {
		// The significands of two binades below beta, for quotients on either side of a power of two.
		below := math.Float32bits(beta)&^(1<<23-1) - 4<<23
		var x, want []float32
		for i := uint32(0); i < 2<<23; i += step {
			v := math.Float32frombits(below + i)
			x = append(x, v)
			// For a quotient of two 24-bit numbers, rounding to 53 bits and then to 24 is the same as rounding to 24.
			want = append(want, float32(float64(v)/float64(beta)))
		}
		eachSet(t, func(t *testing.T) {
			got := quotients(t, beta, x)
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%x/%x: got %x, want %x", x[i], beta, got[i], want[i])
				}
			}
		})
	}
}
