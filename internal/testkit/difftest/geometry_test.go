package difftest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// launches is a device that counts the launches of each geometry.
type launches struct {
	driver.Device
	of map[driver.Geometry]int
}

func (l launches) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	l.of[g]++
	return l.Device.Launch(f, g, on, args)
}

// TestGeometries runs cases of all kernels on each geometry that the benchmarks try: few of them unless -long is given, but each kernel on
// some geometry, and those that the benchmarks measure on all, on arrays of which a warp takes many chunks or none.
func TestGeometries(t *testing.T) {
	if *onlyColumn != "" {
		t.Skip("for simulated devices")
	}
	const multiprocessors = 2
	cases, first := Ordered()
	var measured []Case
	for _, op := range []Case{{Op: Forward}, {Op: ForwardBackward, Grads: GradPred, Upstream: 1}} {
		for k, n := range []int{3 * 2048, 20_001, 128 * 4096} {
			c := op
			c.N, c.Seed, c.Loss = n, uint64(n), smoothl1.Loss{Beta: []float64{1, 0.1}[k%2], Reduction: smoothl1.Mean}
			if n < 128*4096 || testkit.Long() {
				measured = append(measured, c)
			}
		}
	}
	for i, g := range Geometries() {
		d := launches{sim.New(sim.Seed(*seed), sim.Multiprocessors(multiprocessors)), map[driver.Geometry]int{}}
		dev, err := gpu.Open(gpu.On(Modified{Device: d, Geometry: &g}))
		require.NoError(t, err)
		column := []Column{On("sim, "+g.String(), dev)}
		for k, c := range cases[:first] {
			if k%len(Geometries()) == i || testkit.Long() {
				hold(t, c, column)
			}
		}
		for _, c := range measured {
			hold(t, c, column)
		}
		require.NoError(t, dev.Close())
		want := driver.Linear(uint32(g.Blocks*multiprocessors), uint32(g.Warps*32))
		assert.Len(t, d.of, 1)
		assert.Greater(t, d.of[want], len(measured), "%v", d.of)
	}
}

// TestGeometryOn checks the grids, and that the target of a sweep has all of them.
func TestGeometryOn(t *testing.T) {
	all := Geometries()
	assert.Len(t, all, 16)
	assert.Equal(t, Geometry{1, 1}, all[0])
	assert.Equal(t, Geometry{8, 4}, all[15])
	assert.Equal(t, "4 warps × 3 blocks", Geometry{4, 3}.String())
	chosen := driver.Geometry{Grid: [3]uint32{5, 1, 1}, Block: [3]uint32{64, 1, 1}, SharedBytes: 8}
	assert.Equal(t, chosen, Geometry{}.On(132, chosen))
	assert.Equal(t, driver.Geometry{Grid: [3]uint32{396, 1, 1}, Block: [3]uint32{128, 1, 1}, SharedBytes: 8}, Geometry{4, 3}.On(132, chosen))

	seen := map[Geometry]int{}
	for block := range 2 * len(all) {
		if _, g := shapeOf(block); g != nil {
			seen[*g]++
		}
	}
	assert.Len(t, seen, len(all), "each is on one of the first blocks of a sweep")
	multiprocessors, g := shapeOf(3)
	assert.Nil(t, g)
	assert.Equal(t, Multiprocessors[3], multiprocessors)
}
