package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"

	"github.com/smoothl1/smoothl1"
)

// requireLegend requires that the legend lies on no curve and no mark, and names every curve, and marks if there are any.
func requireLegend(t *testing.T, d drawing, p drawn) {
	t.Helper()
	texts, box := p.legend()
	marks := p.marks()
	want := len(d.betas)
	if len(marks) > 0 {
		want++
	}
	require.Len(t, texts, want, "%+v", d)
	lines := [][]vg.Point{}
	for i := range d.betas {
		lines = append(lines, p.curve(i))
	}
	for _, m := range marks {
		lines = append(lines, m.line)
	}
	for _, line := range lines {
		for _, x := range segments(line) {
			inside := x.X > box.Min.X && x.X < box.Max.X && x.Y > box.Min.Y && x.Y < box.Max.Y
			require.False(t, inside, "%+v: %v is in the legend, %v", d, x, box)
		}
	}
}

func TestLegend(t *testing.T) {
	for _, c := range []struct {
		d     drawing
		want  string // the last line
		marks int
	}{
		{drawing{betas: []float64{1, 0.1, 0.01}, from: -1, to: 1}, "pred − target = ±β", 6},
		{drawing{betas: []float64{1, 0.1, 0.01}, from: -1, to: 1, gradient: true}, "pred − target = ±β", 6},
		{drawing{betas: []float64{10}, from: -1, to: 1}, "β = 10", 0},
		{drawing{betas: []float64{10, 0.5}, from: 0, to: 1}, "pred − target = β", 1},
		{drawing{betas: []float64{1, 2}, from: -4, to: 1.5, kind: smoothl1.Huber}, "pred − target = ±δ", 3},
		{drawing{betas: []float64{2}, from: -4, to: 1.5, kind: smoothl1.Huber}, "pred − target = −δ", 1},
		{drawing{betas: []float64{0}, from: -1, to: 1}, "pred − target = ±β", 1},
		{drawing{betas: []float64{0}, from: -1, to: 1, gradient: true}, "pred − target = ±β", 2},
		{drawing{betas: []float64{1}, from: 1e5, to: 1e5 + 0.001}, "β = 1", 0},
	} {
		p := pictureOf(t, c.d)
		texts, _ := p.legend()
		assert.Equal(t, c.want, texts[len(texts)-1], "%+v", c.d)
		assert.Len(t, p.marks(), c.marks, "%+v", c.d)
		requireLegend(t, c.d, p)
		requireApart(t, c.d, p)
	}
}

// TestLegendBesideTheAxes checks that the picture becomes wider if the curves leave no room for long names.
func TestLegendBesideTheAxes(t *testing.T) {
	d := drawing{betas: []float64{0, 4.2464674028180243e95, 4.320762224601982e95}, from: -4.5e95, to: 4.3e95, gradient: true}
	p := pictureOf(t, d)
	requireLegend(t, d, p)
	requireApart(t, d, p)
	_, box := p.legend()
	assert.Greater(t, box.Min.X, p.curve(0)[3].X)
	assert.Greater(t, p.size.X, pictureWidth)
}

// TestMarksCanBeToldApart checks that the marks of a small beta do not cover each other.
func TestMarksCanBeToldApart(t *testing.T) {
	for _, betas := range [][]float64{{0.01}, {1e-9}, {0.01, 0.0101}, {0, 0.001, 0.002, 0.1, 0.2, 0.5, 1}, {1, 1}} {
		for _, gradient := range []bool{false, true} {
			p := pictureOf(t, drawing{betas: betas, from: -1, to: 1, gradient: gradient})
			marks := p.marks()
			require.NotEmpty(t, marks)
			for i, a := range marks {
				assert.NotEqual(t, a.line[0].Y, a.line[1].Y)
				for _, b := range marks[:i] {
					assert.GreaterOrEqual(t, float64(distance(a.line[1], b.line[1])), float64(markGap)-1e-6, "%v", betas)
				}
			}
		}
	}
	// With enough room they are at the points themselves.
	for _, m := range pictureOf(t, drawing{betas: []float64{0.5}, from: -1, to: 1}).marks() {
		assert.InDelta(t, float64(m.line[0].X), float64(m.line[1].X), 1e-9)
	}
}
