package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// What lies between these lines of docs/hardware.md is generated.
var beginRuns, endRuns = []byte("<!-- begin: make report, runs -->\n"), []byte("<!-- end: make report, runs -->\n")

// hardware generates the table of docs/hardware.md, and the section of each run, from bench/results/run-*.json.
func hardware(root string) error {
	page := filepath.Join(root, "docs", "hardware.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	runs, err := loadRuns(root)
	if err != nil {
		return err
	}
	if text, err = replace(text, runsSection(runs), beginRuns, endRuns); err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, text, 0o644)
}

// deviceRun is a run and its figures.
type deviceRun struct {
	name string // of the file, without run- and .json
	*bundle.Run
	figures *measure.Result // nil: none
}

// loadRuns returns the runs, the newest first.
func loadRuns(root string) (runs []deviceRun, err error) {
	files, err := filepath.Glob(filepath.Join(root, "bench", "results", "run-*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		r := deviceRun{name: strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "run-"), ".json")}
		if r.Run, err = bundle.Load(file); err != nil {
			return nil, err
		}
		if figures := filepath.Join(filepath.Dir(file), "gpu-"+r.name+".json"); exists(figures) {
			if r.figures, err = measure.Load(figures); err != nil {
				return nil, err
			}
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b deviceRun) int { return cmp.Compare(b.Date, a.Date) })
	return runs, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// runsSection returns the table and a section for each run.
func runsSection(runs []deviceRun) []byte {
	var b bytes.Buffer
	if len(runs) == 0 {
		fmt.Fprint(&b, "No GPU has run this code yet.\n\n")
	}
	fmt.Fprintln(&b, "| date | device, driver | commit | differential test | PyTorch's bits | benchmarks | compute-sanitizer | vectors | long random test |")
	fmt.Fprintln(&b, "|---|---|---|---|---|---|---|---|---|")
	if len(runs) == 0 {
		fmt.Fprintln(&b, "| – | – | – | – | – | – | – | – | – |")
	}
	for _, r := range runs {
		date, _, _ := strings.Cut(r.Date, "T")
		var sanitizers []string
		for _, tool := range bundle.Tools {
			if s, ok := r.Step(bundle.Sanitizers + tool); ok && s.Outcome != bundle.Skipped {
				sanitizers = append(sanitizers, tool+" "+outcome(s.Outcome))
			}
		}
		fmt.Fprintf(&b, "| %s | %s (%s), driver %s for CUDA %s | %s | %s | %s | %s | %s | %s | %s |\n", date, cell(r.Machine.GPU), r.Machine.Architecture,
			cmp.Or(r.Machine.Driver, "–"), cmp.Or(r.Machine.CUDA, "–"), r.Commit, r.cell(bundle.Differential, "cases"), r.cell(bundle.Bits, "arrays"),
			cmp.Or(headline(r.figures), r.cell(bundle.Main, "groups")), cmp.Or(strings.Join(sanitizers, ", "), "–"),
			r.cell(bundle.Vectors, "instructions"), r.cell(bundle.Verify, "cases"))
	}
	for _, r := range runs {
		date, _, _ := strings.Cut(r.Date, "T")
		fmt.Fprintf(&b, "\n### %s, %s\n\n", r.Machine.GPU, date)
		fmt.Fprintf(&b, "[run-%s.json](../bench/results/run-%s.json): %s after %.0f s, exit %d", r.name, r.name, r.State, r.Seconds, r.Exit)
		if r.Budget > 0 {
			fmt.Fprintf(&b, ", with a budget of %.0f s", r.Budget)
		}
		if r.figures != nil {
			fmt.Fprintf(&b, "; figures in [performance.md](performance.md) and [gpu-%s.json](../bench/results/gpu-%s.json)", r.name, r.name)
		}
		fmt.Fprint(&b, ".\n\n")
		for _, s := range r.Steps {
			fmt.Fprintf(&b, "- %s\n", strings.ReplaceAll(s.String(), "\n    ", "\n  - "))
		}
		if r.figures != nil {
			fmt.Fprintf(&b, "\n%s\n", gpuGoalsLine(r.figures))
			sweepTables(&b, r.figures)
		}
	}
	return b.Bytes()
}

// cell returns text that does not break the cell of a table.
func cell(text string) string { return strings.NewReplacer("|", "/", "\n", " ").Replace(text) }

// outcome returns an outcome, in bold if it needs attention.
func outcome(o bundle.Outcome) string {
	if o.Bad() {
		return "**" + string(o) + "**"
	}
	return string(o)
}

// cell summarizes the outcome of a step.
func (r deviceRun) cell(name, what string) string {
	s, ok := r.Step(name)
	if !ok {
		return "–"
	}
	if s.Cases == 0 {
		return outcome(s.Outcome)
	}
	return fmt.Sprintf("%s, %d %s", outcome(s.Outcome), s.Cases, what)
}

// headline returns the speed of forward and backward on the largest array of float32 with beta 1.
func headline(r *measure.Result) string {
	var best *measure.Group
	if r != nil {
		for i := range r.Groups {
			g := &r.Groups[i]
			if _, ok := g.Find(measure.ForwardBackward, measure.Ours); ok && g.DType.String() == "float32" && g.Beta == 1 && (best == nil || g.N > best.N) {
				best = g
			}
		}
	}
	if best == nil {
		return ""
	}
	e, _ := best.Find(measure.ForwardBackward, measure.Ours)
	return fmt.Sprintf("forward+backward of %s: %.0f GB/s, %s of a copy; PyTorch %s ×, compiled %s ×", size(best.N), e.GBs(), part(best.Share(e)),
		times(best, e, measure.Eager), times(best, e, measure.Compiled))
}
