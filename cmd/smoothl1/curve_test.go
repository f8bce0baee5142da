package main

import (
	"image/color"
	"math"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"

	"github.com/smoothl1/smoothl1"
)

// value is an independent implementation of the formula.
func (d *drawing) value(beta, x float64) float64 {
	a := math.Abs(x)
	switch {
	case d.kind == smoothl1.Huber && d.gradient:
		return max(-beta, min(beta, x))
	case d.kind == smoothl1.Huber && a < beta:
		return x * x / 2
	case d.kind == smoothl1.Huber:
		return beta * (a - beta/2)
	case d.gradient && a < beta:
		return x / beta
	case d.gradient && a > 0:
		return math.Copysign(1, x)
	case a < beta:
		return x * x / beta / 2
	}
	return a - beta/2
}

// TestCurveToAPixel compares the drawn line with the curve at every pixel.
func TestCurveToAPixel(t *testing.T) {
	const inf = 0x1p-20
	ranges := [][2]float64{{-1, 1}, {-0.02, 0.02}, {0, 1}, {-1, 0}, {-3, 0.5}, {0.05, 0.3}, {-7, -6.9}, {0.999, 1.001}, {-1e9, 1e9}, {0, 1e-9},
		{1e5, 1e5 + inf}, {-1e-100, 1e-100}, {-1e100, 1e100}, {31.9, 40}, {-40, 40}, {0.0999999, 0.1000001}}
	for _, kind := range []smoothl1.Kind{smoothl1.SmoothL1, smoothl1.Huber} {
		for _, gradient := range []bool{false, true} {
			for _, beta := range []float64{0, 1e-100, 1e-12, 0.001, 0.01, 0.1, 1, 2, 7, 10, 32, 1e5, 1e100} {
				if kind == smoothl1.Huber && beta == 0 {
					continue
				}
				for _, r := range ranges {
					d := drawing{kind: kind, betas: []float64{beta}, from: r[0], to: r[1], gradient: gradient}
					requireCurve(t, d, pictureOf(t, d).curve(0))
				}
			}
		}
	}
}

func requireCurve(t *testing.T, d drawing, line []vg.Point) {
	t.Helper()
	beta, last := d.betas[0], len(line)-1
	left, right := line[0].X, line[last].X
	at := func(x vg.Length) float64 { return d.from + float64((x-left)/(right-left))*(d.to-d.from) }
	// The lowest and the highest point determine the scale of the picture. They are on the curve, so a point with a wrong height is
	// noticed.
	low, high := line[0], line[0]
	for _, p := range line {
		if p.Y < low.Y {
			low = p
		}
		if p.Y > high.Y {
			high = p
		}
	}
	lowest, highest := math.Inf(1), math.Inf(-1)
	for _, x := range []float64{d.from, -beta, 0, beta, d.to} { // it is monotonic between these
		if x >= d.from && x <= d.to {
			lowest, highest = min(lowest, d.value(beta, x)), max(highest, d.value(beta, x))
		}
	}
	flat := highest-lowest < 1e-290
	for x := left; x <= right; x += pixel {
		if d.gradient && max(math.Abs(at(x)), beta) < 1e-6*(d.to-d.from) {
			continue // a jump, or nearly one
		}
		want := low.Y
		if !flat {
			want += (high.Y - low.Y) * vg.Length((d.value(beta, at(x))-lowest)/(highest-lowest))
		}
		i := max(1, sort.Search(last, func(i int) bool { return line[i].X >= x }))
		got := line[i].Y
		if across := line[i].X - line[i-1].X; across > 0 {
			got = line[i-1].Y + (line[i].Y-line[i-1].Y)*(x-line[i-1].X)/across
		}
		require.InDelta(t, float64(want), float64(got), float64(pixel)/2, "%+v at %v: points", d, at(x))
	}
}

// TestEveryCurveIsSeen checks that where curves coincide, each is on top for its share of the length.
func TestEveryCurveIsSeen(t *testing.T) {
	for _, d := range []drawing{
		{betas: []float64{1, 0.1, 0.01}, from: -1, to: 1, gradient: true},
		{betas: []float64{0.01, 0.1, 1}, from: -2, to: 2, gradient: true},
		{betas: []float64{0, 0.001, 0.002}, from: -1, to: 1},
		{betas: []float64{0, 0.0001, 0.0002, 0.0003}, from: -1, to: 1, gradient: true},
		{betas: []float64{1, 1, 1, 1, 1, 1, 1}, from: -3, to: 3},
		{betas: []float64{2, 2}, from: 3, to: 4, kind: smoothl1.Huber, gradient: true},
	} {
		p := pictureOf(t, d)
		for i := range d.betas {
			var part, seen float64 // in pixels
			for _, x := range segments(p.curve(i)) {
				here := 0
				for j := range d.betas {
					if touches(p.curve(j), x, 0.5) {
						here++
					}
				}
				if here < 2 {
					continue
				}
				part += 1 / float64(here)
				if p.top(x) == palette[i] {
					seen++
				}
			}
			require.GreaterOrEqual(t, seen, 0.6*part-10, "%+v: curve %d, for %v pixels", d, i, part)
		}
	}
}

// top returns the colour of the curve that was drawn last at a point.
func (p drawn) top(at vg.Point) (c color.Color) {
	for _, s := range p.strokes {
		if s.width == curveWidth && touches(s.line, at, curveWidth/2) {
			c = s.color
		}
	}
	return c
}

// segments returns the points of a line, a pixel apart.
func segments(line []vg.Point) (all []vg.Point) {
	for i := 1; i < len(line); i++ {
		step := line[i].Sub(line[i-1])
		for s := vg.Length(0); s < distance(line[i], line[i-1]); s += pixel {
			all = append(all, line[i-1].Add(step.Scale(s/distance(line[i], line[i-1]))))
		}
	}
	return all
}

func touches(line []vg.Point, p vg.Point, away vg.Length) bool {
	for i := 1; i < len(line); i++ {
		if (path{points: line[i-1 : i+1]}).away(1, p) <= away {
			return true
		}
	}
	return false
}
