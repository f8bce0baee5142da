package main

import (
	"image/color"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/recorder"
)

// pixel is the size of a pixel in a browser.
const pixel = vg.Inch / 96

// drawn records the lines and texts of a drawing, in order.
type drawn struct {
	size    vg.Point
	strokes []stroke
	texts   []written
}

type stroke struct {
	color color.Color
	width vg.Length
	line  []vg.Point
}

type written struct {
	text string
	box  vg.Rectangle
}

// pictureOf draws a picture, and requires that it takes at most ten seconds.
func pictureOf(t *testing.T, d drawing) (p drawn) {
	t.Helper()
	canvas := new(recorder.Canvas)
	done := make(chan error, 1)
	go func() {
		f, err := d.figure(strings.NewReplacer())
		if err == nil {
			p.size = f.size
			f.draw(canvas)
		}
		done <- err
	}()
	select {
	case err := <-done:
		require.NoError(t, err, "%+v", d)
	case <-time.After(10 * time.Second):
		require.Fail(t, "does not end", "%+v", d)
	}
	var now stroke
	turned := false // a vertical text is not a label
	for _, action := range canvas.Actions {
		switch a := action.(type) {
		case *recorder.SetColor:
			now.color = a.Color
		case *recorder.SetLineWidth:
			now.width = a.Width
		case *recorder.Rotate:
			turned = true
		case *recorder.Pop:
			turned = false
		case *recorder.Stroke:
			now.line = nil
			for _, part := range a.Path {
				now.line = append(now.line, part.Pos)
			}
			p.strokes = append(p.strokes, now)
		case *recorder.FillString:
			if turned {
				continue
			}
			face := font.DefaultCache.Lookup(a.Font, a.Size)
			p.texts = append(p.texts, written{a.String, vg.Rectangle{Min: a.Point, Max: a.Point.Add(vg.Point{X: face.Width(a.String), Y: 0.75 * a.Size})}})
		}
	}
	return p
}

// curve returns the line of the ith beta: the first in its colour.
func (p drawn) curve(i int) []vg.Point {
	for _, s := range p.strokes {
		if s.color == palette[i] && s.width == curveWidth {
			return s.line
		}
	}
	return nil
}

// marks returns the marks of critical points.
func (p drawn) marks() (all []stroke) {
	for _, s := range p.strokes {
		if _, colored := s.color.(color.RGBA); colored && s.width == markWidth {
			all = append(all, s)
		}
	}
	return all
}

// legend returns the texts of the legend, and its bounding box.
func (p drawn) legend() (texts []string, box vg.Rectangle) {
	box = vg.Rectangle{Min: vg.Point{X: math.MaxFloat32, Y: math.MaxFloat32}}
	for _, w := range p.texts {
		if strings.Contains(w.text, " = ") {
			texts = append(texts, w.text)
			const sampleWidth = 25
			box.Min = vg.Point{X: min(box.Min.X, w.box.Min.X-sampleWidth), Y: min(box.Min.Y, w.box.Min.Y)}
			box.Max = vg.Point{X: max(box.Max.X, w.box.Max.X), Y: max(box.Max.Y, w.box.Max.Y)}
		}
	}
	return texts, box
}
