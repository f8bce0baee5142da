package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

func open(t *testing.T, choice gpu.OpenOption) *gpu.Device {
	dev, err := gpu.Open(choice)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, dev.Close()) })
	return dev
}

func TestQuantiles(t *testing.T) {
	assert.Equal(t, Times{}, Quantiles(nil))
	assert.Equal(t, Times{7, 7, 7}, Quantiles([]float64{7}))
	assert.Equal(t, Times{2, 6, 10}, Quantiles([]float64{11, 1, 3, 2, 4, 5, 6, 7, 8, 9, 10}))
	assert.InDelta(t, 1.2, Quantiles([]float64{3, 1}).P10, 1e-12)
}

func TestShareIsOfTheCopyOfTheSameSize(t *testing.T) {
	g := Group{Entries: []Entry{
		{Op: ForwardReduced, Contender: Ours, Bytes: 100, DeviceNS: Times{Median: 50}},
		{Op: ForwardBackward, Contender: Ours, Bytes: 150, DeviceNS: Times{Median: 50}},
		{Op: Copy, Contender: "as 2 arrays", Bytes: 100, DeviceNS: Times{Median: 25}},
		{Op: Copy, Contender: "as 2 arrays", Bytes: 148, DeviceNS: Times{Median: 74}},
	}}
	assert.Equal(t, 0.5, g.Share(g.Entries[0]))
	assert.Equal(t, 1.5, g.Share(g.Entries[1]))
	assert.True(t, math.IsNaN((&Group{}).Share(g.Entries[0])))
	e, ok := g.Find(ForwardBackward, Ours)
	assert.True(t, ok)
	assert.Equal(t, 3.0, e.GBs())
	_, ok = g.Find(ForwardBackward, Eager)
	assert.False(t, ok)
}

// TestRotation checks that successive calls use different memory, all of it filled, and more in total than was asked for.
func TestRotation(t *testing.T) {
	for _, dev := range []*gpu.Device{open(t, gpu.CPU()), open(t, gpu.On(sim.New(sim.Fast())))} {
		const n, bytes = 1000, 50_000
		r, err := newRotation[float32](t.Context(), dev, layout{n: n}, bytes)
		require.NoError(t, err)
		assert.Greater(t, r.sets*2*n*4, bytes)
		assert.EqualValues(t, 3*4*r.sets*r.stride, layout{n: n}.bytes(bytes))
		assert.Zero(t, r.stride%aligned)
		for i := range 4 * r.sets {
			var s set[float32]
			if half := 2 * r.sets; i < half { // some at a time, then all
				at, err := r.take(1)
				require.NoError(t, err)
				s = at(0)
			} else {
				at, err := r.take(half)
				require.NoError(t, err)
				s = at(i - half)
			}
			assert.Equal(t, i%r.sets*r.stride, s.first)
			want, got := make([]float32, n), make([]float32, n)
			for k, b := range []*gpu.Buffer[float32]{s.pred, s.target} {
				generate(want, uint64(k+1), s.first)
				require.NoError(t, b.Download(got))
				require.Equal(t, want, got)
			}
			require.Equal(t, n, s.out.Len())
		}

		m := r.copied(3)
		assert.Equal(t, 1500, m)
		copies, err := r.takeCopies(m, 4)
		require.NoError(t, err)
		require.Len(t, copies, 4)
		from, to := make([]float32, r.whole[0].Len()), make([]float32, r.whole[0].Len())
		require.NoError(t, r.whole[0].Download(from))
		for i, run := range copies { // each copies the memory after the last one's
			require.NoError(t, r.whole[2].Set(make([]float32, len(to))))
			require.NoError(t, run())
			require.NoError(t, r.whole[2].Download(to))
			first := i * 1536
			require.Equal(t, from[first:first+m], to[first:first+m])
			clear(to[first : first+m])
			require.Equal(t, make([]float32, len(to)), to, "nothing else")
		}
		require.NoError(t, r.close())
	}
	// An array that is larger than the memory to rotate through has one set, and its copies are no longer than it is.
	r, err := newRotation[float64](t.Context(), open(t, gpu.CPU()), layout{n: 1000, dtype: smoothl1.Float64}, 0)
	require.NoError(t, err)
	assert.Equal(t, 1, r.sets)
	assert.Equal(t, 1024, r.copied(3))
	_, err = r.takeCopies(r.copied(3), 3)
	require.NoError(t, err)
	require.NoError(t, r.close())
}

// TestCopyParts copies one part, several parts, and a remainder.
func TestCopyParts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	const part = 64 * cpu.Chunk
	for _, n := range []int{0, 1, part, part + 1, 3*part - 1, 5*part + 17} {
		from, to := make([]float32, n), make([]float32, n+1)
		generate(from, 3, 0)
		copyParts(to[:n], from)
		require.Equal(t, from, to[:n])
		require.Zero(t, to[n], "behind the end")
	}
}

func TestGenerate(t *testing.T) {
	whole := make([]float64, 600_000)
	generate(whole, 1, 0)
	part := make([]float64, 1000)
	generate(part, 1, 300_000)
	assert.Equal(t, whole[300_000:301_000], part, "a function of the position")
	generate(part, 2, 300_000)
	assert.NotEqual(t, whole[300_000:301_000], part, "and of the seed")
	sum, near := 0.0, 0
	for _, x := range whole {
		require.True(t, x >= -2 && x < 2)
		sum += x
		if math.Abs(x) < 1 {
			near++
		}
	}
	assert.InDelta(t, 0, sum/float64(len(whole)), 0.01)
	assert.InDelta(t, 0.5, float64(near)/float64(len(whole)), 0.01)
}

// TestCheckFindsWrongAnswers changes one element of an input, so that the device's results are wrong.
func TestCheckFindsWrongAnswers(t *testing.T) {
	dev := open(t, gpu.On(sim.New(sim.Fast())))
	for _, l := range []smoothl1.Loss{{Beta: 0.1}, {Kind: smoothl1.Huber, Beta: 2, Reduction: smoothl1.Sum}} {
		w := Workload{Shape: []int{3000}, Loss: l}
		op, err := gpu.NewSmoothL1[float32](dev, l)
		require.NoError(t, err)
		r, err := newRotation[float32](t.Context(), dev, w.layout(), 50_000)
		require.NoError(t, err)
		check := func() error {
			_, err := check(t.Context(), r, w, op)
			return err
		}
		require.NoError(t, check())
		for _, k := range []int{0, r.sets - 1} {
			s, err := r.at(k)
			require.NoError(t, err)
			x := make([]float32, 3000)
			require.NoError(t, s.pred.Download(x))
			old := x[2999]
			x[2999] = old + 0.25
			require.NoError(t, s.pred.Set(x))
			require.ErrorContains(t, check(), "wrong answer: forward none of 3000 elements of float32, "+l.String()+": element 2999 is ")
			x[2999] = old
			require.NoError(t, s.pred.Set(x))
		}
		require.NoError(t, check())
		require.NoError(t, r.close())
		require.NoError(t, op.Close())
	}
}

// likeCUDA is a simulated device that passes for a real one.
type likeCUDA struct{ *sim.Device }

func (d likeCUDA) Info() driver.Info {
	info := d.Device.Info()
	info.Backend, info.Name, info.DriverVersion, info.L2Bytes = "cuda", "like CUDA", 12040, 1<<20
	return info
}

func TestRun(t *testing.T) {
	const tooMany = math.MaxInt / 64
	defer func(n int) { holdElements = n }(holdElements)
	holdElements = 1 << 14
	drv := likeCUDA{sim.New(sim.Fast())}
	for _, dev := range []*gpu.Device{open(t, gpu.CPU()), open(t, gpu.On(sim.New(sim.Fast()))), open(t, gpu.On(drv))} {
		var lines []string
		workloads := append(Sizes([]int{1000, 3000}, []smoothl1.DType{smoothl1.Float32, smoothl1.Float64}, []float64{1, 0.1}), Named()[0],
			Workload{Name: "too large", Shape: []int{tooMany}, Loss: smoothl1.Loss{Beta: 1}})
		c := Config{Device: dev, Workloads: workloads, Samples: 2, Commit: "c", Rotate: 50_000, Report: func(line string) { lines = append(lines, line) }}
		entries := 6
		if dev.Backend() != "cpu" {
			entries++ // the replay of a graph
		}
		if dev.Backend() == "cuda" {
			c.Driver = drv
			entries += 2
		}
		r, err := Run(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, r.Groups, 9)
		for i, g := range r.Groups {
			assert.Equal(t, workloads[i].N(), g.N)
			assert.Equal(t, workloads[i].DType, g.DType)
			if _, ok := g.Find(ForwardReduced, Ours); assert.True(t, ok) && dev.Backend() == "cuda" && g.DType == smoothl1.Float32 && g.Beta == 1 {
				require.Len(t, g.Entries, entries+1, "the atomic sum")
			} else {
				require.Len(t, g.Entries, entries)
			}
			for _, e := range g.Entries {
				assert.Positive(t, e.DeviceNS.Median)
				assert.Positive(t, e.NS.Median)
				assert.Positive(t, e.Bytes)
				assert.LessOrEqual(t, e.DeviceNS.P10, e.DeviceNS.P90)
			}
			e, ok := g.Find(ForwardBackward, Ours)
			assert.True(t, ok)
			assert.Equal(t, 3*g.N*g.DType.Size(), e.Bytes)
		}
		require.Len(t, r.Left, 1)
		assert.Regexp(t, fmt.Sprintf(`^%d elements of float32: need \d+\.\d GiB, have `, tooMany), r.Left[0])
		assert.Equal(t, "left out: "+r.Left[0], lines[9])
		assert.Regexp(t, `^1000 float32 smooth_l1\(beta=1, mean\): forward\+backward .* of a copy(, .* of its ceiling)?(; smoothl1, graph .* times as long)?$`, lines[0])
		assert.Regexp(t, `^DQN, 32×1 float32 smooth_l1`, lines[8])
		assert.NotEmpty(t, r.NoPeers)

		var table strings.Builder
		require.NoError(t, r.Print(&table))
		for _, text := range []string{r.Device.Name, "DQN, 32×1 float32", "left out: " + r.Left[0], "PyTorch took no part: not asked for"} {
			assert.Contains(t, table.String(), text)
		}
		for _, line := range []string{`forward\+backward +smoothl1 `, `copy +as 2 arrays `, `copy +as 3 arrays `} {
			assert.Regexp(t, line, table.String())
		}
		assert.Equal(t, dev.Backend() == "cuda", strings.Contains(table.String(), "like CUDA (sm_90), driver for CUDA 12.4; buffers"))
		assert.Equal(t, dev.Backend() == "sim", strings.Contains(table.String(), "times are those of the simulation"))

		text, err := json.Marshal(r)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "r.json")
		require.NoError(t, os.WriteFile(path, text, 0o666))
		again, err := Load(path)
		require.NoError(t, err)
		assert.Equal(t, r, again)
	}
	_, err := Load(filepath.Join(t.TempDir(), "none.json"))
	require.Error(t, err)
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Config{Device: open(t, gpu.CPU()), Samples: 20, Rotate: 1, Workloads: Sizes([]int{1000, 1001, 1002}, []smoothl1.DType{smoothl1.Float32}, []float64{1}),
		Report: func(string) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

// TestRotatesThroughFourTimesTheCache uses the cache size that the device reports.
func TestRotatesThroughFourTimesTheCache(t *testing.T) {
	r, err := Run(t.Context(), Config{Device: open(t, gpu.On(likeCUDA{sim.New(sim.Fast())})), Samples: 1})
	require.NoError(t, err)
	assert.EqualValues(t, 4<<20+1, r.Rotating)
}

// TestNamed are the shapes of the design.
func TestNamed(t *testing.T) {
	for _, w := range Named() {
		require.NoError(t, w.Loss.Validate(w.DType))
		require.NotEmpty(t, w.Name)
		require.Positive(t, w.N())
	}
	assert.Equal(t, []int{1 << 10, 1 << 12, 1 << 14}, Powers(10, 14))
	assert.Equal(t, 1<<30, Powers(10, 30)[10])
}
