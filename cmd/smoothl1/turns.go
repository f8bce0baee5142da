package main

import (
	"math"
	"sort"

	"gonum.org/v1/plot/vg"
)

// Where curves coincide, as the tails of gradients do, the last would hide the others. There they alternate like dashes.
const (
	turn     = vg.Length(8) // length for which each is on top
	together = vg.Length(1) // greatest distance of curves that coincide
)

// path is a curve on the canvas, as short lines from left to right.
type path struct {
	points []vg.Point
	length []vg.Length // of the curve up to each point
}

// newPath divides lines into pieces of at most one point, a 72nd of an inch.
func newPath(points []vg.Point) (p path) {
	var length vg.Length
	for i, to := range points {
		if i == 0 {
			p.points, p.length = append(p.points, to), append(p.length, 0)
			continue
		}
		from := points[i-1]
		whole := distance(from, to)
		parts := math.Ceil(float64(whole))
		for k := 1.0; k <= parts; k++ {
			part := vg.Length(k / parts)
			p.points = append(p.points, from.Add(to.Sub(from).Scale(part)))
			p.length = append(p.length, length+part*whole)
		}
		length += whole
	}
	return p
}

func distance(a, b vg.Point) vg.Length {
	return vg.Length(math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)))
}

// near returns the length of the curve up to where it passes a point, if it comes near it.
func (p path) near(at vg.Point) (length vg.Length, ok bool) {
	nearest := together
	for i := sort.Search(len(p.points), func(i int) bool { return p.points[i].X >= at.X-2*together }); i < len(p.points); i++ {
		if p.points[i].X > at.X+2*together {
			break
		}
		if away := p.away(i, at); away <= nearest {
			nearest, length, ok = away, p.length[i], true
		}
	}
	return length, ok
}

// away returns the distance of a point from the short line that ends at the ith point of the curve, or from the first point.
func (p path) away(i int, at vg.Point) vg.Length {
	if i == 0 {
		return distance(p.points[0], at)
	}
	from, along := p.points[i-1], p.points[i].Sub(p.points[i-1])
	part := at.Sub(from).Dot(along) / along.Dot(along)
	return distance(from.Add(along.Scale(min(1, max(0, part)))), at)
}

// turns returns, for each curve, the pieces to draw once more on top of all curves.
func turns(curves []path) (pieces [][][]vg.Point) {
	for i, c := range curves {
		var mine [][]vg.Point
		drawn := false
		for k := 1; k < len(c.points); k++ {
			middle := c.points[k-1].Add(c.points[k]).Scale(0.5)
			var here []int
			var length vg.Length // of the first curve here
			for j, other := range curves {
				if l, ok := other.near(middle); ok {
					if len(here) == 0 {
						length = l
					}
					here = append(here, j)
				}
			}
			wasDrawn := drawn
			drawn = len(here) > 1 && here[int(length/turn)%len(here)] == i
			if drawn && !wasDrawn {
				mine = append(mine, []vg.Point{c.points[k-1]})
			}
			if drawn {
				mine[len(mine)-1] = append(mine[len(mine)-1], c.points[k])
			}
		}
		pieces = append(pieces, mine)
	}
	return pieces
}
