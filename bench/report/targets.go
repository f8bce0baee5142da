package main

import (
	"fmt"
	"io"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// target holds the least acceptable ratios for some sizes; 0: no target.
type target struct {
	op                      string
	sizes                   []int
	all                     bool // threads; else one
	pytorch, pre, ofCeiling float64
}

var goals = []target{
	{measure.ForwardBackward, []int{32, 1024}, false, 50, 0, 0},
	{measure.ForwardBackward, []int{128 * 4096, 1 << 20}, false, 2, 0, 0.8},
	{measure.ForwardBackward, []int{1 << 24, 1 << 26}, true, 5, 2, 0.95},
	{measure.ForwardReduced, []int{1 << 24, 1 << 26}, true, 3, 0, 0.95},
	{measure.ForwardNone, []int{1 << 24}, true, 0, 1.2, 0.95},
	{measure.Backward, []int{1 << 24}, true, 0, 1.2, 0.95},
}

// fastest is the time that a call of one element may take, in nanoseconds.
const fastest = 100

// targets writes the figures with their targets.
func targets(w io.Writer, r *measure.Result) {
	fmt.Fprint(w, "### Targets\n\n")
	fmt.Fprintln(w, "| | elements | threads | × PyTorch | × preallocated | of the ceiling |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|")
	groups, _ := split(r)
	for _, t := range goals {
		for _, n := range t.sizes {
			for _, g := range groups {
				if g.N != n || (g.Threads > 1) != (t.all && r.Device.Threads > 1) {
					continue
				}
				for _, ours := range []string{measure.Ours, measure.Direct} {
					label := name(t.op)
					if _, ok := g.Find(t.op, ours); !ok || ours == measure.Direct && n >= 1<<16 {
						continue // the two differ only where the call takes most of the time
					}
					if ours == measure.Direct {
						label += ", package cpu"
					}
					fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %s |\n", label, size(n), g.Threads,
						against(ratio(g, t.op, ours, measure.Eager), t.pytorch, "%.1f"),
						against(ratio(g, t.op, ours, measure.Preallocated), t.pre, "%.1f"),
						against(share(g, t.op), t.ofCeiling, "%.2f"))
				}
			}
		}
	}
	if r.One == nil {
		return
	}
	ns := r.One.NS.Median
	verdict := "met"
	if ns > fastest || r.One.Allocations > 0 {
		verdict = "**missed**"
	}
	fmt.Fprintf(w, "\nOne element, forward and backward, through the op on the CPU device: %.0f ns (at most %d), %v allocations (none): %s.\n\n",
		ns, fastest, r.One.Allocations, verdict)
}

// against formats a figure with its target, in bold if it misses it.
func against(got, goal float64, format string) string {
	if goal == 0 {
		return "–"
	}
	text := fmt.Sprintf(format+" (≥ %v)", got, goal)
	if got < goal {
		return "**" + text + "**"
	}
	return text
}
