package main

import (
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/smoothl1/smoothl1/internal/measure"
)

// colours distinguish the operations, for people with any kind of colour vision (Okabe and Ito).
var colours = map[string]color.Color{
	measure.ForwardNone:     color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	measure.ForwardReduced:  color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	measure.Backward:        color.RGBA{0x00, 0x9e, 0x73, 0xff},
	measure.ForwardBackward: color.RGBA{0xd5, 0x5e, 0x00, 0xff},
}

// points returns the shares of the ceiling of an operation, ours or another contender's, over the number of elements.
func (m *machine) points(op, contender string, all bool) (xy plotter.XYs) {
	for _, g := range m.alone() {
		if (g.Threads > 1) != (all && m.Device.Threads > 1) || share(g, op) == 0 {
			continue
		}
		e, ok := g.Find(op, contender)
		if ceiling, _ := g.Ceiling(op); ok && ceiling > 0 {
			xy = append(xy, plotter.XY{X: float64(g.N), Y: e.GBs() / ceiling})
		}
	}
	return xy
}

// curves returns the plot of a machine: the share of the ceiling over the number of elements.
func (m *machine) curves(legend bool) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = m.label
	p.X.Label.Text = "elements, float32"
	p.Y.Label.Text = "share of the ceiling"
	p.X.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max = 0, 1.1
	p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = true, 3.2*vg.Centimeter, 2*vg.Millimeter // where no marks are
	p.Legend.Padding = vg.Points(2)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	p.Add(plotter.NewGrid())
	low, high := math.Inf(1), 0.0
	for _, op := range measure.Ops {
		for _, all := range []bool{false, true} {
			ours := m.points(op, measure.Ours, all)
			if len(ours) == 0 || all && m.Device.Threads == 1 {
				continue
			}
			for _, xy := range ours {
				low, high = min(low, xy.X), max(high, xy.X)
			}
			line, dots, err := plotter.NewLinePoints(ours)
			if err != nil {
				return nil, err
			}
			line.Color, dots.Color = colours[op], colours[op]
			line.Width = vg.Points(1.5)
			dots.Shape = draw.CircleGlyph{}
			label := name(op) + ", all threads"
			if !all {
				line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
				label = name(op) + ", one thread"
			}
			p.Add(line, dots)
			if legend {
				p.Legend.Add(label, line, dots)
			}
			if theirs := m.points(op, measure.Preallocated, all); (all || m.Device.Threads == 1) && len(theirs) > 0 {
				crosses, err := plotter.NewScatter(theirs)
				if err != nil {
					return nil, err
				}
				crosses.Shape, crosses.Color = draw.CrossGlyph{}, colours[op]
				p.Add(crosses)
			}
		}
	}
	if high == 0 {
		low, high = 1, 2
	}
	p.X.Min, p.X.Max = low/1.2, high*1.2
	var ticks plot.ConstantTicks
	last := 0
	for _, g := range m.alone() {
		if n := g.N; float64(n) >= low && n != last {
			ticks = append(ticks, plot.Tick{Value: float64(n), Label: size(n)})
			last = n
		}
	}
	p.X.Tick.Marker = ticks
	return p, nil
}

// paint writes the pictures to SVG files, each with a panel for each machine.
func paint(all []machine, dir string) error {
	var curves, bars []*plot.Plot
	// The panel with the legend has all of its lines, if any has.
	legend := max(0, slices.IndexFunc(all, func(m machine) bool { return m.Device.Threads > 1 }))
	for i := range all {
		m := &all[i]
		p, err := m.curves(i == legend)
		if err != nil {
			return err
		}
		curves = append(curves, p)
		if len(m.further()) == 0 {
			continue
		}
		if p, err = m.bars(len(bars) == 0); err != nil {
			return err
		}
		bars = append(bars, p)
	}
	if err := panels(curves, 18*vg.Centimeter, 10*vg.Centimeter, filepath.Join(dir, "cpu-ceiling.svg")); err != nil || len(bars) == 0 {
		return err
	}
	return panels(bars, 22*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, "cpu-operations.svg"))
}

// panels writes plots, one below the other and with the same scale, to an SVG file.
func panels(plots []*plot.Plot, width, height vg.Length, path string) error {
	const edge = 3 * vg.Millimeter
	canvas := vgsvg.New(width, height*vg.Length(len(plots)))
	column := make([][]*plot.Plot, len(plots))
	top := 0.0
	for i, p := range plots {
		column[i] = []*plot.Plot{p}
		top = max(top, p.Y.Max)
	}
	for _, p := range plots {
		p.Y.Max = top
	}
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadTop: edge, PadBottom: edge, PadLeft: edge, PadRight: 3 * edge, PadY: 2 * edge}
	for i, row := range plot.Align(column, tiles, draw.New(canvas)) {
		plots[i].Draw(row[0])
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err = canvas.WriteTo(f); err != nil {
		_ = f.Close() // err is the cause
		return err
	}
	return f.Close()
}
