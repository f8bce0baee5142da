package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// A machine is a CPU with its newest run.
type machine struct {
	*measure.Result
	file  string // the run's, in bench/results
	label string // that distinguishes the machine from the others
}

// loadMachines returns the machines that have a bench/results/cpu-*.json, each with its newest run, in the order of their names. Older runs
// are kept as history.
func loadMachines(root string) ([]machine, error) {
	files, err := filepath.Glob(filepath.Join(root, "bench", "results", "cpu-*.json"))
	if err != nil {
		return nil, err
	}
	var all []machine
	for _, file := range files {
		r, err := measure.Load(file)
		if err != nil {
			return nil, err
		}
		all = append(all, machine{Result: r, file: filepath.Base(file)})
	}
	if len(all) == 0 {
		return nil, errors.New("no bench/results/cpu-*.json: run make bench-cpu-peers")
	}
	return distinct(all), nil
}

// distinct returns the newest run of each machine, with labels.
func distinct(runs []machine) (all []machine) {
	slices.SortStableFunc(runs, func(a, b machine) int { return cmp.Or(cmp.Compare(b.Date, a.Date), cmp.Compare(b.file, a.file)) })
	for _, r := range runs {
		if !slices.ContainsFunc(all, func(m machine) bool { return m.Device.Same(&r.Device) }) {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b machine) int { return cmp.Compare(a.Device.Name, b.Device.Name) })
	for i := range all {
		d := &all[i].Device
		all[i].label = fmt.Sprintf("%s, %s", plain(d.Name), count(d.Threads, "thread"))
	}
	// What else may distinguish machines of the same name.
	for _, more := range []func(*measure.Device) string{
		func(d *measure.Device) string { return d.InstructionSet },
		func(d *measure.Device) string { return fmt.Sprintf("%d MiB", d.CacheBytes>>20) },
	} {
		times := map[string]int{}
		for _, m := range all {
			times[m.label]++
		}
		for i := range all {
			if times[all[i].label] > 1 {
				all[i].label += ", " + more(&all[i].Device)
			}
		}
	}
	return all
}

// noise is what does not distinguish processors in their names.
var noise = regexp.MustCompile(`\(R\)|\(TM\)|@ \S+|\b(Processor|CPU)\b`)

// plain returns a processor's name without noise.
func plain(name string) string {
	return strings.Join(strings.Fields(noise.ReplaceAllString(name, " ")), " ")
}

// alone returns the groups of float32 with the operations on pred and target alone, and further the others.
func (m *machine) alone() []*measure.Group {
	groups, _ := split(m.Result)
	return groups
}

func (m *machine) further() []*measure.Group {
	_, groups := split(m.Result)
	return groups
}

// count formats a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// sizeOf formats the size of a cache.
func sizeOf(n uint64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%g KiB", float64(n)/(1<<10))
}

// caches lists those of a core.
func caches(d *measure.Device) string {
	var parts []string
	for _, c := range d.Caches {
		if c.Kind != "instruction" {
			parts = append(parts, fmt.Sprintf("L%d %s for %s", c.Level, sizeOf(c.Bytes), count(c.Threads, "thread")))
		}
	}
	if len(parts) == 0 {
		return sizeOf(d.CacheBytes) + " of last-level cache"
	}
	return strings.Join(parts, ", ")
}

// describe describes the machine and the run.
func (m *machine) describe(w io.Writer) {
	d := m.Device
	eager, version := m.Samples, "none"
	if p := m.Peer(measure.Eager); p != nil {
		version = p.Version
	}
	for _, g := range m.Groups {
		if e, ok := g.Find(measure.ForwardBackward, measure.Eager); ok && e.Samples != 0 {
			eager = e.Samples
		}
	}
	clock := "the frequency of its cores was not measured"
	if d.GHz > 0 {
		clock = fmt.Sprintf("cores at %.2f GHz", d.GHz)
	}
	ways := 0
	for i := range m.Groups {
		ways = max(ways, m.Groups[i].Ways())
	}
	date, _, _ := strings.Cut(m.Date, "T")
	fmt.Fprintf(w, "### %s\n\n%s; caches: %s; %s; kernel %s; %s, instruction set %s; PyTorch %s (Debian's). ",
		m.label, count(d.Threads, "thread"), caches(&d), clock, d.Kernel, m.Go, d.InstructionSet, version)
	if d.Tuning != "" {
		fmt.Fprintf(w, "Tuning: %s. ", strings.TrimSuffix(d.Tuning, "."))
	}
	fmt.Fprintf(w, "The ceiling is the fastest of %s. ", count(ways, "loop"))
	if m.Walked > 0 {
		fmt.Fprintf(w, "Cold calls come after %s of other memory. ", sizeOf(m.Walked))
	}
	fmt.Fprintf(w, "Commit %s, %s, medians of %d measurements (of PyTorch: %d); load averages before and after: %s and %s. Raw data: "+
		"[bench/results/%s](../bench/results/%s).\n\n", m.Commit, date, m.Samples, eager, d.LoadBefore, d.LoadAfter, m.file, m.file)
}
