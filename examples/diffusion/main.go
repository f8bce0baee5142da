// Command diffusion is the loss of a diffusion model's training step, in one launch: each sample of a batch has a noise level, and a beta
// that depends on it. The losses of the samples, for a histogram over noise levels, come from the same pass as the gradient.
//
//	go run ./examples/diffusion
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
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
		fmt.Fprintln(os.Stderr, "diffusion:", err)
		os.Exit(1)
	}
}

const (
	samples = 16
	pixels  = 3 * 32 * 32
	steps   = 30
	rate    = 0.05 * pixels
)

var loss = smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean} // Beta gives way to that of the samples

// schedule returns the betas of a batch: small where there is little noise, so that the loss stays sharp.
func schedule() (beta []float32) {
	for s := range samples {
		beta = append(beta, float32(0.01*math.Pow(100, float64(s)/(samples-1))))
	}
	return beta
}

// noise returns a made-up batch of what the model should predict.
func noise() []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float32, samples*pixels)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// args uploads the batch. The reduction is by row: each sample has its own mean.
func args(dev *gpu.Device, predicted []float32) (a *gpu.Args[float32], err error) {
	pred, err1 := gpu.Upload(dev, predicted)
	target, err2 := gpu.Upload(dev, noise())
	beta, err3 := gpu.Upload(dev, schedule())
	grad, err4 := gpu.Alloc[float32](dev, samples*pixels)
	losses, err5 := gpu.Alloc[float64](dev, samples)
	return &gpu.Args[float32]{
		Pred: pred, Target: target, Beta: beta, GradPred: grad, ByRow: true, Losses: losses,
		Shape: &smoothl1.Shape{Rows: samples, Cols: pixels, Beta: smoothl1.PerRow()},
	}, errors.Join(err1, err2, err3, err4, err5)
}

func run(dev *gpu.Device, out io.Writer) error {
	predicted := make([]float32, samples*pixels)
	a, err := args(dev, predicted)
	if err != nil {
		return err
	}
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	if err != nil {
		return err
	}
	grad, losses := make([]float32, len(predicted)), make([]float64, samples)
	for step := range steps + 1 {
		if err := crit.Run(a); err != nil {
			return err
		}
		if err := errors.Join(a.GradPred.Download(grad), a.Losses.Download(losses)); err != nil {
			return err
		}
		if step%10 == 0 {
			fmt.Fprintf(out, "step %2d: loss %.6f with beta %.2f, %.6f with beta %.2f\n", step, losses[0], 0.01, losses[samples-1], 1.0)
		}
		for i, g := range grad {
			predicted[i] -= rate * g
		}
		if err := a.Pred.Set(predicted); err != nil {
			return err
		}
	}
	return nil
}
