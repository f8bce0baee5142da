package main

import (
	"fmt"
	"io"

	"github.com/smoothl1/smoothl1/bench/internal/results"
)

// describe says what ran where.
func describe(w io.Writer, r *results.Run, file string) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d threads, %d MiB of last-level cache, kernel %s; %s, instruction set %s; PyTorch %s (Debian's). "+
		"Commit %s, %s, medians of %d measurements (of PyTorch: %d); load averages before and after: %s and %s. All of it: "+
		"[bench/results/%s](../bench/results/%s).\n\n",
		m.CPU, m.Threads, m.LastCache>>20, m.Kernel, m.Go, m.InstructionSet, m.PyTorch, r.Commit, r.Date, 3*r.Rounds, r.Rounds,
		m.LoadBefore, m.LoadAfter, file, file)
	fmt.Fprintf(w, "![Share of the ceiling over the number of elements](cpu-ceiling.svg)\n\n")
}

// size writes a count as it is mostly said.
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

// micros writes nanoseconds in microseconds, with three digits.
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

// share returns the part of the ceiling that ours reaches, and 0 where there is no ceiling or the arrays are so small that
// calling costs more than moving.
func share(g *results.Group, op string) float64 {
	ours, ok := g.Find(op, results.Ours)
	ceiling, _ := g.Ceiling(op)
	if !ok || ceiling == 0 || g.N < 1<<16 {
		return 0
	}
	return ours.GBs() / ceiling
}

// ratio returns how many times as long the contender takes as ours; 0 where either was not measured.
func ratio(g *results.Group, op, ours, contender string) float64 {
	mine, ok := g.Find(op, ours)
	theirs, ok2 := g.Find(op, contender)
	if !ok || !ok2 {
		return 0
	}
	return theirs.NS.Median / mine.NS.Median
}

// table writes every measurement of ours beside PyTorch's and the ceiling.
func table(w io.Writer, r *results.Run) {
	fmt.Fprintf(w, "### All of it\n\nfloat32, beta 1. GB/s by the bytes that the operation must move, 12 an element (forward mean: 8). "+
		"×: PyTorch's median by ours.\n\n")
	fmt.Fprintln(w, "| | elements | threads | median µs | p10 | p90 | GB/s | of the ceiling | × PyTorch | × preallocated | the ceiling |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
	for _, op := range results.Ops {
		for i := range r.Groups {
			g := &r.Groups[i]
			ours, ok := g.Find(op, results.Ours)
			if !ok {
				continue
			}
			part, loop := "–", "–"
			if s := share(g, op); s > 0 {
				speed, name := g.Ceiling(op)
				part, loop = fmt.Sprintf("%.2f", s), fmt.Sprintf("%.0f GB/s, %s", speed, name)
			}
			fmt.Fprintf(w, "| %s | %s | %d | %s | %s | %s | %.1f | %s | %.1f | %.1f | %s |\n", op, size(g.N), g.Threads,
				micros(ours.NS.Median), micros(ours.NS.P10), micros(ours.NS.P90), ours.GBs(), part,
				ratio(g, op, results.Ours, results.PyTorch), ratio(g, op, results.Ours, results.PyTorchPreallocated), loop)
		}
	}
	fmt.Fprintln(w)
}
