package gpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/faults"
	"github.com/smoothl1/smoothl1/sim"
)

// openPieces opens a device whose pieces are a chunk of float64, so that those of smaller types are one, two or four chunks.
func openPieces(t testing.TB, drv driver.Device) *Device {
	d, err := Open(On(drv))
	require.NoError(t, err)
	d.pieceBytes = 8 * cpu.Chunk
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// random returns n numbers, some of them special.
func random[T smoothl1.Float](rng *rand.Rand, n int) []T {
	x, y := make([]float64, n), make([]T, n)
	for i := range x {
		switch x[i] = rng.NormFloat64(); rng.IntN(500) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = 1e-40
		}
	}
	_ = smoothl1.Convert(y, x) // the lengths are equal
	return y
}

// computeInPieces compares Compute with the reference, bit by bit.
func computeInPieces[T smoothl1.Float](t *testing.T, d *Device, rng *rand.Rand, n int, l smoothl1.Loss) {
	pred, target := random[T](rng, n), random[T](rng, n)
	want := make([]T, n)
	value, err := cpu.RefForwardBackward(l, &cpu.Args[T]{Pred: pred, Target: target, GradPred: want})
	require.NoError(t, err)
	for _, way := range []string{"forward", "gradient", "over pred", "over target"} {
		p, q := slices.Clone(pred), slices.Clone(target)
		grad := map[string][]T{"gradient": make([]T, n), "over pred": p, "over target": q}[way]
		got, err := Compute(d, l, p, q, grad)
		what := fmt.Sprintf("%v, n=%d, %v, %s, %v", smoothl1.DTypeOf[T](), n, l, way, d)
		require.NoError(t, err, what)
		require.Equal(t, rawBytes([]float64{value}), rawBytes([]float64{got}), what)
		if grad != nil {
			require.Equal(t, rawBytes(want), rawBytes(grad), what)
		}
		if way != "over pred" {
			require.Equal(t, rawBytes(pred), rawBytes(p), what)
		}
		if way != "over target" {
			require.Equal(t, rawBytes(target), rawBytes(q), what)
		}
	}
}

// unpinned is a device without page-locked memory.
type unpinned struct{ driver.Device }

func TestComputeInPieces(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			options := []sim.Option{sim.Seed(seed)}
			if seed%3 != 0 {
				options = append(options, sim.Fast())
			}
			var drv driver.Device = sim.New(options...)
			if seed%4 == 3 {
				drv = unpinned{drv}
			}
			d := openPieces(t, drv)
			rng := rand.New(rand.NewPCG(seed, 1))
			counts := []int{0, 1, cpu.Chunk, cpu.Chunk + 1, 5*cpu.Chunk - 1, 1 + rng.IntN(9*cpu.Chunk)}
			for i, n := range counts {
				l := smoothl1.Loss{Kind: smoothl1.Kind(rng.IntN(2)), Beta: []float64{1, 0.3}[rng.IntN(2)], Reduction: []smoothl1.Reduction{smoothl1.Mean, smoothl1.Sum}[(i+int(seed))%2]}
				computeInPieces[float32](t, d, rng, n, l)
				computeInPieces[float64](t, d, rng, n, l)
				computeInPieces[smoothl1.F16](t, d, rng, n, l)
				computeInPieces[smoothl1.BF16](t, d, rng, n, l)
			}
			assert.Equal(t, seed%4 == 3, d.Pageable() != "")
		})
	}
}

// Arrays may be larger than the device's memory, and a device that is full says how much it has.
func TestComputeBeyondTheDevice(t *testing.T) {
	device := sim.New(sim.MemoryBytes(1<<18), sim.Fast())
	d := openPieces(t, device)
	rng := rand.New(rand.NewPCG(1, 2))
	computeInPieces[float32](t, d, rng, 150*cpu.Chunk+3, smoothl1.Loss{Beta: 1})
	used := device.Held()
	assert.Less(t, used.Bytes, uint64(1<<18))
	assert.Equal(t, 3, used.Pinned)

	// The staging makes room for others.
	free, total, err := device.MemoryInfo()
	require.NoError(t, err)
	big, err := Alloc[uint8](d, int(free)+1)
	require.NoError(t, err)
	assert.Zero(t, device.Held().Pinned)
	free, _, err = device.MemoryInfo()
	require.NoError(t, err)
	_, err = Alloc[uint8](d, int(free)+1)
	require.ErrorIs(t, err, smoothl1.ErrMemory)
	require.EqualError(t, err, fmt.Sprintf("gpu: allocate (%d bytes): CUDA_ERROR_OUT_OF_MEMORY (2) from cuMemAlloc: %d of %d bytes are free", free+1, free, total))
	x := make([]float32, 9*cpu.Chunk)
	_, err = Compute(d, smoothl1.Loss{Beta: 1}, x, x, nil)
	require.ErrorIs(t, err, smoothl1.ErrMemory)
	require.ErrorContains(t, err, " bytes are free")
	require.NoError(t, big.Close())
	computeInPieces[float32](t, d, rng, 9*cpu.Chunk, smoothl1.Loss{Beta: 1})
}

// A call after the first of its size takes nothing of the device, and one that fails leaves nothing.
func TestComputeKeepsItsStaging(t *testing.T) {
	device := sim.New(sim.Fast())
	d := openPieces(t, device)
	rng := rand.New(rand.NewPCG(1, 3))
	l := smoothl1.Loss{Beta: 1}
	computeInPieces[float32](t, d, rng, 20*cpu.Chunk, l)
	calls := func() (n []uint64) {
		for _, k := range []sim.CallKind{sim.AllocCall, sim.FreeCall, sim.PinnedCall, sim.StreamCall, sim.LoadCall} {
			n = append(n, device.Calls(k))
		}
		return n
	}
	before, held := calls(), device.Held()
	for _, n := range []int{1, 100, cpu.Chunk, 20 * cpu.Chunk, 33 * cpu.Chunk} {
		computeInPieces[float32](t, d, rng, n, l)
	}
	require.Equal(t, before, calls())
	require.Equal(t, held, device.Held())
}

// Whatever call of the driver fails, Compute reports it, releases what it used, and works again.
func TestComputeFails(t *testing.T) {
	n := 9*cpu.Chunk + 5
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], y[i] = float32(i%11), float32(i%7)
	}
	want := make([]float32, n)
	l := smoothl1.Loss{Beta: 1}
	value, err := cpu.RefForwardBackward(l, &cpu.Args[float32]{Pred: x, Target: y, GradPred: want})
	require.NoError(t, err)
	compute := func(d *Device, options ...Option) error {
		grad := make([]float32, n)
		got, err := Compute(d, l, x, y, grad, options...)
		if err == nil {
			require.Equal(t, value, got)
			require.Equal(t, want, grad)
		}
		return err
	}
	for name, wrap := range map[string]func(*sim.Device) driver.Device{
		"pinned":   func(s *sim.Device) driver.Device { return s },
		"pageable": func(s *sim.Device) driver.Device { return unpinned{s} },
	} {
		t.Run(name, func(t *testing.T) {
			count := faults.Wrap(wrap(sim.New(sim.Seed(1), sim.Fast())))
			d := openPieces(t, count)
			s, err := d.NewStream()
			require.NoError(t, err)
			ready := total(count.Calls())
			require.NoError(t, compute(d, OnStream(s), MaxBlocks(1)))
			sites := total(count.Calls()) - ready
			for k := 1; k <= sites; k++ {
				f := faults.Wrap(wrap(sim.New(sim.Seed(uint64(k)), sim.Fast())))
				d := openPieces(t, f)
				s, err := d.NewStream()
				require.NoError(t, err)
				failed := ""
				f.Before("", k, func(method string) error {
					failed = method
					return errInjected
				})
				err = compute(d, OnStream(s), MaxBlocks(1))
				require.NotEmpty(t, failed)
				if failed == "AllocPinned" {
					require.NoError(t, err)
					require.Contains(t, d.Pageable(), "gpu: allocate page-locked memory (")
					require.Contains(t, d.String(), d.Pageable())
				} else {
					require.ErrorIs(t, err, error(errInjected), failed)
					for kind, left := range f.Alive() {
						if kind != "modules" && kind != "streams" {
							assert.Zero(t, left, "%s: %s left", failed, kind)
						}
					}
					assert.Equal(t, 1, f.Alive()["streams"], failed)
				}
				require.NoError(t, compute(d), failed)
			}
		})
	}
}

func total(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// Page-locked memory that is refused is not asked for again.
func TestPinnedIsRefusedOnce(t *testing.T) {
	device := sim.New(sim.Fast())
	d := openPieces(t, device)
	assert.Empty(t, d.Pageable())
	assert.NotContains(t, d.String(), "pageable")
	device.FailNext(sim.PinnedCall, 2, false)
	rng := rand.New(rand.NewPCG(1, 4))
	computeInPieces[float32](t, d, rng, 9*cpu.Chunk, smoothl1.Loss{Beta: 1})
	assert.Contains(t, d.Pageable(), "CUDA_ERROR_OUT_OF_MEMORY (2) from cuMemHostAlloc")
	assert.Zero(t, device.Held().Pinned, "all or none")
	calls := device.Calls(sim.PinnedCall)
	computeInPieces[float64](t, d, rng, 20*cpu.Chunk, smoothl1.Loss{Beta: 1})
	assert.Equal(t, calls, device.Calls(sim.PinnedCall))
}

func TestComputeInParallel(t *testing.T) {
	device := sim.New(sim.Fast())
	d := openPieces(t, device)
	var all sync.WaitGroup
	for g := range 10 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 5))
			for range 3 {
				computeInPieces[float32](t, d, rng, 1+rng.IntN(7*cpu.Chunk), smoothl1.Loss{Beta: 1})
			}
		})
	}
	all.Wait()
	assert.LessOrEqual(t, d.Usage().Objects, maxStagings)
	require.NoError(t, d.Close())
	assert.Equal(t, sim.Held{}, device.Held())
}
