package main

import (
	"image/color"
	"io"
	"slices"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/smoothl1/smoothl1"
)

// palette holds colours that people with any kind of colour vision can tell apart on white (Okabe and Ito).
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

const (
	pictureWidth, pictureHeight = 16 * vg.Centimeter, 11 * vg.Centimeter
	curveWidth                  = vg.Length(2)
)

// Pictures are reproducible: a PDF does not record when it was made.
func init() {
	fpdf.SetDefaultCreationDate(time.Unix(0, 0).UTC())
	fpdf.SetDefaultModificationDate(time.Unix(0, 0).UTC())
}

// draw writes the picture to w in a format.
func (d *drawing) draw(w io.Writer, format string) error {
	texts := strings.NewReplacer()
	if format == "pdf" { // gonum writes the bytes of a text to a PDF, whose fonts have one byte per letter
		texts = strings.NewReplacer("β", "beta", "δ", "delta", "−", "-", "±", "+/-")
	}
	f, err := d.figure(texts)
	if err != nil {
		return err
	}
	canvas, err := draw.NewFormattedCanvas(f.size.X, f.size.Y, format)
	if err != nil {
		return err
	}
	f.draw(canvas)
	_, err = canvas.WriteTo(w)
	return err
}

// figure is the layout of a picture.
type figure struct {
	size   vg.Point
	axes   *plot.Plot
	area   vg.Rectangle // of the axes with their labels
	curves [][]vg.Point
	marks  []mark
	legend *plot.Legend
	place  vg.Rectangle // of legend
}

// figure lays out the picture. texts is applied to everything that is written.
func (d *drawing) figure(texts *strings.Replacer) (*figure, error) {
	var curves []curve
	for _, beta := range d.betas {
		one, err := d.curve(beta)
		if err != nil {
			return nil, err
		}
		curves = append(curves, one)
	}
	f := &figure{size: vg.Point{X: pictureWidth, Y: pictureHeight}, axes: d.axes(texts, curves), legend: d.legend(texts, curves)}
	const margin = vg.Length(8)
	f.area = vg.Rectangle{Min: vg.Point{X: margin, Y: margin}, Max: f.size.Sub(vg.Point{X: margin, Y: margin})}
	data := f.axes.DataCanvas(draw.Canvas{Rectangle: f.area})
	f.curves = onCanvas(data, f.axes, curves)
	f.marks = d.marks(data, f.axes, curves)
	lines := slices.Clone(f.curves)
	for _, m := range f.marks {
		lines = append(lines, []vg.Point{m.from, m.to})
	}
	var inside bool
	if f.place, inside = legendPlace(f.legend, data.Rectangle, lines); !inside { // beside the axes
		width, height := legendSize(f.legend)
		f.place.Min = vg.Point{X: f.size.X, Y: data.Max.Y - height}
		f.place.Max = vg.Point{X: f.size.X + width, Y: data.Max.Y}
		f.size.X += width + margin
	}
	return f, nil
}

func (f *figure) draw(on vg.Canvas) {
	c := draw.NewCanvas(on, f.size.X, f.size.Y)
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	f.axes.Draw(draw.Canvas{Canvas: on, Rectangle: f.area})
	var paths []path
	for i, line := range f.curves {
		c.StrokeLines(lineStyle(i), line)
		paths = append(paths, newPath(line))
	}
	for i, pieces := range turns(paths) {
		c.StrokeLines(lineStyle(i), pieces...)
	}
	for _, m := range f.marks {
		c.StrokeLines(draw.LineStyle{Color: palette[m.curve], Width: markWidth}, []vg.Point{m.from, m.to})
	}
	f.legend.Draw(draw.Canvas{Canvas: on, Rectangle: f.place})
}

func onCanvas(c draw.Canvas, p *plot.Plot, curves []curve) (lines [][]vg.Point) {
	x, y := p.Transforms(&c)
	for _, one := range curves {
		var line []vg.Point
		for _, xy := range one.points {
			line = append(line, vg.Point{X: x(xy.X), Y: y(xy.Y)})
		}
		lines = append(lines, line)
	}
	return lines
}

func lineStyle(i int) draw.LineStyle { return draw.LineStyle{Color: palette[i], Width: curveWidth} }

// legend names the curves, and the marks if there are any.
func (d *drawing) legend(texts *strings.Replacer, curves []curve) *plot.Legend {
	l := plot.NewLegend()
	l.Left, l.Top, l.Padding = true, true, 3
	l.TextStyle.Font.Variant, l.TextStyle.Font.Size = "Sans", 11
	negative, positive := false, false
	for i, one := range curves {
		l.Add(texts.Replace(d.label(d.betas[i])), sample(func(c *draw.Canvas) {
			c.StrokeLine2(lineStyle(i), c.Min.X, c.Center().Y, c.Max.X, c.Center().Y)
		}))
		for _, xy := range one.critical {
			negative, positive = negative || xy.X <= 0, positive || xy.X >= 0
		}
	}
	name := map[smoothl1.Kind]string{smoothl1.SmoothL1: "β", smoothl1.Huber: "δ"}[d.kind]
	sign := map[[2]bool]string{{true, true}: "±", {true, false}: "−"}[[2]bool{negative, positive}]
	if negative || positive {
		l.Add(texts.Replace("pred − target = "+sign+name), sample(func(c *draw.Canvas) {
			c.StrokeLine2(draw.LineStyle{Color: color.Black, Width: markWidth}, c.Center().X, c.Center().Y-markLength/2, c.Center().X, c.Center().Y+markLength/2)
		}))
	}
	return &l
}

// sample draws an entry's symbol in the legend.
type sample func(*draw.Canvas)

func (s sample) Thumbnail(c *draw.Canvas) { s(c) }

// axes returns a plot without curves.
func (d *drawing) axes(texts *strings.Replacer, curves []curve) *plot.Plot {
	p := plot.New()
	name := map[smoothl1.Kind]string{smoothl1.SmoothL1: "smooth L1 loss", smoothl1.Huber: "Huber loss"}[d.kind]
	p.Title.Text, p.Y.Label.Text = strings.ToUpper(name[:1])+name[1:], "loss"
	if d.gradient {
		p.Title.Text, p.Y.Label.Text = "Gradient of the "+name, "gradient with respect to pred"
	}
	p.X.Label.Text = "pred − target"
	p.Title.Padding = 6
	styles := []*text.Style{&p.Title.TextStyle}
	sizes := []vg.Length{14}
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		styles = append(styles, &axis.Label.TextStyle, &axis.Tick.Label)
		sizes = append(sizes, 12, 11)
		axis.Label.Padding = 4
		axis.Padding = 0
	}
	for i, s := range styles {
		s.Font.Variant, s.Font.Size = "Sans", sizes[i]
	}
	across := 0.03 * (d.to - d.from)
	p.X.Min, p.X.Max = d.from-across, d.to+across
	p.Y.Min, p.Y.Max = d.heights(curves)
	setScale(&p.X, texts, newScale(p.X.Min, p.X.Max, func(ticks []plot.Tick) bool { return beside(ticks, &p.X) }))
	vertical := newScale(p.Y.Min, p.Y.Max, func([]plot.Tick) bool { return true })
	for i := range vertical.ticks {
		vertical.ticks[i].Label += " " // keeps it off the axis even if the viewer's font is wider
	}
	setScale(&p.Y, texts, vertical)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	return p
}

func setScale(axis *plot.Axis, texts *strings.Replacer, s scale) {
	axis.Label.Text = texts.Replace(axis.Label.Text + s.base)
	for i := range s.ticks {
		s.ticks[i].Label = texts.Replace(s.ticks[i].Label)
	}
	axis.Tick.Marker = plot.ConstantTicks(s.ticks)
}

// beside reports whether the labels of the horizontal axis fit side by side.
func beside(ticks []plot.Tick, axis *plot.Axis) bool {
	const axisWidth = 0.75 * pictureWidth // or more
	room := vg.Length(axis.Norm(ticks[1].Value)-axis.Norm(ticks[0].Value)) * axisWidth
	for _, t := range ticks {
		if axis.Tick.Label.Width(" "+t.Label+" ") > room {
			return false
		}
	}
	return true
}
