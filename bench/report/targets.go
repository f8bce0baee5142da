package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// goals are the least acceptable figures of a row of the targets; 0: none.
type goals struct{ ofCeiling, pre, pytorch, one float64 }

// tolerance is how much slower all threads may be than one.
const tolerance = 0.02

// goalsOf returns the goals of an operation on n elements, with all threads or with one.
func goalsOf(op string, n int, all bool) (g goals) {
	g.pre = 1
	switch {
	case n >= inMemory:
		g.ofCeiling = 0.95
	case n >= 1<<19:
		g.ofCeiling = 0.9
	}
	if op == measure.ForwardBackward {
		switch {
		case n <= 1024:
			g.pytorch = 50
		case n >= inMemory:
			g.pytorch = 5
		}
	}
	if all {
		g.one = 1 / (1 + tolerance)
	}
	return g
}

// String returns the goals in the order of the figures of a cell.
func (g goals) String() string {
	var parts []string
	for _, x := range []float64{g.ofCeiling, g.pre, g.pytorch, g.one} {
		part := "–"
		if x > 0 {
			part = "≥ " + strconv.FormatFloat(math.Floor(x*100)/100, 'f', -1, 64)
		}
		parts = append(parts, part)
	}
	if g.one == 0 {
		parts = parts[:3]
	}
	return strings.Join(parts, " · ")
}

// A tally counts goals.
type tally struct{ met, missed, unknown int }

// at formats a figure with a goal, in bold if it misses it, and counts the goal. A figure of 0 was not measured.
func (t *tally) at(got, goal float64) string {
	switch {
	case got == 0 && goal > 0:
		t.unknown++
		return "–"
	case got == 0:
		return "–"
	case got < goal:
		t.missed++
		return "**" + short(got, goal) + "**"
	case goal > 0:
		t.met++
	}
	return short(got, goal)
}

// short formats a figure with as many digits as matter, and more if it would read as the goal that it misses.
func short(got, goal float64) string {
	digits := 2
	switch {
	case got >= 100:
		digits = 0
	case got >= 10:
		digits = 1
	}
	for ; ; digits++ {
		text := strconv.FormatFloat(got, 'f', digits, 64)
		if shown, _ := strconv.ParseFloat(text, 64); got >= goal || shown < goal || digits > 6 { // text is a number
			return text
		}
	}
}

// String summarizes the goals.
func (t *tally) String() string {
	return fmt.Sprintf("of %d targets %d are met, %d missed, %d not measured", t.met+t.missed+t.unknown, t.met, t.missed, t.unknown)
}

// find returns the group of n elements, with all threads of the machine or with one, or nil. On a machine of one thread there is none for
// all.
func (m *machine) find(n int, all bool) *measure.Group {
	for _, g := range m.alone() {
		if g.N == n && (g.Threads > 1) == all {
			return g
		}
	}
	return nil
}

// least are the lengths that the table has in any case.
var least = []int{32, 1024, 128 * 4096, 1 << 20, 1 << 24, 1 << 26}

// targetSizes returns the lengths of the table: least, and others that were measured.
func targetSizes(all []machine) []int {
	sizes := slices.Clone(least)
	for _, m := range all {
		for _, g := range m.alone() {
			sizes = append(sizes, g.N)
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// targets writes the figures that have targets, of all machines side by side, and how many are met.
func targets(w io.Writer, all []machine) {
	fmt.Fprint(w, "### Targets\n\nOn pred and target alone, float32, beta 1. The figures of a cell: the share of the ceiling; PyTorch's time with its memory allocated beforehand, and "+
		"as users call it, divided by ours; and, with all threads, the time with one divided by that with all. In bold: missed.\n\n")
	fmt.Fprint(w, "| | elements | threads | targets |")
	for _, m := range all {
		fmt.Fprintf(w, " %s |", cell(m.label))
	}
	fmt.Fprintf(w, "\n|---|---:|---|---|%s\n", strings.Repeat("---|", len(all)))
	tallies := make([]tally, len(all))
	for _, op := range measure.Ops {
		for _, n := range targetSizes(all) {
			for _, every := range []bool{false, true} {
				measured := func(m machine) bool { return m.find(n, every) != nil }
				if !slices.Contains(least, n) && !slices.ContainsFunc(all, measured) {
					continue
				}
				row := make([]string, len(all))
				for i := range all {
					row[i] = all[i].figures(&tallies[i], op, n, every)
				}
				fmt.Fprintf(w, "| %s | %s | %s | %v | %s |\n", name(op), size(n), map[bool]string{false: "one", true: "all"}[every], goalsOf(op, n, every),
					strings.Join(row, " | "))
			}
		}
	}
	var calls bytes.Buffer
	smallCalls(&calls, all, tallies)
	fmt.Fprint(w, "\nWith those of the small calls:\n\n")
	for i, m := range all {
		fmt.Fprintf(w, "- %s: %v.\n", m.label, &tallies[i])
	}
	fmt.Fprintf(w, "\n%s", &calls)
}

// figures returns the figures of a row, and counts its goals.
func (m *machine) figures(t *tally, op string, n int, all bool) string {
	if all && m.Device.Threads == 1 {
		return "–" // the row of one thread says it
	}
	goals := goalsOf(op, n, all)
	g := m.find(n, all)
	if g == nil {
		g = &measure.Group{N: n}
	}
	figures := []string{t.at(share(g, op), goals.ofCeiling), t.at(ratio(g, op, measure.Ours, measure.Preallocated), goals.pre),
		t.at(ratio(g, op, measure.Ours, measure.Eager), goals.pytorch)}
	if all {
		faster := 0.0
		one := m.find(n, false)
		if one == nil {
			one = &measure.Group{}
		}
		before, ok := one.Find(op, measure.Ours)
		if after, ok2 := g.Find(op, measure.Ours); ok && ok2 {
			faster = before.DeviceNS.Median / after.DeviceNS.Median
		}
		figures = append(figures, t.at(faster, goals.one))
	}
	if _, ok := g.Find(op, measure.Ours); !ok {
		return "not measured"
	}
	return strings.Join(figures, " · ")
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
