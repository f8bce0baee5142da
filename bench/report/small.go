package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// mostCycles are the cycles that a call through the op may take, by the number of elements: 100 and 250 ns of a core at 3.66 GHz, that of the EPYC.
var mostCycles = map[int]float64{1: 366, 32: 366, 1024: 915}

// nanos formats the time of a short call.
func nanos(ns float64) string {
	switch {
	case ns < 10:
		return fmt.Sprintf("%.1f ns", ns)
	case ns < 10_000:
		return fmt.Sprintf("%.0f ns", ns)
	}
	return fmt.Sprintf("%.1f µs", ns/1e3)
}

// smallCalls writes the times of calls that are so short that the arrays do not matter, and counts their goals.
func smallCalls(w io.Writer, all []machine, tallies []tally) {
	fmt.Fprint(w, "### Small calls\n\nOne thread. The figures of a cell: the time of a call; the same in cycles of the core, whose frequency is measured in the same run by multiplications that "+
		"wait for each other; and PyTorch's time, as users call it. Cold: one call by itself, after other memory was read, how much is said with the machine; a reading of the "+
		"clock, some 20 to 50 ns, is part of it.\n\n| | elements | caches | through | cycles at most |")
	for _, m := range all {
		fmt.Fprintf(w, " %s |", cell(m.label))
	}
	fmt.Fprintf(w, "\n|---|---:|---|---|---:|%s\n", strings.Repeat("---|", len(all)))
	for _, op := range measure.Ops {
		for _, n := range []int{1, 32, 1024} {
			for _, cold := range []bool{false, true} {
				for _, ours := range []string{measure.Ours, measure.Direct} {
					if n == 1 && cold {
						continue
					}
					most, bound := 0.0, "–"
					if ours == measure.Ours && !cold {
						most = mostCycles[n]
						bound = fmt.Sprint(most)
					}
					row := make([]string, len(all))
					for i := range all {
						row[i] = all[i].small(&tallies[i], op, n, cold, ours, most)
					}
					fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s |\n", name(op), n, map[bool]string{false: "warm", true: "cold"}[cold],
						map[string]string{measure.Ours: "the op", measure.Direct: "package cpu"}[ours], bound, strings.Join(row, " | "))
				}
			}
		}
	}
	fmt.Fprintln(w)
	for _, m := range all {
		if m.One != nil {
			fmt.Fprintf(w, "One element, forward and backward, through the op, on %s: %s, %v allocations.\n", m.label, nanos(m.One.NS.Median), m.One.Allocations)
		}
	}
	fmt.Fprintln(w)
}

// small returns the figures of a row of the small calls, and counts the goal that it has if most is positive.
func (m *machine) small(t *tally, op string, n int, cold bool, ours string, most float64) string {
	g := m.find(n, false)
	if g == nil {
		g = &measure.Group{}
	}
	theirs := measure.Eager
	if cold {
		ours, theirs = measure.Cold(ours), measure.Cold(theirs)
	}
	e, ok := g.Find(op, ours)
	goal := most > 0
	if !ok {
		if goal {
			t.unknown++
		}
		return "not measured"
	}
	cycles := "–"
	switch c := e.DeviceNS.Median * m.Device.GHz; {
	case c == 0 && goal:
		t.unknown++
	case c == 0:
	case goal && c > most:
		t.missed++
		cycles = fmt.Sprintf("**%.0f**", c)
	default:
		if goal {
			t.met++
		}
		cycles = fmt.Sprintf("%.0f", c)
	}
	other := "–"
	if p, ok := g.Find(op, theirs); ok {
		other = nanos(p.DeviceNS.Median)
	}
	return strings.Join([]string{nanos(e.DeviceNS.Median), cycles, other}, " · ")
}
