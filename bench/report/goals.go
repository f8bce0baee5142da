package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/measure"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// A gpuGoal is a figure that a run on a GPU should reach in each group that it is about.
type gpuGoal struct {
	name   string
	about  func(g *measure.Group) bool
	figure func(g *measure.Group) float64 // 0 or NaN: not measured
	goal   float64
	most   bool // the figure may be the goal at most; else at least
	format string
}

// plainMean reports whether a group is of means of float32 arrays with beta 1.
func plainMean(g *measure.Group) bool {
	return g.DType == smoothl1.Float32 && g.Kind == smoothl1.SmoothL1 && g.Beta == 1 && g.Reduction == smoothl1.Mean
}

// large reports whether a group is of such arrays that exceed the caches.
func large(g *measure.Group) bool {
	return plainMean(g) && g.N >= 1<<28 && g.N <= 1<<30
}

// small reports whether a group is the array whose time is that of the launch.
func small(g *measure.Group) bool {
	return plainMean(g) && g.N == 128*4096
}

// gpuGoals are for a card of the class of an H100, and arrays of float32.
var gpuGoals = func() []gpuGoal {
	against := func(op, peer, label string, goal float64) gpuGoal {
		return gpuGoal{name(op) + ", × " + label, large, func(g *measure.Group) float64 { return ratio(g, op, measure.Ours, peer) }, goal, false, "%.2f"}
	}
	ofCeiling := func(op, kernel string) gpuGoal {
		return gpuGoal{name(op) + ", share of a kernel that " + kernel, large, func(g *measure.Group) float64 {
			e, ok := g.Find(op, measure.Ours)
			if !ok {
				return 0
			}
			return g.OwnCeiling(e)
		}, 0.98, false, "%.3f"}
	}
	return []gpuGoal{
		against(measure.ForwardBackward, measure.Eager, "eager", 2.6),
		against(measure.ForwardBackward, measure.Compiled, "compiled loss and backward", 1.6),
		ofCeiling(measure.ForwardBackward, "reads two arrays and writes one"),
		against(measure.ForwardReduced, measure.Eager, "eager", 2),
		against(measure.ForwardReduced, measure.Compiled, "compiled", 1),
		ofCeiling(measure.ForwardReduced, "reads two arrays"),
		against(measure.WeightedMasked, measure.Eager, "eager", 4),
		against(measure.WeightedMasked, measure.Compiled, "compiled", 2),
		against(measure.Backward, measure.Eager, "eager", 1.33),
		against(measure.ForwardNone, measure.Eager, "eager", 1),
		{"the canonical sum, time ÷ that of an unordered atomic sum", large, func(g *measure.Group) float64 { return overAtomic(g) }, 1.02, true, "%.3f"},
		{"forward+backward of 128×4096, wall time, × eager", small, wallRatio, 4, false, "%.1f"},
		{"forward+backward of 128×4096, time on the device, µs", small, func(g *measure.Group) float64 {
			e, _ := g.Find(measure.ForwardBackward, measure.Ours)
			return e.DeviceNS.Median / 1e3
		}, 5, true, "%.2f"},
	}
}()

// overAtomic returns the time of the forward pass divided by that of the same pass with a sum in no particular order.
func overAtomic(g *measure.Group) float64 {
	ours, ok := g.Find(measure.ForwardReduced, measure.Ours)
	for _, e := range g.Entries {
		if e.Op == measure.Atomic && ok {
			return ours.DeviceNS.Median / e.DeviceNS.Median
		}
	}
	return 0
}

// wallRatio returns eager PyTorch's time on the host, until the loss is there, divided by ours.
func wallRatio(g *measure.Group) float64 {
	ours, ok := g.Find(measure.ForwardBackward, measure.Ours)
	eager, ok2 := g.Find(measure.ForwardBackward, measure.Eager)
	if !ok || !ok2 {
		return 0
	}
	return eager.NS.Median / ours.NS.Median
}

// A verdict is a goal's outcome in a run.
type verdict struct {
	figures []string // by size
	missed  bool
}

// String says whether the goal was reached.
func (v verdict) String() string {
	switch {
	case len(v.figures) == 0:
		return "not measured"
	case v.missed:
		return "**missed**"
	}
	return "met"
}

// of returns the verdict on a run.
func (t gpuGoal) of(r *measure.Result) (v verdict) {
	for i := range r.Groups {
		g := &r.Groups[i]
		if !t.about(g) {
			continue
		}
		got := t.figure(g)
		if got == 0 || math.IsNaN(got) {
			continue
		}
		v.figures = append(v.figures, size(g.N)+": "+fmt.Sprintf(t.format, got))
		v.missed = v.missed || t.most && got > t.goal || !t.most && got < t.goal
	}
	return v
}

// bound returns the goal, such as "≥ 2.6".
func (t gpuGoal) bound() string {
	return fmt.Sprintf("%s %v", map[bool]string{true: "≤", false: "≥"}[t.most], t.goal)
}

// gpuGoalsTable writes the goals beside what a run has measured.
func gpuGoalsTable(w io.Writer, r *measure.Result) {
	fmt.Fprint(w, "| float32, 2^28 to 2^30 elements unless said otherwise | goal | measured | |\n|---|---:|---|---|\n")
	for _, t := range gpuGoals {
		v := t.of(r)
		measured := "–"
		if len(v.figures) > 0 {
			measured = strings.Join(v.figures, ", ")
		}
		fmt.Fprintf(w, "| %s | %s | %s | %v |\n", t.name, t.bound(), measured, v)
	}
	fmt.Fprintln(w)
}

// gpuGoalsLine sums up the goals in a sentence.
func gpuGoalsLine(r *measure.Result) string {
	met, unknown := 0, 0
	var missed []string
	for _, t := range gpuGoals {
		switch v := t.of(r); {
		case len(v.figures) == 0:
			unknown++
		case v.missed:
			missed = append(missed, fmt.Sprintf("%s (%s): %s", t.name, t.bound(), strings.Join(v.figures, ", ")))
		default:
			met++
		}
	}
	line := fmt.Sprintf("Of %d goals %d are met, %d missed, %d not measured.", len(gpuGoals), met, len(missed), unknown)
	if len(missed) > 0 {
		line += " Missed: " + strings.Join(missed, "; ") + "."
	}
	return line
}

// sweepTables writes, for each sweep, the times on blocks of as many warps in a row, the shortest in bold.
func sweepTables(w io.Writer, r *measure.Result) {
	for i := range r.Sweeps {
		s := &r.Sweeps[i]
		best := s.Best()
		fmt.Fprintf(w, "\n%s of %s elements of float32, µs on the device by geometry; %s as package gpu launches it:\n\n| warps of a block |", name(s.Op), size(s.N),
			micros(s.Chosen().Median))
		blocks := s.Blocks()
		for _, b := range blocks {
			fmt.Fprintf(w, " %d × multiprocessors |", b)
		}
		fmt.Fprintln(w, "\n|---:|"+strings.Repeat("---:|", len(blocks)))
		for _, warps := range s.Warps() {
			fmt.Fprintf(w, "| %d |", warps)
			for _, b := range blocks {
				g := difftest.Geometry{Warps: warps, Blocks: b}
				text := "–"
				if t, ok := s.Time(g); ok {
					text = micros(t.Median)
				}
				if g == best.Geometry {
					text = "**" + text + "**"
				}
				fmt.Fprintf(w, " %s |", text)
			}
			fmt.Fprintln(w)
		}
	}
}
