package main

import (
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"

	"github.com/smoothl1/smoothl1/cpu"
)

// curve is the visible part of one curve: points so dense that straight lines between them have no visible error.
type curve struct {
	points   plotter.XYs
	critical plotter.XYs // those of the points where |pred − target| is beta
}

// curveParts is the number of lines that approximate the visible part of a parabola. Their error is at most 1/curveParts² of the
// height of the picture, a tenth of a pixel.
const curveParts = 64

// curve computes the curve of a beta with package cpu. Between the points that it chooses, the loss is a parabola or a straight line,
// and the gradient a straight line.
func (d *drawing) curve(beta float64) (c curve, err error) {
	left, right := -beta, beta // the critical points
	if beta == 0 && d.gradient {
		left, right = -math.SmallestNonzeroFloat64, math.SmallestNonzeroFloat64 // the two ends of the jump
	}
	x := []float64{d.from, left, 0, right, d.to}
	low, high := max(d.from, -beta), min(d.to, beta) // the visible part of the parabola
	for i := range curveParts {
		x = append(x, low+(high-low)*(float64(i)/curveParts))
	}
	x = slices.DeleteFunc(x, func(x float64) bool { return x < d.from || x > d.to })
	slices.Sort(x)
	x = slices.Compact(x)
	y := make([]float64, len(x))
	a := cpu.Args[float64]{Pred: x, Target: make([]float64, len(x))}
	if d.gradient {
		a.GradPred = y
		err = cpu.Backward(d.loss(beta), &a)
	} else {
		a.Terms = y
		err = cpu.ForwardTerms(d.loss(beta), &a)
	}
	if err != nil {
		return curve{}, err
	}
	for i := range x {
		xy := plotter.XY{X: x[i], Y: y[i]}
		c.points = append(c.points, xy)
		if x[i] == left || x[i] == right {
			c.critical = append(c.critical, xy)
		}
	}
	return c, nil
}

// heights returns the ends of the vertical axis. The axis includes 0 unless the curves would then fill less than half of it; for a
// gradient, 0 is in the middle.
func (d *drawing) heights(curves []curve) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		for _, xy := range c.points {
			low, high = min(low, xy.Y), max(high, xy.Y)
		}
	}
	largest := max(math.Abs(low), math.Abs(high))
	switch {
	case largest < smallestHeight:
		low, high = 0, 1 // a curve that is 0 everywhere
	case high-low < largest/2 && resolved(low, high):
		// The curves alone.
	default:
		low, high = 0, largest
	}
	if d.gradient && low == 0 {
		low = -high
	}
	const margin = 0.04
	return low - margin*(high-low), high + margin*(high-low)
}

// smallestHeight is the smallest height at which float64 has its full precision, for ticks too.
const smallestHeight = 1e-290

// resolved reports whether float64 has enough numbers between low and high for a picture.
func resolved(low, high float64) bool {
	const steps = 4096
	largest := max(math.Abs(low), math.Abs(high))
	return high-low >= steps*(math.Nextafter(largest, math.Inf(1))-largest)
}
