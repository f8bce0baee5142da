//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/smoothl1/smoothl1/internal/bundle"
)

// within returns the part of a step's limit that its program is given. The rest is for starting it, and for what it has begun by then.
func within(limit time.Duration) time.Duration { return limit / 6 * 5 }

// Folders of the bundle. A test binary runs in the folder of its package, so that it finds its data.
const (
	difftestDir = "internal/testkit/difftest"
	vectorsDir  = "sim/internal/vectors"
)

// plan returns the steps in the order of their value to a short run. Most of their least times is spent in the driver, which compiles the
// kernels.
func plan() []*step {
	const second, minute = time.Second, time.Minute
	steps := []*step{
		{name: bundle.NvidiaSMI, share: 2, least: second, most: 10 * second, soft: true, command: nvidiaSMI, read: readNvidiaSMI},
		{name: bundle.Devices, share: 4, least: 10 * second, most: minute, always: true, command: devices, read: readDevices},
		{name: bundle.Differential, share: 20, least: 4 * second, most: 15 * minute, command: differential, read: readDifferential},
		{name: bundle.Bits, share: 16, least: 6 * second, most: 10 * minute, needsGPU: true, command: bits, read: readBits},
		{name: bundle.Main, share: 36, least: 6 * second, most: 20 * minute, soft: true, needsGPU: true, command: benchmarks("main"), read: readBenchmarks("main")},
	}
	for _, tool := range bundle.Tools {
		steps = append(steps, &step{name: bundle.Sanitizers + tool, share: 4, least: 8 * second, most: 10 * minute, needsGPU: true,
			command: sanitizer(tool), read: readSanitizer(tool)})
	}
	return append(steps,
		&step{name: bundle.Vectors, share: 5, least: 2 * second, most: 10 * minute, soft: true, needsGPU: true, command: vectors, read: readVectors},
		&step{name: bundle.Verify, share: 6, least: 3 * second, most: 20 * minute, needsGPU: true, command: verify, read: readVerify},
		&step{name: bundle.Geometry, share: 8, least: 15 * second, most: 10 * minute, soft: true, needsGPU: true, command: benchmarks("geometry"), read: readGeometry},
		&step{name: bundle.Full, share: 10, least: 15 * second, most: 2 * time.Hour, soft: true, needsGPU: true, command: benchmarks("full"), read: readBenchmarks("full")},
	)
}

func (r *runner) program(path string) string { return filepath.Join(r.root, path) }

func nvidiaSMI(r *runner, _ time.Duration) (string, []string, string) {
	smi := find("", "nvidia-smi")
	if smi == "" {
		return "", nil, "there is no nvidia-smi here"
	}
	return "", []string{"/bin/sh", "-c", `"$0" --query-gpu=driver_version,name --format=csv; "$0" --query-gpu=memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit,ecc.mode.current --format=csv; "$0"`, smi}, ""
}

func devices(r *runner, _ time.Duration) (string, []string, string) {
	return "", []string{r.program("smoothl1"), "devices", "--json"}, ""
}

func differential(r *runner, limit time.Duration) (string, []string, string) {
	arguments := []string{r.program(difftestDir + "/difftest.test"), "-test.v", "-results", r.keeper.path("difftest.json"), "-for", within(limit).String()}
	if r.keeper.run.Machine.GPU == "" { // only check that it works
		return difftestDir, append(arguments, "-test.short", "-test.run", "^TestTable$"), ""
	}
	return difftestDir, append(arguments, "-long", "-only", "CUDA", "-test.run", "^Test(Table|Contract|ContractOfLargeArrays|PyTorch|Article|Random|Large|Levels)$"), ""
}

func bits(r *runner, limit time.Duration) (string, []string, string) {
	if r.python == "" {
		return "", nil, "there is no python3 here"
	}
	_, arguments, _ := benchmarks("bits")(r, limit)
	return "", arguments, ""
}

func benchmarks(what string) func(*runner, time.Duration) (string, []string, string) {
	return func(r *runner, limit time.Duration) (string, []string, string) {
		patience := limit / 3 // so that a compiler that hangs leaves time for the others
		if what == "bits" {
			patience = max(limit/2, within(limit)-3*time.Second) // it begins with cases that need no compiler, and the first start is slow
		}
		arguments := []string{r.program("gpubench"), "-what", what, "-o", r.keeper.path(what + ".json"), "-for", within(limit).String(),
			"-patience", min(patience, 2*time.Minute).String()}
		if r.python != "" {
			arguments = append(arguments, "-torch", r.python)
		}
		return "", arguments, ""
	}
}

// foundErrors is the exit code of compute-sanitizer if it has found errors.
const foundErrors = 86

func sanitizer(tool string) func(*runner, time.Duration) (string, []string, string) {
	return func(r *runner, limit time.Duration) (string, []string, string) {
		if r.sanitizer == "" {
			return "", nil, "there is no compute-sanitizer here"
		}
		return difftestDir, []string{r.sanitizer, "--tool", tool, "--error-exitcode", fmt.Sprint(foundErrors),
			r.program(difftestDir + "/difftest.test"), "-test.short", "-test.run", "^TestTable$", "-only", "CUDA",
			"-results", r.keeper.path(tool + ".json"), "-for", (limit / 2).String()}, ""
	}
}

func vectors(r *runner, _ time.Duration) (string, []string, string) {
	return vectorsDir, []string{r.program(vectorsDir + "/vectors.test"), "-test.v", "-test.run", "^TestCUDADevice$"}, ""
}

func verify(r *runner, limit time.Duration) (string, []string, string) {
	return "", []string{"/bin/sh", "-c", `out=$1; shift; exec "$0" "$@" >"$out"`, r.program("smoothl1"), r.keeper.path("verify.json"),
		"verify", "--device", "cuda", "--json", "--for", within(limit).String()}, ""
}

// firstLines returns the first few lines of a text.
func firstLines(text string, most int) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines[:min(most, len(lines))]
}
