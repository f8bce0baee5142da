package core

import "github.com/smoothl1/smoothl1/internal/op"

// Fold adds the lanes by halves, lane i += lane i+64, then i+32, …, i+1, where only the first used lanes were added to. The
// others are +0, which changes no lane: a lane that began at +0 is never −0.
func Fold(lanes *[op.Lanes]float64, used int) float64 {
	used = min(used, op.Lanes)
	for half := op.Lanes / 2; half > 0; half /= 2 {
		for i := half; i < used; i++ {
			lanes[i-half] += lanes[i]
		}
		used = min(used, half)
	}
	return lanes[0]
}
