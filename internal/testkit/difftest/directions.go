package difftest

import (
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// directionCases returns cases of the types of 16 bits whose second derivatives show how each step of the computation rounds.
func directionCases() []Case {
	var cases []Case
	for _, t := range []smoothl1.DType{smoothl1.Float16, smoothl1.BFloat16} {
		for _, beta := range []float64{0.3, 4} {
			for step := range 3 {
				c := Case{Op: Backward, DType: t, Loss: smoothl1.Loss{Beta: beta}, N: 3*cpu.Chunk - 1, Data: Directions, Seed: uint64(step)}
				c.Forms[op.RoleSecond] = Dense
				if step == 2 && beta == 4 {
					continue // the quotient is exact
				}
				for k := range 1 << 16 {
					c.Upstream = 1 + float64(2*k+1)/significands
					if _, ok := directionOf(c); ok {
						break
					}
				}
				for range 2 {
					cases = append(cases, c)
					c.Shift++
				}
			}
		}
	}
	return cases
}

// directionOf returns a direction whose second derivative, ((n·v)·g)/beta, is another number of the type if a step of it, which the seed
// chooses, is rounded to zero.
func directionOf(c Case) (v float64, ok bool) {
	f := formatOf(c.DType)
	n, g, beta := float32(1/op.Divisor(c.Loss.Reduction, smoothl1.Divisor{}, c.N)), float32(c.Upstream), float32(c.Loss.Beta)
	second := func(v float32, step int) float64 {
		round := func(exact float64, at int) float32 { // exact, or for the quotient nearly so
			x := float32(exact)
			if at == step && float64(x) > exact {
				x = math.Nextafter32(x, 0)
			}
			return x
		}
		x := round(float64(n)*float64(v), 0)
		x = round(float64(x)*float64(g), 1)
		return f.round(float64(round(float64(x)/float64(beta), 2)))
	}
	for v := float32(1024); v < 2048; v += float32(math.Ldexp(1, 11-min(11, f.digits))) {
		if second(v, -1) != second(v, int(c.Seed%3)) {
			return float64(v), true
		}
	}
	return 0, false
}
