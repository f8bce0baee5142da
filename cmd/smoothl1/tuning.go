package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// tunedAfter is a number of calls after which a search for the best choice has ended, on a quiet machine.
const tunedAfter = 300

// settings returns the ways in which a pass over large arrays can be made, as values of SMOOTHL1_TUNE, the last of which leaves them to
// measurements.
func settings(writes bool) (all []string) {
	set, _ := cpu.InstructionSet() // its error has been reported before any command
	stores, distances := []string{"ordinary"}, []int{0, 1024, 4096}
	if writes && strings.HasPrefix(set, "avx") { // the others do not stream
		stores = append(stores, "streaming")
	}
	if set == "generic" { // nor prefetch
		distances = distances[:1]
	}
	most := runtime.GOMAXPROCS(0)
	for threads := 1; ; threads = min(2*threads, most) {
		for _, stores := range stores {
			for _, ahead := range distances {
				all = append(all, fmt.Sprintf("threads=%d,stores=%s,ahead=%d", threads, stores, ahead))
			}
		}
		if threads == most {
			break
		}
	}
	return append(all, "off", "")
}

// printChoices measures passes over float32 arrays made in every way, and prints their GB/s.
func (b *benchmark) printChoices(ctx context.Context, w io.Writer, p *progress) error {
	defer cpu.SetTuning("")
	var tuned []cpu.Tuned
	reading, writing := settings(false), settings(true)
	p.what = "measurements"
	p.start(len(b.sizes) * (len(reading) + len(writing)))
	defer p.end()
	for _, pass := range []struct {
		name   string
		arrays int
		call   func(smoothl1.Loss, *cpu.Args[float32]) (float64, error)
		all    []string
	}{{"forward", 2, cpu.Forward[float32], reading}, {"forward_backward", 3, cpu.ForwardBackward[float32], writing}} {
		all := pass.all
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		rates := make([][]float64, len(all))
		fmt.Fprint(t, "elements:\t")
		for _, n := range b.sizes {
			fmt.Fprintf(t, "%d\t", n)
			if err := memory.Check(uint64(12 * n)); err != nil { // before the first array takes a part of it
				return fmt.Errorf("bench: %d elements: %w", n, err)
			}
			var args cpu.Args[float32]
			for _, x := range []*[]float32{&args.Pred, &args.Target, &args.GradPred} {
				var err error
				if *x, err = memory.Make[float32](n); err != nil {
					return fmt.Errorf("bench: %d elements: %w", n, err)
				}
			}
			for i := range n {
				args.Pred[i], args.Target[i], args.GradPred[i] = float32(i%7), float32(i%5), 1
			}
			if pass.arrays == 2 {
				args.GradPred = nil
			}
			l := smoothl1.Loss{Beta: b.betas[0]}
			for i, setting := range all {
				if err := cpu.SetTuning(setting); err != nil {
					return err
				}
				seconds, err := b.timeCalls(ctx, setting == "", func() error { _, err := pass.call(l, &args); return err })
				if err != nil {
					return err
				}
				rates[i] = append(rates[i], float64(4*pass.arrays*n)/seconds/1e9)
				p.add(1)
			}
			report, err := cpu.Tuning()
			if err != nil {
				return err
			}
			tuned = append(tuned, report.Tuned...)
		}
		fmt.Fprintln(t)
		for i, setting := range all {
			switch setting {
			case "off":
				setting = "off: as the rule says"
			case "":
				setting = "as measured"
			}
			fmt.Fprintf(t, "%s\t", setting)
			for _, rate := range rates[i] {
				fmt.Fprintf(t, "%.1f\t", rate)
			}
			fmt.Fprintln(t)
		}
		if _, err := fmt.Fprintf(w, "%s of float32, beta %v: GB/s\n", pass.name, b.betas[0]); err != nil {
			return err
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	report, err := cpu.Tuning()
	if err != nil {
		return err
	}
	report.Tuned = tuned
	_, err = fmt.Fprintln(w, report)
	return err
}

// timeCalls returns the median time of a call in seconds.
func (b *benchmark) timeCalls(ctx context.Context, tuned bool, call func() error) (float64, error) {
	before := 3
	if tuned {
		before = tunedAfter
	}
	for range before {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := call(); err != nil {
			return 0, err
		}
	}
	times := make([]time.Duration, b.samples)
	for i := range times {
		calls := 1 // as many as take longer than reading the clock
		begin := time.Now()
		for err := call(); ; err = call() {
			if err != nil {
				return 0, err
			}
			if times[i] = time.Since(begin); times[i] > 10*time.Microsecond {
				break
			}
			calls++
		}
		times[i] /= time.Duration(calls)
	}
	slices.Sort(times)
	return times[len(times)/2].Seconds(), nil
}
