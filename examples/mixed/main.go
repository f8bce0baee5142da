// Command mixed trains in mixed precision: the network's output and the gradient are bfloat16, the weights float32. The gradient is
// multiplied by a loss scale in the device's memory, so that a program can change it without waiting for the device; the loss itself is
// a float64 sum of float32 terms.
//
//	go run ./examples/mixed
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

func main() {
	dev, err := gpu.Open() // the GPU, or else the CPU
	if err == nil {
		fmt.Println("device:", dev)
		err = errors.Join(run(dev, os.Stdout), dev.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mixed:", err)
		os.Exit(1)
	}
}

const (
	n     = 5000
	steps = 40
	rate  = 0.1 * n
)

var loss = smoothl1.Loss{Beta: 0.5, Reduction: smoothl1.Mean}

func run(dev *gpu.Device, out io.Writer) error {
	weights, rounded := make([]float32, n), make([]smoothl1.BF16, n) // the model: one weight for each output
	targets := make([]smoothl1.BF16, n)
	for i := range targets {
		targets[i] = smoothl1.ToBF16(math.Sin(float64(i)))
	}
	pred, err1 := gpu.Upload(dev, rounded)
	target, err2 := gpu.Upload(dev, targets)
	grad, err3 := gpu.Alloc[smoothl1.BF16](dev, n)
	// A float16 scale could be 32768 at most, the largest power of two of its type.
	scale, err4 := gpu.Upload(dev, []smoothl1.BF16{smoothl1.ToBF16(1024)})
	crit, err5 := gpu.NewSmoothL1[smoothl1.BF16](dev, loss)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	a := gpu.Args[smoothl1.BF16]{
		Pred: pred, Target: target, GradPred: grad,
		Upstream: gpu.Elements(scale),
		Shape:    &smoothl1.Shape{Rows: 1, Cols: n, Upstream: smoothl1.Single()},
	}
	gradient := make([]smoothl1.BF16, n)
	for step := range steps + 1 {
		// float32 weights, rounded once for the network.
		if err := errors.Join(smoothl1.Convert(rounded, weights), pred.Set(rounded)); err != nil {
			return err
		}
		if err := crit.Run(&a); err != nil {
			return err
		}
		if step%10 == 0 {
			value, err := crit.Value()
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "step %2d: loss %.6f\n", step, value)
		}
		if err := grad.Download(gradient); err != nil {
			return err
		}
		for i, g := range gradient {
			weights[i] -= rate * g.Float32() / 1024
		}
	}
	return nil
}
