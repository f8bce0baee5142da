// Command robustfit fits a line to Belgium's telephone calls of 1950–73 with the Huber loss, by gradient descent: a training
// loop to copy from. Six of the years were recorded in minutes instead of calls; the least-squares line follows them, the
// Huber line does not. Data: Rousseeuw and Leroy, Robust Regression and Outlier Detection (1987); also "phones" in R's MASS.
//
//	go run ./examples/robustfit -svg fit.svg
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

//go:embed phones.csv
var phones []byte

// line is y = Intercept + Slope·x.
type line struct{ Intercept, Slope float64 }

const steps, rate = 2000, 0.5

func main() {
	delta := flag.Float64("delta", 12.117, "residual at which the Huber loss becomes linear, in millions of calls")
	svg := flag.String("svg", "", "draw data and lines to this file")
	flag.Parse()
	if err := run(*delta, *svg); err != nil {
		fmt.Fprintln(os.Stderr, "robustfit:", err)
		os.Exit(1)
	}
}

func run(delta float64, svg string) (err error) {
	year, calls, err := read(phones)
	if err != nil {
		return err
	}
	dev, err := gpu.Open() // the GPU, or else the CPU
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	fmt.Println("device:", dev)

	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(10), progressbar.OptionSetPredictTime(false), // one row, on a narrow terminal too
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	huber, loss, err := fit(dev, delta, year, calls, func() { _ = bar.Add(1) })
	if err != nil {
		return err
	}
	squares := leastSquares(year, calls)
	fmt.Printf("Huber (delta %g): calls = %.6f %+.6f·year, mean loss %.6f\n", delta, huber.Intercept, huber.Slope, loss)
	fmt.Printf("least squares:        calls = %.6f %+.6f·year\n", squares.Intercept, squares.Slope)
	if svg != "" {
		return draw(svg, year, calls, huber, squares)
	}
	return nil
}

// fit returns the line that minimizes the mean Huber loss, and the loss.
func fit(dev *gpu.Device, delta float64, x, y []float64, step func()) (l line, loss float64, err error) {
	crit, err := gpu.NewSmoothL1[float64](dev, smoothl1.Loss{Kind: smoothl1.Huber, Beta: delta, Reduction: smoothl1.Mean})
	if err != nil {
		return l, 0, err
	}
	defer func() { err = errors.Join(err, crit.Close()) }()
	target, err1 := gpu.Upload(dev, y)
	pred, err2 := gpu.Alloc[float64](dev, len(y))
	grad, err3 := gpu.Alloc[float64](dev, len(y))
	defer func() { err = errors.Join(err, target.Close(), pred.Close(), grad.Close()) }()
	if err := errors.Join(err1, err2, err3); err != nil {
		return l, 0, err
	}

	z, mean, scale := standardise(x) // so that one learning rate suits both parameters
	p, g := make([]float64, len(y)), make([]float64, len(y))
	var a, b float64 // y = a + b·z
	for range steps {
		for i := range p {
			p[i] = a + b*z[i]
		}
		if err := errors.Join(pred.Set(p), crit.ForwardBackward(pred, target, grad), grad.Download(g)); err != nil {
			return l, 0, err
		}
		for i := range g {
			a -= rate * g[i]
			b -= rate * g[i] * z[i]
		}
		step()
	}
	loss, err = crit.Value()
	return line{Intercept: a - b*mean/scale, Slope: b / scale}, loss, err
}
