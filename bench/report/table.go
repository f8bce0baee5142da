package main

import (
	"fmt"
	"io"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// size formats a count in its most familiar form.
func size(n int) string {
	switch {
	case n == 128*4096:
		return "128×4096"
	case n >= 1<<20 && n&(n-1) == 0:
		log := 0
		for n > 1 {
			n, log = n/2, log+1
		}
		return fmt.Sprintf("2^%d", log)
	default:
		return fmt.Sprint(n)
	}
}

// micros formats nanoseconds as microseconds, with three digits.
func micros(ns float64) string {
	switch us := ns / 1e3; {
	case us < 1:
		return fmt.Sprintf("%.3f", us)
	case us < 10:
		return fmt.Sprintf("%.2f", us)
	case us < 100:
		return fmt.Sprintf("%.1f", us)
	default:
		return fmt.Sprintf("%.0f", us)
	}
}

// share returns the share of the ceiling that we reach, or 0 if there is no ceiling, or if the arrays are so small that the call takes
// longer than moving them.
func share(g *measure.Group, op string) float64 {
	ours, ok := g.Find(op, measure.Ours)
	ceiling, _ := g.Ceiling(op)
	if !ok || ceiling == 0 || g.N < 1<<16 {
		return 0
	}
	return ours.GBs() / ceiling
}

// ratio returns the contender's time divided by ours, or 0 if either was not measured.
func ratio(g *measure.Group, op, ours, contender string) float64 {
	mine, ok := g.Find(op, ours)
	theirs, ok2 := g.Find(op, contender)
	if !ok || !ok2 {
		return 0
	}
	return theirs.DeviceNS.Median / mine.DeviceNS.Median
}

// table writes our measurements of float32 on pred and target alone, compared with PyTorch's and the ceiling.
func table(w io.Writer, r *measure.Result) {
	fmt.Fprintf(w, "#### All measurements on pred and target alone\n\nfloat32, beta 1. GB/s counts the bytes that the operation must move, 12 per element (forward mean: 8). "+
		"×: PyTorch's median divided by ours.\n\n")
	fmt.Fprintln(w, "| | elements | threads | median µs | p10 | p90 | GB/s | of the ceiling | × PyTorch | × preallocated | the ceiling |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
	groups, _ := split(r)
	for _, op := range measure.Ops {
		for _, g := range groups {
			ours, ok := g.Find(op, measure.Ours)
			if !ok {
				continue
			}
			part, loop := "–", "–"
			if s := share(g, op); s > 0 {
				speed, fastest := g.Ceiling(op)
				part, loop = fmt.Sprintf("%.2f", s), fmt.Sprintf("%.0f GB/s, %s", speed, fastest)
			}
			fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %s | %.1f | %s | %.1f | %.1f | %s |\n", name(op), size(g.N), g.Threads,
				micros(ours.DeviceNS.Median), micros(ours.DeviceNS.P10), micros(ours.DeviceNS.P90), ours.GBs(), part,
				ratio(g, op, measure.Ours, measure.Eager), ratio(g, op, measure.Ours, measure.Preallocated), loop)
		}
	}
	fmt.Fprintln(w)
}
