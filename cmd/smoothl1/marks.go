package main

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The marks at critical points are ticks, on the side that the curve bends away from, so that they hide no curve. Where they would be
// closer than markGap, their ends are spread, so that they remain distinct.
const (
	markLength = vg.Length(8)
	markWidth  = vg.Length(1.25)
	markGap    = vg.Length(4)
)

// mark is a tick from a critical point to its end.
type mark struct {
	from, to vg.Point
	curve    int
}

// marks returns the marks of curves on a canvas.
func (d *drawing) marks(c draw.Canvas, p *plot.Plot, curves []curve) (all []mark) {
	x, y := p.Transforms(&c)
	var below, above []mark // relative to the curves
	for i, one := range curves {
		for _, xy := range one.critical {
			m := mark{from: vg.Point{X: x(xy.X), Y: y(xy.Y)}, curve: i}
			if d.gradient && xy.Y > 0 {
				above = append(above, m)
			} else {
				below = append(below, m)
			}
		}
	}
	spread(below, -markLength)
	spread(above, markLength)
	return append(below, above...)
}

// spread sets the ends of marks at a height above their points, at least markGap apart and otherwise as near to their points as possible.
func spread(marks []mark, height vg.Length) {
	slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(a.from.X, b.from.X) })
	// With n·markGap subtracted from the nth end, the ends must not decrease: groups that would are merged at their mean.
	type group struct {
		sum vg.Length
		n   int
	}
	mean := func(g group) vg.Length { return g.sum / vg.Length(g.n) }
	var groups []group
	for i, m := range marks {
		groups = append(groups, group{m.from.X - vg.Length(i)*markGap, 1})
		for last := len(groups) - 1; last > 0 && mean(groups[last]) < mean(groups[last-1]); last-- {
			groups[last-1].sum += groups[last].sum
			groups[last-1].n += groups[last].n
			groups = groups[:last]
		}
	}
	i := 0
	for _, g := range groups {
		for range g.n {
			marks[i].to = vg.Point{X: mean(g) + vg.Length(i)*markGap, Y: marks[i].from.Y + height}
			i++
		}
	}
}
