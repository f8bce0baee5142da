package main

import (
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

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
func points(r *measure.Result, op, contender string, all bool) (xy plotter.XYs) {
	groups, _ := split(r)
	for _, g := range groups {
		if (g.Threads > 1) != (all && r.Device.Threads > 1) || share(g, op) == 0 {
			continue
		}
		e, ok := g.Find(op, contender)
		if ceiling, _ := g.Ceiling(op); ok && ceiling > 0 {
			xy = append(xy, plotter.XY{X: float64(g.N), Y: e.GBs() / ceiling})
		}
	}
	return xy
}

// drawing returns the plot: the share of the ceiling over the number of elements.
func drawing(r *measure.Result) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "Share of the speed of memory; crosses: PyTorch, preallocated"
	p.X.Label.Text = "elements, float32"
	p.Y.Label.Text = "share of the ceiling"
	p.X.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max = 0, 1.1
	p.Legend.Left, p.Legend.Top = true, false // the corner without marks
	p.Add(plotter.NewGrid())
	low, high := math.Inf(1), 0.0
	for _, op := range measure.Ops {
		for _, all := range []bool{false, true} {
			ours := points(r, op, measure.Ours, all)
			if len(ours) == 0 {
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
			p.Legend.Add(label, line, dots)
			if theirs := points(r, op, measure.Preallocated, all); all && len(theirs) > 0 {
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
	groups, _ := split(r)
	for i, g := range groups {
		if n := g.N; float64(n) >= low && (i == 0 || groups[i-1].N != n) {
			ticks = append(ticks, plot.Tick{Value: float64(n), Label: size(n)})
		}
	}
	p.X.Tick.Marker = ticks
	return p, nil
}

// paint writes the pictures to SVG files.
func paint(r *measure.Result, dir string) error {
	p, err := drawing(r)
	if err != nil {
		return err
	}
	_, further := split(r)
	if err := p.Save(18*vg.Centimeter, 11*vg.Centimeter, filepath.Join(dir, "cpu-ceiling.svg")); err != nil || len(further) == 0 {
		return err
	}
	if p, err = bars(further); err != nil {
		return err
	}
	return p.Save(22*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, "cpu-operations.svg"))
}
