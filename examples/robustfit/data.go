package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// read returns the two columns of a CSV file with a heading.
func read(file []byte) (x, y []float64, err error) {
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(records) < 3 {
		return nil, nil, fmt.Errorf("phones.csv: want a heading and two rows or more: %w", err)
	}
	for i, r := range records[1:] {
		u, err1 := strconv.ParseFloat(r[0], 64)
		v, err2 := strconv.ParseFloat(r[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, fmt.Errorf("phones.csv: row %d: %w", i+1, err)
		}
		x, y = append(x, u), append(y, v)
	}
	return x, y, nil
}

// standardise returns x shifted and scaled to mean 0 and variance 1.
func standardise(x []float64) (z []float64, mean, scale float64) {
	mean, variance := stat.PopMeanVariance(x, nil)
	scale = math.Sqrt(variance)
	z = make([]float64, len(x))
	for i := range x {
		z[i] = (x[i] - mean) / scale
	}
	return z, mean, scale
}

func leastSquares(x, y []float64) line {
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	return line{intercept, slope}
}

// draw writes a plot of the data and both lines to an SVG file. On error, it leaves an existing file unchanged.
func draw(file string, x, y []float64, huber, squares line) (err error) {
	p := plot.New()
	p.Title.Text = "Telephone calls from Belgium"
	p.X.Label.Text = "year (19..)"
	p.Y.Label.Text = "calls (millions)"
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	points := make(plotter.XYs, len(x))
	for i := range x {
		points[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	scatter, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	scatter.Radius = vg.Points(3)
	p.Add(scatter)
	p.Legend.Add("recorded", scatter)
	for i, l := range []line{huber, squares} {
		f := plotter.NewFunction(func(x float64) float64 { return l.Intercept + l.Slope*x })
		f.Color, f.Width = plotutil.Color(i), vg.Points(2)
		f.XMin, f.XMax = x[0], x[len(x)-1]
		p.Add(f)
		p.Legend.Add([]string{"Huber", "least squares"}[i], f)
	}
	p.X.Min, p.X.Max = x[0]-1, x[len(x)-1]+1
	p.Y.Min = squares.Intercept + squares.Slope*p.X.Min // the lower end of the steeper line
	w, err := p.WriterTo(16*vg.Centimeter, 10*vg.Centimeter, "svg")
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = w.WriteTo(out)
	if err = errors.Join(err, out.Chmod(0o644), out.Close()); err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		_ = os.Remove(out.Name())
	}
	return err
}
