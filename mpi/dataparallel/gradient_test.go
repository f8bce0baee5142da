//go:build cgo && linux

package dataparallel

import (
	"math"
	"runtime"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

// partial is the partial gradient of a parameter in a block.
func partial(block, param int) float64 {
	return math.Sin(float64(1+block*1000+param)) * math.Exp(float64(block%40-param%3))
}

// gradients compares reduced gradients with the canonical sum of all partial gradients.
func gradients(t ranks.Check, world *mpi.Comm) {
	roundNumbers = 64
	for _, params := range []int{0, 1, 5, 300} {
		g, err := NewGradient(world, params)
		require.NoError(t, err)
		for _, rows := range []int{0, 1, 3 * 2048, 50*2048 + 3} {
			from, to, err := Shard(rows, world.Rank(), world.Size())
			require.NoError(t, err)
			var mine []float64
			for b := from / 2048; from < to && b < (to+2047)/2048; b++ {
				for p := range params {
					mine = append(mine, partial(b, p))
				}
			}
			grad := make([]float64, params)
			require.NoError(t, g.Reduce(to-from, mine, grad))
			for p := range grad {
				var all []float64
				for b := range cpu.Chunks(rows) {
					all = append(all, partial(b, p))
				}
				want, err := cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, all, rows, smoothl1.Divisor{})
				require.NoError(t, err)
				require.True(t, equal(want, grad[p]), "%d parameters, %d rows, [%d] = %v, not %v", params, rows, p, grad[p], want)
			}
		}
	}
	last := world.Size() - 1
	odd := world.Rank() == last

	// One rank has all the rows: it sends no more numbers at once than others do.
	g, err := NewGradient(world, 300)
	require.NoError(t, err)
	rows, partials := 0, []float64(nil)
	if odd {
		rows, partials = 50*2048, make([]float64, 50*300)
	}
	require.NoError(t, g.Reduce(rows, partials, make([]float64, 300)))
	require.LessOrEqual(t, len(g.send), roundNumbers)

	params := 3
	if odd {
		params = -3
	}
	_, err = NewGradient(world, params)
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "params = -3")
	if params = 3; odd && last > 0 {
		params = 4
	}
	if _, err = NewGradient(world, params); last > 0 {
		require.ErrorIs(t, err, ErrDisagree)
		require.ErrorContains(t, err, "length: 3 on rank")
	}
	g, err = NewGradient(world, 3)
	require.NoError(t, err)
	if last > 0 {
		none, err := NewGradient(world, 0)
		require.NoError(t, err)
		require.ErrorIs(t, none.Reduce(math.MaxInt, nil, nil), smoothl1.ErrTooLarge)
	}
	for _, bad := range []func() error{
		func() error { return g.Reduce(-1, nil, make([]float64, 3)) },
		func() error { return g.Reduce(2049, make([]float64, 3), make([]float64, 3)) },
		func() error { return g.Reduce(2048, make([]float64, 3), make([]float64, 2)) },
	} {
		err := g.Reduce
		if odd {
			require.ErrorIs(t, bad(), ErrFailed)
		} else {
			require.ErrorIs(t, err(2048, make([]float64, 3), make([]float64, 3)), ErrFailed)
		}
	}
	if last > 0 {
		rows := 2048
		if world.Rank() == 0 {
			rows = 100
		}
		require.ErrorContains(t, g.Reduce(rows, make([]float64, 3), make([]float64, 3)), "rank 0 has 100 elements")
	}
	g.mu.Lock()
	require.ErrorIs(t, g.Reduce(0, nil, nil), smoothl1.ErrBusy)
}

// steps makes 10,000 training steps: neither this process nor the Go heap may grow.
func steps(t ranks.Check, world *mpi.Comm) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	s, err := NewSmoothL1[float32](world, dev, smoothl1.Loss{Beta: 1})
	require.NoError(t, err)
	g, err := NewGradient(world, 10)
	require.NoError(t, err)
	const n = 2048
	pred, mask := make([]float32, n), make([]uint8, n)
	pred[3], mask[3] = 2, 1
	a := &gpu.Args[float32]{Pred: wrap(t, dev, pred), Target: wrap(t, dev, make([]float32, n)), Mask: wrap(t, dev, mask), GradPred: wrap(t, dev, make([]float32, n)),
		Divisor: smoothl1.DivideByKept()}
	partials, grad := make([]float64, 10), make([]float64, 10)
	var before, after runtime.MemStats
	var resident int
	for i := range 11_000 {
		if i == 1000 {
			resident = ranks.Pages(t)
			runtime.ReadMemStats(&before)
		}
		loss, err := s.Run(a)
		require.NoError(t, err)
		require.True(t, loss == 1.5)
		require.NoError(t, g.Reduce(n, partials, grad))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.Mallocs-before.Mallocs, uint64(1000), "allocations in 10,000 steps")
	require.Less(t, ranks.Pages(t)-resident, 256, "pages of 4 KiB")
}
