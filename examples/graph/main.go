// Command graph trains with a graph: it captures a step once, and launches it again and again. For arrays as small as these the device
// needs less time for a step than the host to queue it call by call.
//
// A step is three calls: the fit to the data, by the loss of one op, the smoothness of the signal, by that of a second op, which
// compares each element with its neighbor, and a copy. The update is part of the calls: AccumulatePred adds the gradient, times
// −rate, to the signal itself. Kernels of your own, launched on a wrapped stream (see examples/wrap), are captured too.
//
//	go run ./examples/graph
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

const (
	n     = 512 // samples of the signal
	steps = 400
	rate  = 0.2
)

func main() {
	dev, err := gpu.Open() // the GPU, or else the CPU, where a graph is a list of its calls
	if err == nil {
		fmt.Println("device:", dev)
		err = errors.Join(run(dev, os.Stdout), dev.Close()) // Close releases everything
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "graph:", err)
		os.Exit(1)
	}
}

func run(dev *gpu.Device, out io.Writer) error {
	noisy := measured()
	data, err1 := gpu.Upload(dev, noisy)
	signal, err2 := gpu.Upload(dev, noisy)
	before, err3 := gpu.Alloc[float32](dev, n) // a copy of the signal, for smooth to read while it writes the signal
	fit, err4 := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 0.1, Reduction: smoothl1.Sum})
	smooth, err5 := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Sum})
	stream, err6 := dev.NewStream()
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	head, err1 := signal.Slice(0, n-1)
	left, err2 := before.Slice(0, n-1)
	right, err3 := before.Slice(1, n)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	on := gpu.OnStream(stream)
	gradient := func(factor float64) gpu.Upstream[float32] { return gpu.Number[float32](-rate * factor) }
	step := func() error {
		return errors.Join(
			fit.Run(&gpu.Args[float32]{Pred: signal, Target: data, GradPred: signal, AccumulatePred: true, Upstream: gradient(0.05)}, on),
			before.CopyFrom(signal, on),
			smooth.Run(&gpu.Args[float32]{Pred: left, Target: right, GradPred: head, AccumulatePred: true, Upstream: gradient(1)}, on),
		)
	}

	// The step once by itself: this loads the kernels and allocates the ops' memory, which a capture cannot.
	if err := errors.Join(step(), stream.Wait()); err != nil {
		return err
	}
	graph, err := stream.Capture(step)
	if err != nil {
		return err
	}
	defer graph.Close()
	for i := 1; i < steps; i++ {
		if err := graph.Launch(on); err != nil { // queues the whole step, and waits for nothing
			return err
		}
		if i%100 == 0 || i == steps-1 {
			loss, err1 := fit.Value() // of the last launch; waits for it
			rough, err2 := smooth.Value()
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			fmt.Fprintf(out, "step %3d: distance to the data %.4f, roughness %.4f\n", i, loss, rough)
		}
	}
	got := make([]float32, n)
	if err := signal.Download(got, on); err != nil {
		return err
	}
	fmt.Fprintf(out, "mean error: %.4f at first, %.4f at last\n", meanError(noisy), meanError(got))
	return nil
}

// truth is the signal without noise.
func truth(i int) float64 { return math.Sin(2 * math.Pi * float64(i) / n) }

// measured returns the signal with noise.
func measured() []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(truth(i) + float64(0.3*math.Sin(float64(i*i))))
	}
	return x
}

func meanError(x []float32) (sum float64) {
	for i, v := range x {
		sum += math.Abs(float64(v) - truth(i))
	}
	return sum / n
}
