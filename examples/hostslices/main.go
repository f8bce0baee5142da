// Command hostslices computes a loss and its gradient from host slices in one call, for programs that need a single step. The call
// copies to the device and back; examples/deviceloop shows how to avoid that.
//
//	go run ./examples/hostslices
package main

import (
	"errors"
	"fmt"
	"io"
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
		fmt.Fprintln(os.Stderr, "hostslices:", err)
		os.Exit(1)
	}
}

func run(dev *gpu.Device, out io.Writer) error {
	pred := []float32{0.5, 2, -3, 1}
	target := []float32{0, 0, 0, 1}
	grad := make([]float32, len(pred))
	for _, l := range []smoothl1.Loss{
		{Beta: 1, Reduction: smoothl1.Sum},
		{Beta: 1}, // the mean: gradients are divided by the count
		{Kind: smoothl1.Huber, Beta: 2, Reduction: smoothl1.Sum},
		{Reduction: smoothl1.Sum}, // beta 0: L1
	} {
		loss, err := gpu.Compute(dev, l, pred, target, grad)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-26v loss %-6v gradient %v\n", l, loss, grad)
	}

	loss, err := gpu.Compute(dev, smoothl1.Loss{Beta: 1}, pred, target, nil) // without the gradient
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the loss alone:", loss)

	// An invalid argument is an error that names it, and nothing is written.
	_, err = gpu.Compute(dev, smoothl1.Loss{Beta: 1}, pred, target[:3], grad)
	fmt.Fprintln(out, "an error:", err, errors.Is(err, smoothl1.ErrLength))
	return nil
}
