// Command peers measures the loss on the CPU, other libraries, and the speed of the machine's memory, on the same arrays and interleaved.
// It writes a JSON file, from which command report makes a table and a picture. It installs nothing, but names what is missing.
//
//	make bench-cpu-peers
//
// With -for 10m, or make bench-cpu-peers BUDGET=10m, it measures fewer rounds, so that it ends in about ten minutes. With -rounds 3
// -largest 1048576 -o FILE it takes a minute or two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/bench/ceiling"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/isa"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// sizes are the lengths of the arrays: the smallest, which only one thread computes, a batch of DQN's, a vector, KernelBench's old form, and
// powers of two that fit a last-level cache, exceed it, and exceed it by far. The further operations and types are measured on arrays of the
// lengths in furtherSizes, one of them small enough for any cache of a core, and on batches.
var (
	sizes        = []int{1, 32, 1024, 128 * 4096, 1 << 20, 1 << 24, 1 << 26}
	furtherSizes = []int{1 << 14, 1 << 20, 1 << 24}
	batches      = []int{32, 1 << 16}
	furtherTypes = []smoothl1.DType{smoothl1.Float32, smoothl1.Float16, smoothl1.BFloat16, smoothl1.Float64}
)

// contenders are those in this process in addition to the op on the CPU device. Each has a file of its own, which adds it.
var contenders []func(measure.Workload) []measure.Call

func main() {
	rounds := flag.Int("rounds", 15, "number of measurements of other libraries; those in this process, which are faster, are measured three times as often")
	largest := flag.Int("largest", 1<<26, "leave out arrays of more elements")
	budget := flag.Duration("for", 0, "the time in which to measure everything, with fewer rounds, such as 10m; below about 5m, part of it is left out; 0: no limit")
	python := flag.String("python", "/usr/bin/python3", "the Python that has PyTorch; Debian's has python3-torch")
	out := flag.String("o", "", "the file to write; default: results/cpu-DATE-MACHINE.json")
	flag.Parse()
	if err := run(*rounds, *largest, *budget, *python, *out); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(rounds, largest int, budget time.Duration, python, out string) (err error) {
	if rounds < 1 {
		return fmt.Errorf("-rounds = %d: want at least 1", rounds)
	}
	if budget < 0 {
		return fmt.Errorf("-for = %v: want at least 0", budget)
	}
	use := workloads(largest)
	if len(use) == 0 {
		return fmt.Errorf("-largest = %d: none of the sizes is left: %v", largest, sizes)
	}
	if err := findTorch(python); err != nil {
		return err
	}
	dev, err := gpu.Open(gpu.CPU())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	smallest, err := one(dev, rounds)
	if err != nil {
		return err
	}
	frequency := ceiling.GHz()
	r, err := measure.Run(context.Background(), measure.Config{Device: dev, Workloads: use, Samples: 3 * rounds, GuestsEvery: 3,
		Locals: contenders, Python: python, Commit: commit(), Rotate: 1, // one set of arrays, which may stay in the caches
		Walk: walk(), For: budget, Spread: true,
		Report: func(line string) { fmt.Fprintln(os.Stderr, line) }})
	if err != nil {
		return err
	}
	r.One, r.Device.GHz = smallest, max(frequency, ceiling.GHz())
	tuning, err := cpu.Tuning()
	if err != nil {
		return err
	}
	lines := strings.Split(tuning.String(), "\n")
	r.Device.Tuning, r.Device.Choices = lines[0], lines[1:]
	if out == "" {
		out = r.Device.FreePath(filepath.Join("results", fileName(r)))
	}
	fmt.Fprintln(os.Stderr, "writing", out)
	return errors.Join(os.MkdirAll(filepath.Dir(out), 0o755), r.Save(out))
}

// fileName returns the name of the file of a run, with date and machine, and with the instruction set if it is not the best.
func fileName(r *measure.Result) string {
	date, _, _ := strings.Cut(r.Date, "T")
	name := "cpu-" + date + "-" + r.Device.Word()
	if sets := isa.Available(); isa.Current() != sets[len(sets)-1] {
		name += "-" + isa.Current().String()
	}
	return name + ".json"
}

// walk returns the number of bytes that are read before a call from cold caches: twice as many as the last-level cache holds, within
// limits. One that the processor does not report is taken for 32 MiB.
func walk() uint64 {
	cache := isa.LastLevelCache()
	if cache == 0 {
		cache = 32 << 20
	}
	return uint64(min(max(2*cache, 16<<20), 512<<20))
}

// workloads returns those of arrays of at most the given length: PyTorch's default loss of each size, with one thread and with all, and
// the further operations and types with all.
func workloads(largest int) (all []measure.Workload) {
	loss := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	for _, n := range sizes {
		for _, threads := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
			if n == 1 && threads > 1 {
				continue
			}
			all = append(all, measure.Workload{Shape: []int{n}, Loss: loss, Threads: threads})
		}
	}
	for _, w := range measure.Further(furtherSizes, batches, furtherTypes) {
		w.Threads = runtime.GOMAXPROCS(0)
		all = append(all, w)
	}
	return slices.DeleteFunc(all, func(w measure.Workload) bool { return w.N() > largest })
}

// findTorch returns an error that names the missing Debian packages, before anything is measured.
func findTorch(python string) error {
	const packages = "python3-torch"
	how := fmt.Sprintf("the Debian packages python3 and %s are needed: apt-get install --no-install-recommends %[1]s", packages)
	path, err := exec.LookPath(python)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, how)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if text, err := exec.CommandContext(ctx, path, "-c", "import torch").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("%s has no PyTorch: %w: %s\n%s", python, err, lines[len(lines)-1], how)
	}
	return nil
}

// commit returns the repository's commit, according to git.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changes, err := exec.Command("git", "status", "--porcelain").Output(); err != nil || len(changes) > 0 {
		name += "+changes"
	}
	return name
}
