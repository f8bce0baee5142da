package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// gpuSection returns the section on GPUs: a part for each bench/results/gpu-*.json, the newest first. It draws a picture for each.
func gpuSection(root string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(root, "bench", "results", "gpu-*.json"))
	if err != nil {
		return nil, err
	}
	type run struct {
		result *measure.Result
		name   string // of the file, without .json
	}
	var runs []run
	for _, file := range files {
		r, err := measure.Load(file)
		if err != nil {
			return nil, err
		}
		if r.Device.Backend != "cuda" {
			return nil, fmt.Errorf("%s is from the device %q: only runs on a GPU may be named gpu-*.json", file, r.Device.Backend)
		}
		runs = append(runs, run{r, strings.TrimSuffix(filepath.Base(file), ".json")})
	}
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(b.result.Date, a.result.Date) })
	var b bytes.Buffer
	if len(runs) == 0 {
		fmt.Fprint(&b, "**No GPU has run these benchmarks yet.** `make bench-gpu` runs them on a CUDA host, and the bundle (`make bundle`) on one without Go.\nThe goals, for a card of the class of an H100:\n\n")
		gpuGoalsTable(&b, &measure.Result{})
	}
	for _, r := range runs {
		picture := r.name + ".svg"
		p, err := gpuPicture(r.result)
		if err != nil {
			return nil, err
		}
		if err := p.Save(18*vg.Centimeter, 11*vg.Centimeter, filepath.Join(root, "docs", picture)); err != nil {
			return nil, err
		}
		gpuRun(&b, r.result, r.name+".json", picture)
	}
	return b.Bytes(), nil
}

// gpuRun writes a run.
func gpuRun(w io.Writer, r *measure.Result, file, picture string) {
	d := r.Device
	date, _, _ := strings.Cut(r.Date, "T")
	fmt.Fprintf(w, "### %s, %s\n\n", d.Name, date)
	fmt.Fprintf(w, "%s, %d multiprocessors, %.0f MiB of L2, driver for %s; commit %s, %s; medians of %d samples; buffers rotate through more than %.0f MiB. ",
		d.Architecture, d.Multiprocessors, float64(d.CacheBytes)/(1<<20), d.Driver, r.Commit, r.Go, r.Samples, float64(r.Rotating)/(1<<20))
	if p := r.Peer(measure.Eager); p != nil {
		fmt.Fprintf(w, "PyTorch %s with CUDA %s in the same run, interleaved", p.Version, p.CUDA)
		for _, contender := range []string{measure.Compiled, measure.Whole, measure.Graphed} {
			if why := r.Absent(contender); why != "" {
				fmt.Fprintf(w, "; without %s: %s", strings.TrimPrefix(contender, "pytorch, "), why)
			}
		}
	} else {
		fmt.Fprintf(w, "PyTorch was not measured: %s", r.Absent(measure.Eager))
	}
	fmt.Fprintf(w, ". Raw data: [bench/results/%s](../bench/results/%s).\n\n", file, file)
	fmt.Fprintf(w, "![Share of a copy over the number of elements](%s)\n\n", picture)
	gpuGoalsTable(w, r)
	fmt.Fprintln(w, "On the device: the time of one of several queued calls, by the device's events; one call: on the host, until its result is there. ×: PyTorch's time on the device divided by ours; "+
		"compiled whole: with loss and gradient in one function. The ceiling is a kernel that only reads two arrays, for a forward pass with reduction, "+
		"or reads two and writes a third. The atomic sum is that forward pass with a sum in no particular order.")
	fmt.Fprintln(w, "\n| | operation | on the device, µs | p10 | p90 | GB/s | of a copy | of its ceiling | × eager | × compiled | × compiled whole | × CUDA graph | one call, µs |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for i := range r.Groups {
		g := &r.Groups[i]
		for _, op := range every {
			for _, ours := range []string{measure.Ours, measure.Replayed} {
				if e, ok := g.Find(op, ours); ok {
					fmt.Fprintf(w, "%s | %s | %s | %s | %s | %s |\n", measured(g, e), times(g, e, measure.Eager), times(g, e, measure.Compiled),
						times(g, e, measure.Whole), times(g, e, measure.Graphed), micros(e.NS.Median))
				}
			}
		}
		for _, e := range g.Entries {
			if e.Op == measure.Read || e.Op == measure.Combine || e.Op == measure.Atomic {
				fmt.Fprintf(w, "%s | – | – | – | – | %s |\n", measured(g, e), micros(e.NS.Median))
			}
		}
	}
	fmt.Fprintln(w)
	if len(r.Bits) > 0 {
		fmt.Fprint(w, "PyTorch's results compared with ours, bit for bit:\n\n")
		for line := range strings.Lines(measure.BitsSummary(r.Bits) + "\n") {
			fmt.Fprintf(w, "- %s", line)
		}
		fmt.Fprintln(w)
	}
	for _, l := range r.Left {
		fmt.Fprintf(w, "Left out: %s.\n", l)
	}
	if len(r.Left) > 0 {
		fmt.Fprintln(w)
	}
}

// measured returns the cells of an entry that do not compare it with PyTorch.
func measured(g *measure.Group, e measure.Entry) string {
	own := "–"
	if share := g.OwnCeiling(e); !math.IsNaN(share) {
		own = fmt.Sprintf("%.3f", share)
	}
	op := e.Op
	if e.Contender == measure.Replayed {
		op += ", by a graph"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %.0f | %s | %s", strings.ReplaceAll(g.Name(), "|", "/"), op, micros(e.DeviceNS.Median),
		micros(e.DeviceNS.P10), micros(e.DeviceNS.P90), e.GBs(), part(g.Share(e)), own)
}

// part formats a share, "–" for none.
func part(share float64) string {
	if math.IsNaN(share) {
		return "–"
	}
	return fmt.Sprintf("%.2f", share)
}

// times formats the ratio of another contender's time to ours, "–" if it was not measured.
func times(g *measure.Group, ours measure.Entry, contender string) string {
	theirs, ok := g.Find(ours.Op, contender)
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.1f", theirs.DeviceNS.Median/ours.DeviceNS.Median)
}

// gpuPicture draws the share of a copy over the number of elements, for the plain sizes in float32 with beta 1.
func gpuPicture(r *measure.Result) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = r.Device.Name + ": share of the speed of a copy"
	p.X.Label.Text, p.Y.Label.Text = "elements, float32, beta 1", "share of a copy that moves as many bytes"
	p.X.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max = 0, 1.1
	p.Legend.Top = false
	p.Add(plotter.NewGrid())
	low, high := math.Inf(1), 0.0
	ticks := plot.ConstantTicks{}
	for i, op := range measure.Ops {
		var xy plotter.XYs
		for k := range r.Groups {
			g := &r.Groups[k]
			e, ok := g.Find(op, measure.Ours)
			if share := g.Share(e); ok && g.Workload == "" && g.DType.String() == "float32" && g.Beta == 1 && !math.IsNaN(share) {
				xy = append(xy, plotter.XY{X: float64(g.N), Y: share})
				low, high = min(low, float64(g.N)), max(high, float64(g.N))
				p.Y.Max = max(p.Y.Max, share*1.05)
				if i == 0 {
					ticks = append(ticks, plot.Tick{Value: float64(g.N), Label: size(g.N)})
				}
			}
		}
		if len(xy) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(xy)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color = colours[op], colours[op]
		line.Width, dots.Shape = vg.Points(1.5), draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(op, line, dots)
	}
	if high == 0 {
		low, high = 1, 2
	}
	p.X.Min, p.X.Max = low/1.2, high*1.2
	p.X.Tick.Marker = ticks
	return p, nil
}

// name returns an operation's name in the tables of the CPU, where all reductions are means.
func name(op string) string {
	if op == measure.ForwardReduced {
		return "forward mean"
	}
	return op
}
