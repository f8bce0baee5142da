package main

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legendMargin is the free space around the legend.
const legendMargin = vg.Length(8)

// legendSize returns the size of a legend, with an allowance for viewers' fonts, which may be wider than the one measured.
func legendSize(l *plot.Legend) (width, height vg.Length) {
	r := l.Rectangle(draw.Canvas{})
	const wider = 1.15
	return wider * r.Size().X, r.Size().Y + 2*l.TextStyle.FontExtents().Descent
}

// legendPlace finds a place in an area that no line crosses, preferably at the edges.
func legendPlace(l *plot.Legend, area vg.Rectangle, lines [][]vg.Point) (place vg.Rectangle, ok bool) {
	width, height := legendSize(l)
	free := area.Size().Sub(vg.Point{X: width + 2*legendMargin, Y: height + 2*legendMargin})
	if free.X < 0 || free.Y < 0 {
		return place, false
	}
	for _, parts := range []int{2, 16} { // halves are corners, middles and the centre
		for row := range parts + 1 {
			for column := range parts + 1 {
				low := area.Min.Add(vg.Point{
					X: free.X * vg.Length(column) / vg.Length(parts),
					Y: free.Y * vg.Length(parts-row) / vg.Length(parts), // from the top
				})
				around := vg.Rectangle{Min: low, Max: low.Add(vg.Point{X: width + 2*legendMargin, Y: height + 2*legendMargin})}
				if !crossed(around, lines) {
					margin := vg.Point{X: legendMargin, Y: legendMargin}
					return vg.Rectangle{Min: around.Min.Add(margin), Max: around.Max.Sub(margin)}, true
				}
			}
		}
	}
	return place, false
}

// crossed reports whether a line goes through a rectangle.
func crossed(r vg.Rectangle, lines [][]vg.Point) bool {
	c := draw.Canvas{Rectangle: r}
	return len(c.ClipLinesXY(lines...)) > 0
}
