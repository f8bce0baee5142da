package measure

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// ceilingsFor returns the ceilings on the arrays of a workload, on a simulated device.
func ceilingsFor[T smoothl1.Float](t *testing.T, w Workload) (*ceilingsOn[T], *clock) {
	drv := sim.New(sim.Fast(), sim.Multiprocessors(2))
	dev := open(t, gpu.On(drv))
	k, err := newCeilings(&Config{Device: dev, Driver: drv})
	require.NoError(t, err)
	r, err := newRotationOn[T](t.Context(), dev, drv, w.layout(), 1)
	require.NoError(t, err)
	clock, err := newClock(dev)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, errors.Join(clock.close(), r.close(), k.close())) })
	return &ceilingsOn[T]{ceilings: k, arrays: r, grids: map[string]driver.Geometry{}}, clock
}

// modern is a device whose driver refuses text for old targets, as CUDA 13's ptxas does.
type modern struct{ driver.Device }

func (m modern) Load(ptx string) (driver.Module, error) {
	if !strings.Contains(ptx, "\n.target sm_75\n") {
		return 0, &driver.Error{Code: driver.CodeInvalidPTX, Call: "cuModuleLoadDataEx"}
	}
	return m.Device.Load(ptx)
}

// TestCeilingsOfAModernDriver also checks the text for a device whose driver took the kernels for an older target.
func TestCeilingsOfAModernDriver(t *testing.T) {
	drv := modern{sim.New(sim.Fast())}
	k, err := newCeilings(&Config{Device: open(t, gpu.On(drv)), Driver: drv})
	require.NoError(t, err)
	require.NoError(t, k.close())
	assert.Contains(t, ceilingText("sm_50"), "\n.target sm_60\n")
}

// TestCeilingsOnAllGrids checks the kernels of every type, with whole tiles and without, on each grid that may be chosen.
func TestCeilingsOnAllGrids(t *testing.T) {
	for _, n := range []int{16, 1027, 70_003} {
		onAllGrids[float32](t, n)
		onAllGrids[float64](t, n)
		onAllGrids[smoothl1.F16](t, n)
	}
}

func onAllGrids[T smoothl1.Float](t *testing.T, n int) {
	w := Workload{Shape: []int{n}, DType: smoothl1.DTypeOf[T](), Loss: smoothl1.Loss{Beta: 0.5, Reduction: smoothl1.Mean}}
	k, clock := ceilingsFor[T](t, w)
	crit, err := gpu.NewSmoothL1[T](k.arrays.dev, w.Loss)
	require.NoError(t, err)
	expected, err := check(t.Context(), k.arrays, w, crit)
	require.NoError(t, err)
	all, err := k.contenders(t.Context(), w, clock, expected[form{}])
	require.NoError(t, err)
	var names []string
	for _, c := range all {
		names = append(names, c.entry.Op)
		size := w.DType.Size()
		assert.InDelta(t, map[string]int{Read: 2, Combine: 3, Atomic: 2}[c.entry.Op]*n*size, c.entry.Bytes, 3*15)
	}
	want := []string{Read, Combine}
	if w.DType == smoothl1.Float32 {
		want = ceilingOps
	}
	assert.Equal(t, want, names)
	grids := k.candidates()
	if n > 50_000 {
		assert.Greater(t, len(grids), 2)
	}
	for _, g := range grids {
		for _, kernel := range want {
			require.NoError(t, k.checkOn(t.Context(), g, kernel, w, expected[form{}]), "%s of %d elements on %v", kernel, n, g)
		}
	}
}

// TestCeilingsFindWrongAnswers changes an input, which each kernel has to notice wherever it is.
func TestCeilingsFindWrongAnswers(t *testing.T) {
	const n = 10_001
	w := Workload{Shape: []int{n}, DType: smoothl1.Float32, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}}
	k, clock := ceilingsFor[float32](t, w)
	crit, err := gpu.NewSmoothL1[float32](k.arrays.dev, w.Loss)
	require.NoError(t, err)
	expected, err := check(t.Context(), k.arrays, w, crit)
	require.NoError(t, err)
	host := make([]float32, n)
	generate(host, seedTarget, 0)
	for _, at := range []int{0, 5000, 9999, n - 1} {
		part, err := k.arrays.whole[1].Slice(at, at+1)
		require.NoError(t, err)
		require.NoError(t, part.Set([]float32{host[at] + 4}))
		for _, kernel := range ceilingOps {
			err := k.check(t.Context(), kernel, w, expected[form{}])
			if at == n-1 && kernel != Atomic { // less than 16 bytes are left out
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "wrong answer: ", "%s, element %d", kernel, at)
		}
		if at == 0 {
			_, err = k.contenders(t.Context(), w, clock, expected[form{}])
			require.ErrorContains(t, err, "read: wrong answer: ")
		}
		require.NoError(t, part.Set(host[at:at+1]))
	}
}

// TestRunWithCeilings measures them, and says why they are missing where they are.
func TestRunWithCeilings(t *testing.T) {
	drv := sim.New(sim.Fast())
	workloads := append(Sizes([]int{3000}, []smoothl1.DType{smoothl1.Float32}, []float64{1, 0.1}), Further([]int{3000}, nil, []smoothl1.DType{smoothl1.BFloat16})...)
	workloads = append(workloads, Workload{Shape: []int{3}, Loss: smoothl1.Loss{Beta: 1}})
	dev := open(t, gpu.On(drv))
	r, err := Run(t.Context(), Config{Device: dev, Driver: drv, Workloads: workloads, Samples: 2, Rotate: 50_000})
	require.NoError(t, err)
	assert.Empty(t, r.Left)
	require.Len(t, r.Groups, 4)
	for i, want := range [][]string{{Read, Combine, Atomic}, {Read, Combine}, {Read, Combine}, {Atomic}} {
		g := r.Groups[i]
		var got []string
		for _, e := range g.Entries {
			if e.Op == Read || e.Op == Combine || e.Op == Atomic {
				got = append(got, e.Op)
				assert.Positive(t, e.DeviceNS.Median)
				assert.Regexp(t, `^\d+ blocks of \d+ threads$`, e.Contender)
			}
		}
		assert.Equal(t, want, got, g.Name())
		for _, op := range []string{ForwardReduced, ForwardBackward, WeightedMasked} {
			if e, ok := g.Find(op, Ours); ok && i < 3 {
				assert.Positive(t, g.OwnCeiling(e))
			}
		}
	}
	assert.Contains(t, r.Groups[0].String(), " of its ceiling")
	assert.NotContains(t, r.Groups[3].String(), " of its ceiling")
	var table strings.Builder
	require.NoError(t, r.Print(&table))
	assert.Regexp(t, `atomic sum +\d+ blocks of \d+ threads `, table.String())

	// A device that compiles none of them is measured without them.
	refusing := noCeilings{drv}
	r, err = Run(t.Context(), Config{Device: dev, Driver: refusing, Workloads: workloads[:1], Samples: 1, Rotate: 1})
	require.NoError(t, err)
	assert.Equal(t, []string{"the ceilings: no kernel for this architecture"}, r.Left)
	assert.Len(t, r.Groups[0].Entries, 7)
	// So is one that is not what it seems to be.
	r, err = Run(t.Context(), Config{Device: open(t, gpu.On(likeCUDA{sim.New(sim.Fast())})), Workloads: workloads[:1], Samples: 1, Rotate: 1})
	require.NoError(t, err)
	assert.Regexp(t, `^the ceilings: `, r.Left[0])
}

// noCeilings is a device that does not compile them.
type noCeilings struct{ driver.Device }

func (d noCeilings) Load(ptx string) (driver.Module, error) {
	if strings.Contains(ptx, "ceiling_read") {
		return 0, errors.New("no kernel for this architecture")
	}
	return d.Device.Load(ptx)
}

func TestOwnCeiling(t *testing.T) {
	entry := func(op string, bytes int, ns float64) Entry {
		return Entry{Op: op, Bytes: bytes, DeviceNS: Times{Median: ns}}
	}
	g := Group{Entries: []Entry{entry(ForwardReduced, 80, 10), entry(ForwardBackward, 120, 20), entry(Read, 80, 8), entry(Combine, 120, 15), entry(Copy, 120, 10)}}
	for i, want := range []float64{0.8, 0.75, math.NaN(), math.NaN(), math.NaN()} {
		assert.Equal(t, fmt.Sprint(want), fmt.Sprint(g.OwnCeiling(g.Entries[i])))
	}
	g.Entries = g.Entries[:2]
	assert.True(t, math.IsNaN(g.OwnCeiling(g.Entries[0])), "there is none")
}
