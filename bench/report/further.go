package main

import (
	"fmt"
	"image/color"
	"io"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// split returns the groups of float32 with the operations on pred and target alone, and the others: those of other types, and of further
// operations.
func split(r *measure.Result) (alone, further []*measure.Group) {
	for i := range r.Groups {
		g := &r.Groups[i]
		isFurther := func(e measure.Entry) bool { return slices.Contains(measure.FurtherOps, e.Op) }
		if g.DType != smoothl1.Float32 || slices.ContainsFunc(g.Entries, isFurther) {
			further = append(further, g)
		} else {
			alone = append(alone, g)
		}
	}
	return alone, further
}

// every is all operations, in the order of the tables.
var every = slices.Concat(measure.Ops, measure.FurtherOps)

// inMemory is the least number of elements that exceed the caches.
const inMemory = 1 << 24

// furtherGoals returns the least acceptable speed compared with PyTorch's, and share of the ceiling, 0 for none.
func furtherGoals(g *measure.Group) (pytorch, ofCeiling float64) {
	switch {
	case g.N < inMemory:
		return 3, 0
	case g.DType.Computing() != g.DType:
		return 5, 0.8
	default:
		return 5, 0.9
	}
}

// furtherTable writes the measurements of further operations and types, with their targets. It writes nothing if there are none.
func furtherTable(w io.Writer, r *measure.Result) {
	_, groups := split(r)
	if len(groups) == 0 {
		return
	}
	fmt.Fprint(w, "#### Weights, masks, rows, and types of 16 bits\n\n")
	fmt.Fprint(w, "Beta 1, all threads. Bytes: those that the operation must move, for each element of pred. The ceiling is of loops over pred, "+
		"target and the output.\n\n")
	fmt.Fprintln(w, "| | type | elements | bytes | median µs | p10 | p90 | GB/s | of the ceiling | × PyTorch | the ceiling |")
	fmt.Fprintln(w, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
	for _, op := range every {
		for _, g := range groups {
			ours, ok := g.Find(op, measure.Ours)
			if !ok {
				continue
			}
			pytorch, ofCeiling := furtherGoals(g)
			elements := size(g.N)
			if op == measure.DQNStep {
				elements = strings.Trim(strings.ReplaceAll(fmt.Sprint(g.Shape), " ", "×"), "[]")
			}
			part, loop := "–", "–"
			if s := share(g, op); s > 0 {
				speed, fastest := g.Ceiling(op)
				part, loop = ifMeasured(s, ofCeiling, "%.2f"), fmt.Sprintf("%.0f GB/s, %s", speed, fastest)
			}
			fmt.Fprintf(w, "| %s | %v | %s | %.4g | %s | %s | %s | %.1f | %s | %s | %s |\n", name(op), g.DType, elements,
				float64(ours.Bytes)/float64(g.N), micros(ours.DeviceNS.Median), micros(ours.DeviceNS.P10), micros(ours.DeviceNS.P90), ours.GBs(),
				part, ifMeasured(ratio(g, op, measure.Ours, measure.Eager), pytorch, "%.1f"), loop)
		}
	}
	fmt.Fprintln(w)
}

// ifMeasured formats a figure with its target, if it has one, and "–" for one that was not measured.
func ifMeasured(got, goal float64, format string) string {
	switch {
	case got == 0:
		return "–"
	case goal == 0:
		return fmt.Sprintf(format, got)
	}
	return against(got, goal, format)
}

// typeColours distinguish the types, as colours do the operations.
var typeColours = map[smoothl1.DType]color.Color{
	smoothl1.Float32:  color.RGBA{0x00, 0x72, 0xb2, 0xff},
	smoothl1.Float16:  color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	smoothl1.BFloat16: color.RGBA{0x00, 0x9e, 0x73, 0xff},
	smoothl1.Float64:  color.RGBA{0xcc, 0x79, 0xa7, 0xff},
}

// lines breaks the names of operations into lines as long as the bars of one are wide.
var lines = strings.NewReplacer(" ", "\n", "+", "+\n")

// bars returns the plot of further operations and types on a machine: the share of the ceiling for the largest arrays.
func (m *machine) bars(legend bool) (*plot.Plot, error) {
	groups := m.further()
	largest := slices.MaxFunc(groups, func(a, b *measure.Group) int { return a.N - b.N }).N
	var ops []string
	for _, op := range every {
		if slices.ContainsFunc(groups, func(g *measure.Group) bool { return g.N == largest && share(g, op) > 0 }) {
			ops = append(ops, op)
		}
	}
	p := plot.New()
	p.Title.Text = fmt.Sprintf("%s, %s elements", m.label, size(largest))
	p.Y.Label.Text = "share of the ceiling"
	p.Y.Min, p.Y.Max = 0, 1.4 // room for the legend
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.Padding = true, true, vg.Centimeter, vg.Points(2)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	var ticks plot.ConstantTicks
	for tenths := 0; tenths <= 10; tenths += 2 {
		share := float64(tenths) / 10
		ticks = append(ticks, plot.Tick{Value: share, Label: fmt.Sprint(share)})
	}
	p.Y.Tick.Marker = ticks
	types := []smoothl1.DType{smoothl1.Float32, smoothl1.Float16, smoothl1.BFloat16, smoothl1.Float64}
	const width = 10
	for i, t := range types {
		shares := make(plotter.Values, len(ops))
		seen := false
		for _, g := range groups {
			for k, op := range ops {
				if s := share(g, op); g.N == largest && g.DType == t && s > 0 {
					shares[k], seen = s, true
				}
			}
		}
		if !seen {
			continue
		}
		chart, err := plotter.NewBarChart(shares, vg.Points(width))
		if err != nil {
			return nil, err
		}
		chart.Color, chart.LineStyle.Width = typeColours[t], 0
		chart.Offset = vg.Points(width * (float64(i) - float64(len(types)-1)/2))
		p.Add(chart)
		if legend {
			p.Legend.Add(t.String(), chart)
		}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	p.Add(grid)
	labels := make([]string, len(ops))
	for i, op := range ops {
		labels[i] = lines.Replace(name(op))
	}
	p.NominalX(labels...)
	p.X.Min, p.X.Max = -0.5, float64(len(ops))-0.5
	return p, nil
}
