// Command peers measures the loss on the CPU against PyTorch, and both against what the machine's memory allows, on the same
// arrays and in turns. It leaves a JSON file; command report makes a table and a picture of it. It installs nothing: what is
// missing it names.
//
//	make bench-cpu-peers
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/smoothl1/smoothl1/bench/internal/results"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// sizes are the lengths of the arrays: a batch of DQN's, a vector, KernelBench's old form, and powers of two in the last
// cache, larger than it, and much larger.
var sizes = []int{32, 1024, 128 * 4096, 1 << 20, 1 << 24, 1 << 26}

func main() {
	rounds := flag.Int("rounds", 15, "how often everything is measured, in turns")
	largest := flag.Int("largest", 1<<26, "leave out arrays of more elements")
	python := flag.String("python", "/usr/bin/python3", "the Python that has PyTorch; Debian's has python3-torch")
	out := flag.String("o", "", "the file to write; default: results/cpu-DATE.json")
	flag.Parse()
	if err := run(*rounds, *largest, *python, *out); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(rounds, largest int, python, out string) (err error) {
	if rounds < 1 {
		return fmt.Errorf("-rounds = %d: want at least 1", rounds)
	}
	set, err := cpu.InstructionSet()
	if err != nil {
		return err
	}
	use := slices.DeleteFunc(slices.Clone(sizes), func(n int) bool { return n > largest })
	if len(use) == 0 {
		return fmt.Errorf("-largest = %d: no size is left of %v", largest, sizes)
	}
	m, err := newMemory(slices.Max(use))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	fill(m)
	t, err := startTorch(python, m)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	dev, err := gpu.Open(gpu.CPU())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()

	r := results.Run{Commit: commit(), Date: time.Now().UTC().Format("2006-01-02"), Rounds: rounds}
	r.Machine = results.Machine{CPU: cpuName(), Threads: runtime.NumCPU(), InstructionSet: set, LastCache: isa.LastLevelCache(),
		Kernel: readLine("/proc/sys/kernel/osrelease"), Go: runtime.Version(), PyTorch: t.version, LoadBefore: load()}
	if r.One, err = one(dev, rounds); err != nil {
		return err
	}
	for _, n := range use {
		for _, threads := range slices.Compact([]int{1, r.Machine.Threads}) {
			start := time.Now()
			g, err := contest(m, t, dev, n, threads, rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", describe(n, threads), err)
			}
			r.Groups = append(r.Groups, g)
			ours, _ := g.Find(results.ForwardBackward, results.Ours)
			theirs, _ := g.Find(results.ForwardBackward, results.PyTorch)
			fmt.Fprintf(os.Stderr, "%-24s forward+backward %10.1f µs, PyTorch %10.1f µs   (%.0f s)\n",
				describe(n, threads), ours.NS.Median/1e3, theirs.NS.Median/1e3, time.Since(start).Seconds())
		}
	}
	r.Machine.LoadAfter = load()
	if out == "" {
		out = filepath.Join("results", "cpu-"+r.Date+".json")
	}
	fmt.Fprintln(os.Stderr, "writing", out)
	return r.Save(out)
}

// fill draws the differences so that both branches of the formula are as likely as not, and in no order.
func fill(m *memory) {
	r := rand.New(rand.NewPCG(1, 2))
	for k := range 2 {
		x := m.array(k, m.stride)
		for i := range x {
			x[i] = r.Float32() * 3
		}
	}
	clear(m.array(2, m.stride))
}

// commit returns the repository's, as git has it.
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

func readLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func load() string {
	return strings.Join(strings.Fields(readLine("/proc/loadavg"))[:3], " ")
}

func cpuName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	fields := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); ok && fields[key] == "" {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s (family %s, model %s)", fields["model name"], fields["cpu family"], fields["model"])
}
