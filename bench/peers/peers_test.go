package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// stand returns a program that stands in for Python and runs a shell script.
func stand(t *testing.T, script string) string {
	path := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	return path
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	for _, python := range []string{stand(t, "echo 'ModuleNotFoundError: torch' >&2; exit 1"), filepath.Join(t.TempDir(), "none")} {
		err := run(1, 32, 0, python, filepath.Join(t.TempDir(), "r.json"))
		assert.ErrorContains(t, err, "apt-get install --no-install-recommends python3-torch")
	}
	assert.ErrorContains(t, run(0, 32, 0, "", ""), "-rounds = 0: want at least 1")
	assert.ErrorContains(t, run(1, 32, -1, "", ""), "-for = -1ns: want at least 0")
	assert.ErrorContains(t, run(1, 0, 0, "", ""), "-largest = 0: none of the sizes is left")
}

// TestRun measures the smallest size, with a Python whose contenders do not answer.
func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "results", "r.json")
	require.NoError(t, run(1, 32, 0, stand(t, "exit 0"), out))
	r, err := measure.Load(out)
	require.NoError(t, err)
	require.NotNil(t, r.One)
	assert.Positive(t, r.One.NS.Median)
	assert.Zero(t, r.One.Allocations)
	assert.Contains(t, r.Absent(measure.Eager), "no answer")
	assert.Equal(t, runtime.GOARCH == "amd64", r.Device.GHz > 0)
	require.Equal(t, len(workloads(32)), len(r.Groups))
	for _, g := range r.Groups {
		assert.LessOrEqual(t, g.N, 32)
		for _, op := range measure.Ops {
			for _, contender := range []string{measure.Ours, measure.Direct} {
				e, ok := g.Find(op, contender)
				require.True(t, ok, "%s, %s", op, contender)
				assert.Positive(t, e.DeviceNS.Median)
				cold, ok := g.Find(op, measure.Cold(contender))
				require.Equal(t, g.Threads == 1, ok)
				assert.True(t, !ok || cold.DeviceNS.Median > e.DeviceNS.Median, "%s, %s of %d elements: %v, cold %v", op, contender, g.N, e, cold)
			}
		}
	}
}

// TestEveryOpIsCalledDirectlyToo compares the calls of package cpu with the reference.
func TestEveryOpIsCalledDirectlyToo(t *testing.T) {
	w := measure.Workload{Shape: []int{4096}, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}}
	pred, target, out := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
	for i := range pred {
		pred[i] = float32(i%7) - 3
	}
	want := cpu.Args[float32]{Pred: pred, Target: target, Terms: make([]float32, 4096), GradPred: make([]float32, 4096)}
	require.NoError(t, cpu.RefForwardTerms(w.Loss, &want))
	require.NoError(t, cpu.RefBackward(w.Loss, &want))
	calls := direct(w)
	require.Len(t, calls, len(measure.Ops))
	for _, c := range calls {
		clear(out)
		require.NoError(t, c.Run(pred, target, out))
		switch c.Op {
		case measure.ForwardReduced:
			assert.Equal(t, make([]float32, 4096), out)
		case measure.ForwardNone:
			assert.Equal(t, want.Terms, out)
		default:
			assert.Equal(t, want.GradPred, out)
		}
	}
}

// TestCeilings checks that the loops move what their operation says.
func TestCeilings(t *testing.T) {
	const n = 1 << 16
	r, err := measure.Run(t.Context(), measure.Config{Device: openCPU(t), Samples: 1, Rotate: 1, Locals: contenders,
		Workloads: []measure.Workload{{Shape: []int{n}, Loss: smoothl1.Loss{Beta: 1}}}})
	require.NoError(t, err)
	g := &r.Groups[0]
	if runtime.GOARCH == "amd64" {
		for _, op := range measure.Ops {
			speed, name := g.Ceiling(op)
			assert.Positive(t, speed)
			assert.NotEmpty(t, name)
		}
	}
	for _, c := range ceilings(measure.Workload{Shape: []int{1000}}) {
		assert.Fail(t, "a length that is no multiple of the loops' step", c.Contender)
	}
	for _, e := range g.Entries {
		if e.Op == measure.Combine {
			assert.Equal(t, 12*n, e.Bytes)
		}
	}
}

// TestCeilingsOfOtherTypes checks that the loops run on arrays of every type, as long as float32s of as many bytes.
func TestCeilingsOfOtherTypes(t *testing.T) {
	const n = 1 << 14
	further := measure.Further([]int{n}, nil, []smoothl1.DType{smoothl1.BFloat16, smoothl1.Float64})
	r, err := measure.Run(t.Context(), measure.Config{Device: openCPU(t), Samples: 1, Rotate: 1, Locals: contenders, Workloads: further})
	require.NoError(t, err)
	for _, g := range r.Groups {
		for _, e := range g.Entries {
			if e.Op == measure.Combine {
				assert.Equal(t, 3*n*g.DType.Size(), e.Bytes)
			}
			assert.NotEqual(t, measure.Direct, e.Contender)
		}
		speed, _ := g.Ceiling(measure.Weighted)
		assert.Equal(t, runtime.GOARCH == "amd64", speed > 0)
	}
	assert.Empty(t, ceilings(measure.Workload{Shape: []int{1984}, DType: smoothl1.Float16}), "992 float32s are no multiple of the loops' step")
}

// TestWorkloads checks that the largest length limits the further operations, too.
func TestWorkloads(t *testing.T) {
	ops := map[string]int{}
	for _, w := range workloads(1 << 20) {
		require.LessOrEqual(t, w.N(), 1<<20)
		require.Positive(t, w.Threads)
		for _, op := range w.Operations() {
			ops[op]++
		}
	}
	for _, op := range measure.FurtherOps {
		assert.Positive(t, ops[op], op)
	}
	assert.Equal(t, 8, ops[measure.Weighted], "four types, two sizes")
}

func TestFileName(t *testing.T) {
	r := &measure.Result{Date: "2026-11-29T01:02:03Z", Device: measure.Device{Name: "AMD EPYC (family 26, model 2)"}}
	sets := isa.Available()
	restore := isa.Use(sets[len(sets)-1])
	assert.Equal(t, "cpu-2026-11-29-epyc-26-2.json", fileName(r))
	restore()
	if len(sets) > 1 {
		defer isa.Use(isa.Generic)()
		assert.Equal(t, "cpu-2026-11-29-epyc-26-2-generic.json", fileName(r))
	}
}

func openCPU(t *testing.T) *gpu.Device {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, dev.Close()) })
	return dev
}
