package main

import (
	"errors"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// drawTo draws the data with both fits, and beside it the losses of both trainings.
func drawTo(c draw.Canvas, years, calls []float64, huber, squares *trained) error {
	fits := plot.New()
	fits.Title.Text = "Telephone calls from Belgium"
	fits.X.Label.Text, fits.Y.Label.Text = "year (19..)", "calls (millions)"
	fits.Legend.Top, fits.Legend.Left = true, true
	fits.Add(plotter.NewGrid())
	scatter, err := plotter.NewScatter(points(years, calls))
	if err != nil {
		return err
	}
	scatter.Radius = vg.Points(3)
	fits.Add(scatter)
	fits.Legend.Add("recorded", scatter)

	losses := plot.New()
	losses.Title.Text = "Training"
	losses.X.Label.Text, losses.Y.Label.Text = "step", "loss / loss of the first step"
	// With its names to the right of the lines, a font that is wider than this program expects does not run over them.
	losses.Legend.Top, losses.Legend.Left, losses.Legend.XOffs = true, true, 5*vg.Centimeter
	losses.Add(plotter.NewGrid())
	losses.Y.Min = 0
	for i, t := range []*trained{huber, squares} {
		name := []string{"Huber", "least squares"}[i]
		steps, shares := make([]float64, len(t.losses)), make([]float64, len(t.losses))
		for k := range steps {
			steps[k], shares[k] = float64(k+1), t.losses[k]/t.losses[0]
		}
		for _, l := range []struct {
			p *plot.Plot
			x plotter.XYs
		}{{fits, points(years, t.fit)}, {losses, points(steps, shares)}} {
			line, err := plotter.NewLine(l.x)
			if err != nil {
				return err
			}
			line.Color, line.Width = plotutil.Color(i), vg.Points(2)
			l.p.Add(line)
			l.p.Legend.Add(name, line)
		}
	}
	fits.X.Min, fits.X.Max = years[0]-1, years[len(years)-1]+1
	fits.Y.Min, fits.Y.Max = -10, 230
	tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: vg.Centimeter, PadTop: vg.Millimeter, PadBottom: vg.Millimeter, PadLeft: vg.Millimeter, PadRight: 3 * vg.Millimeter}
	for i, canvas := range plot.Align([][]*plot.Plot{{fits, losses}}, tiles, c)[0] {
		[]*plot.Plot{fits, losses}[i].Draw(canvas)
	}
	return nil
}

func points(x, y []float64) plotter.XYs {
	p := make(plotter.XYs, len(x))
	for i := range p {
		p[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	return p
}

// save draws to an SVG file. On error, it leaves an existing file unchanged.
func save(file string, years, calls []float64, huber, squares *trained) error {
	svg := vgsvg.New(24*vg.Centimeter, 10*vg.Centimeter)
	if err := drawTo(draw.New(svg), years, calls, huber, squares); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = svg.WriteTo(out)
	if err = errors.Join(err, out.Chmod(0o644), out.Close()); err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}
