package gpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/sim"
)

// TestLossOfAStreamThatIsGone computes on streams that are closed, in every way, before the loss is read or the op is used on
// another stream. On the simulated device a kernel may run as late as CUDA allows: every seed draws other moments.
func TestLossOfAStreamThatIsGone(t *testing.T) {
	const n = 5000
	l := smoothl1.Loss{Beta: 0.5}
	for seed := range uint64(40) {
		if testing.Short() && seed == 5 {
			break
		}
		drv := sim.New(sim.Seed(seed))
		d, err := Open(On(drv))
		require.NoError(t, err)
		foreign, err := drv.NewStream()
		require.NoError(t, err)
		target, err := Upload(d, make([]float32, n))
		require.NoError(t, err)
		crit, err := NewSmoothL1[float32](d, l)
		require.NoError(t, err)

		x := make([]float32, n)
		for step := range 24 {
			for i := range x {
				x[i] = float32((i+step)%(step+3)) - 1
			}
			want, err := Compute(d, l, x, make([]float32, n), nil)
			require.NoError(t, err)
			pred, err := Upload(d, x)
			require.NoError(t, err)
			require.NoError(t, d.Wait()) // for the copies, which are on the default stream

			var s *Stream
			if step%3 == 0 {
				s, err = d.WrapStream(uintptr(foreign))
			} else {
				s, err = d.NewStream()
			}
			require.NoError(t, err)
			require.NoError(t, crit.Forward(pred, target, OnStream(s)))
			switch {
			case step%2 == 0: // the next reduction is on another stream while this one is open
			case step%3 == 1: // what another goroutine sees while a Close goes on
				_, err = s.guard.close()
				require.NoError(t, err)
			default:
				require.NoError(t, s.Close())
			}
			if step%4 == 3 { // nobody reads this one: the next reduction follows it at once
				continue
			}
			got, err := crit.Value()
			require.NoError(t, err)
			sums, err := crit.ChunkSums(nil)
			require.NoError(t, err)
			where := fmt.Sprintf("seed %d, step %d", seed, step)
			require.Equal(t, want, got, where)
			assert.Len(t, sums, 3, where)
		}
		require.NoError(t, d.Close())
	}
}
