package main

import (
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// palette are colours that people with any kind of colour vision tell apart (Okabe and Ito), on white.
var palette = []color.RGBA{
	{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255},
	{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 0, 0, 255},
}

const pictureWidth, pictureHeight = 16 * vg.Centimeter, 11 * vg.Centimeter

// draw writes the picture in a format.
func (d *drawing) draw(w io.Writer, format string) error {
	texts := strings.NewReplacer()
	if format == "pdf" { // gonum's PDF writes the bytes of a text, for a font of one byte a letter
		texts = strings.NewReplacer("β", "beta", "δ", "delta", "−", "-", "±", "+/-")
	}
	p, err := d.plot(texts)
	if err != nil {
		return err
	}
	canvas, err := draw.NewFormattedCanvas(pictureWidth, pictureHeight, format)
	if err != nil {
		return err
	}
	const margin = 8
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	_, err = canvas.WriteTo(w)
	return err
}

// plot returns axes, curves, marks and legend, with their texts put through a replacer.
func (d *drawing) plot(texts *strings.Replacer) (*plot.Plot, error) {
	p := d.axes(texts)
	highest := 0.0
	for i, beta := range d.betas {
		points, critical, err := d.curve(beta)
		if err != nil {
			return nil, err
		}
		for _, xy := range points {
			highest = max(highest, math.Abs(xy.Y))
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = palette[i], vg.Points(2)
		p.Add(line)
		p.Legend.Add(texts.Replace(d.label(beta)), line)
		if len(critical) > 0 {
			marks, err := mark(critical, palette[i])
			if err != nil {
				return nil, err
			}
			p.Add(marks)
		}
	}
	marks, err := mark(plotter.XYs{{}}, color.Black)
	if err != nil {
		return nil, err
	}
	critical := map[smoothl1.Kind]string{smoothl1.SmoothL1: "pred − target = ±β", smoothl1.Huber: "pred − target = ±δ"}[d.kind]
	p.Legend.Add(texts.Replace(critical), marks)
	if highest == 0 {
		highest = 1 // a curve that is 0 everywhere
	}
	across := 0.03 * (d.to - d.from)
	p.X.Min, p.X.Max = d.from-across, d.to+across
	p.Y.Min, p.Y.Max = -0.04*highest, 1.04*highest
	if d.gradient {
		p.Y.Min = -p.Y.Max
	}
	return p, nil
}

// mark returns dots at critical points.
func mark(at plotter.XYs, c color.Color) (*plotter.Scatter, error) {
	marks, err := plotter.NewScatter(at)
	if err != nil {
		return nil, err
	}
	marks.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
	return marks, nil
}

// axes returns a plot without curves.
func (d *drawing) axes(texts *strings.Replacer) *plot.Plot {
	p := plot.New()
	name := map[smoothl1.Kind]string{smoothl1.SmoothL1: "smooth L1 loss", smoothl1.Huber: "Huber loss"}[d.kind]
	p.Title.Text, p.Y.Label.Text = strings.ToUpper(name[:1])+name[1:], "loss"
	if d.gradient {
		p.Title.Text, p.Y.Label.Text = "Gradient of the "+name, "gradient with respect to pred"
	}
	p.X.Label.Text = texts.Replace("pred − target")
	p.Title.Padding = 6
	styles := []*text.Style{&p.Title.TextStyle, &p.Legend.TextStyle}
	sizes := []vg.Length{14, 11}
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		styles = append(styles, &axis.Label.TextStyle, &axis.Tick.Label)
		sizes = append(sizes, 12, 11)
		axis.Label.Padding = 4
		axis.Padding = 0
		axis.Tick.Marker = plot.TickerFunc(func(low, high float64) []plot.Tick {
			all := ticks(low, high)
			for i := range all {
				all[i].Label = texts.Replace(all[i].Label)
			}
			return all
		})
	}
	for i, s := range styles {
		s.Font.Variant, s.Font.Size = "Sans", sizes[i]
	}
	p.Legend.Left, p.Legend.Padding = true, 3
	p.Legend.Top, p.Legend.XOffs, p.Legend.YOffs = d.legendAt()
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	return p
}

// legendAt is a place where no curve goes, from the left end and from the top or the bottom.
func (d *drawing) legendAt() (top bool, x, y vg.Length) {
	switch {
	case d.gradient && d.from < 0: // above the rise
		return true, 10, -16
	case d.gradient: // below the rise
		return false, 0.5 * pictureWidth, 16
	case d.to <= 0: // above the fall
		return true, 0.5 * pictureWidth, -4
	case d.from >= 0: // above the rise
		return true, 10, -4
	}
	return true, 0.33 * pictureWidth, -4 // between the arms
}

// minus gives a negative number its sign in print.
func minus(number string) string {
	if positive, negative := strings.CutPrefix(number, "-"); negative {
		return "−" + positive
	}
	return number
}

// ticks labels about eight round numbers.
func ticks(low, high float64) (all []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/8)))
	for _, factor := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (high-low)/step <= 9 {
			break
		}
		step *= factor
	}
	for i := math.Ceil(low / step); i*step <= high; i++ {
		label := strconv.FormatFloat(i*step, 'g', 6, 64)
		if math.Abs(i) < 0.5 {
			label = "0"
		}
		all = append(all, plot.Tick{Value: i * step, Label: minus(label)})
	}
	return all
}

// curve returns points of the curve that a line joins without a visible error, and those critical points that are in the
// picture. The library computes them: outside the critical points it is straight.
func (d *drawing) curve(beta float64) (points, critical plotter.XYs, err error) {
	x := []float64{d.from, d.to}
	const steps = 64
	for i := range steps + 1 {
		x = append(x, beta*float64(2*i-steps)/steps)
	}
	if beta == 0 { // the gradient jumps
		const next = 1e-12
		x = append(x, -next*(d.to-d.from), next*(d.to-d.from))
	}
	x = slices.DeleteFunc(x, func(x float64) bool { return x < d.from || x > d.to })
	slices.Sort(x)
	x = slices.Compact(x)
	y := make([]float64, len(x))
	a := cpu.Args[float64]{Pred: x, Target: make([]float64, len(x))}
	if d.gradient {
		a.GradPred = y
		err = cpu.Backward(d.loss(beta), a)
	} else {
		a.Terms = y
		err = cpu.ForwardTerms(d.loss(beta), a)
	}
	if err != nil {
		return nil, nil, err
	}
	for i := range x {
		points = append(points, plotter.XY{X: x[i], Y: y[i]})
		if x[i] == beta || x[i] == -beta {
			critical = append(critical, points[i])
		}
	}
	return points, critical, nil
}
