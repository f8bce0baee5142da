package core

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/op"
)

func TestFoldOfFewLanes(t *testing.T) {
	for used := range op.Lanes + 1 {
		var lanes, all [op.Lanes]float64
		for i := range used { // numbers whose sum depends on the order
			lanes[i] = math.Ldexp(float64(int32(uint32(i)*2654435761+99)), i%90-76)
		}
		all = lanes
		for half := op.Lanes / 2; half > 0; half /= 2 {
			for i := range half {
				all[i] += all[i+half]
			}
		}
		require.Equal(t, all[0], Fold(&lanes, used), used)
	}
}
