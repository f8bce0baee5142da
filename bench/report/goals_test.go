package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/measure"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// goalSample returns a run with figures for some of the goals; pace is our time for an element.
func goalSample(pace float64) *measure.Result {
	entry := func(op, name string, bytes int, ns float64) measure.Entry {
		return measure.Entry{Op: op, Contender: name, Bytes: bytes, DeviceNS: measure.Times{Median: ns}, NS: measure.Times{Median: ns + 1000}}
	}
	group := func(n int) measure.Group {
		ns := float64(n)
		return measure.Group{Shape: []int{n}, N: n, Beta: 1, Entries: []measure.Entry{
			entry(measure.ForwardReduced, measure.Ours, 8*n, ns*pace),
			entry(measure.ForwardReduced, measure.Eager, 8*n, 2.5*ns),
			entry(measure.ForwardBackward, measure.Ours, 12*n, ns*pace),
			entry(measure.ForwardBackward, measure.Replayed, 12*n, ns/2),
			entry(measure.ForwardBackward, measure.Eager, 12*n, 2.7*ns),
			entry(measure.Read, "8 blocks of 256 threads", 8*n, 0.99*ns),
			entry(measure.Combine, "8 blocks of 256 threads", 12*n, 0.97*ns),
			entry(measure.Atomic, "8 blocks of 256 threads", 8*n, 0.99*ns),
		}}
	}
	other := group(1 << 28)
	other.DType = smoothl1.Float64 // not what the goals are about
	r := &measure.Result{Groups: []measure.Group{group(1 << 28), group(1 << 30), group(1 << 24), group(128 * 4096), other}}
	for _, e := range []*measure.Entry{&r.Groups[3].Entries[2], &r.Groups[3].Entries[4]} {
		e.DeviceNS.Median /= 100
	}
	return r
}

func TestGPUGoals(t *testing.T) {
	var b bytes.Buffer
	gpuGoalsTable(&b, goalSample(1))
	for _, line := range []string{
		"| forward+backward, × eager | ≥ 2.6 | 2^28: 2.70, 2^30: 2.70 | met |\n",
		"| forward+backward, × compiled loss and backward | ≥ 1.6 | – | not measured |\n",
		"| forward+backward, share of a kernel that reads two arrays and writes one | ≥ 0.98 | 2^28: 0.970, 2^30: 0.970 | **missed** |\n",
		"| forward mean, share of a kernel that reads two arrays | ≥ 0.98 | 2^28: 0.990, 2^30: 0.990 | met |\n",
		"| the canonical sum, time ÷ that of an unordered atomic sum | ≤ 1.02 | 2^28: 1.010, 2^30: 1.010 | met |\n",
		"| forward+backward of 128×4096, wall time, × eager | ≥ 4 | 128×4096: 2.7 | **missed** |\n",
		"| forward+backward of 128×4096, time on the device, µs | ≤ 5 | 128×4096: 5.24 | **missed** |\n",
		"| weighted, masked, × eager | ≥ 4 | – | not measured |\n",
	} {
		assert.Contains(t, b.String(), line)
	}
	assert.Equal(t, len(gpuGoals)+3, strings.Count(b.String(), "\n"))
	line := gpuGoalsLine(goalSample(1))
	assert.True(t, strings.HasPrefix(line, "Of 13 goals 4 are met, 3 missed, 6 not measured. Missed: forward+backward, share of a kernel that reads"), line)
	assert.Contains(t, gpuGoalsLine(goalSample(1.1)), "the canonical sum, time ÷ that of an unordered atomic sum (≤ 1.02): 2^28: 1.111")
	assert.Equal(t, "Of 13 goals 0 are met, 0 missed, 13 not measured.", gpuGoalsLine(&measure.Result{}))
}

// TestGPURunHasCeilings checks the rows of the ceilings and the shares of them.
func TestGPURunHasCeilings(t *testing.T) {
	var b bytes.Buffer
	gpuRun(&b, goalSample(1), "x.json", "x.svg")
	for _, line := range []string{
		"float32 smooth_l1(beta=1, mean) | forward | 268435 | 0.000 | 0.000 | 8 | – | 0.990 | 2.5 | – | – | – | 268436 |\n",
		"float32 smooth_l1(beta=1, mean) | forward+backward | 268435 | 0.000 | 0.000 | 12 | – | 0.970 | 2.7 | – | – | – | 268436 |\n",
		"float32 smooth_l1(beta=1, mean) | forward+backward, by a graph | 134218 | 0.000 | 0.000 | 24 | – | 1.940 | 5.4 | – | – | – | 134219 |\n",
		"float32 smooth_l1(beta=1, mean) | read | 265751 | 0.000 | 0.000 | 8 | – | – | – | – | – | – | 265752 |\n",
		"float32 smooth_l1(beta=1, mean) | atomic sum | 265751 | 0.000 | 0.000 | 8 | – | 1.000 | – | – | – | – | 265752 |\n",
	} {
		assert.Contains(t, b.String(), line)
	}
}

func TestSweepTables(t *testing.T) {
	at := func(warps, blocks int, us float64) measure.Placed {
		return measure.Placed{Geometry: difftest.Geometry{Warps: warps, Blocks: blocks}, DeviceNS: measure.Times{Median: us * 1e3}}
	}
	r := &measure.Result{Sweeps: []measure.Sweep{{Op: measure.ForwardReduced, N: 1 << 28, At: []measure.Placed{
		at(0, 0, 700), at(8, 2, 650), at(8, 1, 900), at(1, 1, 5000), at(1, 2, 2500)}}}}
	var b bytes.Buffer
	sweepTables(&b, r)
	assert.Equal(t, "\nforward mean of 2^28 elements of float32, µs on the device by geometry; 700 as package gpu launches it:\n\n"+
		"| warps of a block | 1 × multiprocessors | 2 × multiprocessors |\n|---:|---:|---:|\n| 1 | 5000 | 2500 |\n| 8 | 900 | **650** |\n", b.String())
	b.Reset()
	sweepTables(&b, &measure.Result{})
	assert.Empty(t, b.String())
}
