package measure

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/sim"
)

// geometric opens a device on which geometries can be imposed.
func geometric(t *testing.T, drv driver.Device) Config {
	g := &difftest.Geometry{}
	return Config{Device: open(t, gpu.On(difftest.Modified{Device: drv, Geometry: g})), Geometry: g, Samples: 2, Rotate: 20_000}
}

// TestSweep measures each geometry, which must reach the device, and the one that package gpu chooses.
func TestSweep(t *testing.T) {
	d := &grids{Device: sim.New(sim.Fast(), sim.Multiprocessors(3)), threads: map[[2]uint32]int{}}
	c := geometric(t, d)
	c.Sweeps = []int{5000, math.MaxInt / 64}
	var lines []string
	c.Report = func(line string) { lines = append(lines, line) }
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, r.Sweeps, 2)
	for i, op := range []string{ForwardReduced, ForwardBackward} {
		s := &r.Sweeps[i]
		assert.Equal(t, op, s.Op)
		assert.Equal(t, 5000, s.N)
		assert.Equal(t, []int{8, 12}[i]*5000, s.Bytes)
		assert.Equal(t, 2, s.Samples)
		require.Len(t, s.At, 1+len(difftest.Geometries()))
		for _, p := range s.At {
			assert.Positive(t, p.DeviceNS.Median)
			assert.GreaterOrEqual(t, p.DeviceNS.Median, min(s.Best().DeviceNS.Median, s.Chosen().Median))
		}
		assert.Equal(t, s.At[0].DeviceNS, s.Chosen())
		assert.Equal(t, s.String(), lines[i])
	}
	for _, g := range difftest.Geometries() {
		assert.Greater(t, d.threads[[2]uint32{uint32(3 * g.Blocks), uint32(32 * g.Warps)}], 2*4, "%v: more than the checks launch", g)
	}
	require.Len(t, r.Left, 1)
	assert.Contains(t, r.Left[0], "the geometries on 144115188075855871 elements: need ")

	path := filepath.Join(t.TempDir(), "r.json")
	require.NoError(t, r.Save(path))
	again, err := Load(path)
	require.NoError(t, err)
	assert.Equal(t, r, again)
	var text strings.Builder
	require.NoError(t, r.Print(&text))
	assert.Regexp(t, `forward\+backward of 5000 elements: [0-9.]+ µs on \d warps × \d blocks, the best, [0-9.]+ µs as launched\n *warps of a block +1 × multiprocessors, µs +2 × `, text.String())
	assert.Regexp(t, `\n +8( +[0-9.]+){4}\n`, text.String())

	c.For = time.Nanosecond
	c.Sweeps = []int{100}
	r, err = Run(t.Context(), c)
	require.NoError(t, err)
	assert.Empty(t, r.Sweeps)
	assert.Equal(t, []string{"the geometries on 100 elements: time was up"}, r.Left)
}

// TestSlowDevice checks that what a slow device cannot finish is left out, and what is smaller is measured.
func TestSlowDevice(t *testing.T) {
	d := &slow{sim.New(sim.Fast())}
	c := geometric(t, d)
	c.Sweeps, c.For = []int{5000, 10}, 40*time.Second
	c.Workloads = Sizes([]int{5000, 10}, []smoothl1.DType{smoothl1.Float32}, []float64{1})
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, r.Groups, 1)
	assert.Equal(t, 10, r.Groups[0].N)
	require.Len(t, r.Sweeps, 2)
	assert.Equal(t, 10, r.Sweeps[0].N)
	r.Left = slices.DeleteFunc(r.Left, func(line string) bool { return strings.HasPrefix(line, Replayed) }) // the device has no graphs
	require.Len(t, r.Left, 2)
	assert.Regexp(t, `^5000 elements of float32: it would take about \d+\.\d s, and \d+\.\d s are left$`, r.Left[0])
	assert.Regexp(t, `^the geometries on 5000 elements: it would take about `, r.Left[1])
}

// slow is a device whose kernels take long if the first word of the parameter, the number of elements, is large.
type slow struct{ driver.Device }

func (d *slow) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	if args[0] > 1000 {
		time.Sleep(300 * time.Millisecond)
	}
	return d.Device.Launch(f, g, on, args)
}

// grids counts the launches of each number of blocks and threads. Those of wrong threads do nothing, unless it is 0.
type grids struct {
	driver.Device
	threads map[[2]uint32]int
	wrong   uint32
}

func (d *grids) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	d.threads[[2]uint32{g.Grid[0], g.Block[0]}]++
	if g.Block[0] == d.wrong && g.Grid[0] == 8 {
		return nil
	}
	return d.Device.Launch(f, g, on, args)
}

// TestSweepFindsWrongAnswers checks that a geometry on which nothing is computed is not measured.
func TestSweepFindsWrongAnswers(t *testing.T) {
	c := geometric(t, &grids{Device: sim.New(sim.Fast(), sim.Multiprocessors(4)), threads: map[[2]uint32]int{}, wrong: 64})
	c.Sweeps = []int{300}
	_, err := Run(t.Context(), c)
	require.ErrorContains(t, err, "wrong answer: forward of 300 elements on 2 warps × 2 blocks: the loss is 0, the reference's ")
	assert.Equal(t, difftest.Geometry{}, *c.Geometry, "it does not stay imposed")
}
