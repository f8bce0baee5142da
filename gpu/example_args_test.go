package gpu_test

import (
	"errors"
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// download returns the elements of a buffer.
func download[T smoothl1.Element](b *gpu.Buffer[T]) []T {
	x := make([]T, b.Len())
	_ = b.Download(x)
	return x
}

// The box regression of a detection head: three boxes of four coordinates, of which the mask leaves out one, whose target is not known.
// The mask and the weight have one element for each box. The sum over the boxes is divided by the number of those that remain.
// The program examples/detection is a longer form.
func ExampleSmoothL1_Run_detection() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	nan := float32(math.NaN())
	pred, _ := gpu.Upload(dev, []float32{1, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, -3})
	target, _ := gpu.Upload(dev, []float32{0, 0, 0, 0, nan, nan, nan, nan, 0, 0, 0, 0})
	mask, _ := gpu.Upload(dev, smoothl1.Bytes([]bool{true, false, true}))
	weight, _ := gpu.Upload(dev, []float32{1, 1, 2})
	grad, _ := gpu.Alloc[float32](dev, 12)
	err := crit.Run(&gpu.Args[float32]{
		Pred: pred, Target: target, Mask: mask, Weight: weight, GradPred: grad,
		Divisor: smoothl1.DivideBy(2), // or DivideByKept, or DivideByWeights, for means over elements
		Shape:   &smoothl1.Shape{Rows: 3, Cols: 4, Mask: smoothl1.PerRow(), Weight: smoothl1.PerRow()},
	})
	loss, err2 := crit.Value()
	fmt.Println(loss, download(grad), errors.Join(err, err2))
	// Output: 2.75 [0.5 0 0 0 0 0 0 0 0 0 0 -1] <nil>
}

// A step of deep Q-learning: the index names the action that was taken in each row, the weights are those of a prioritised replay
// buffer, and |d| is the new priority. The program examples/dqn is a longer form.
func ExampleSmoothL1_Run_dqn() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Mean})
	values, _ := gpu.Upload(dev, []float32{1, 2, 3, 4, 5, 6}) // two states, three actions
	returns, _ := gpu.Upload(dev, []float32{1.5, 9})
	action, _ := gpu.Upload(dev, []int32{1, 2})
	weight, _ := gpu.Upload(dev, []float32{1, 0.5})
	grad, _ := gpu.Alloc[float32](dev, 6)
	priority, _ := gpu.Alloc[float32](dev, 2)
	err := crit.Run(&gpu.Args[float32]{
		Pred: values, Target: returns, Index: action, Weight: weight, GradPred: grad, Abs: priority,
		Shape: &smoothl1.Shape{Rows: 2, Cols: 3},
	})
	loss, err2 := crit.Value()
	fmt.Println(loss, download(grad), download(priority), errors.Join(err, err2))
	// Output: 0.6875 [0 0.25 0 0 0 -0.25] [0.5 3] <nil>
}

// Mixed precision: bfloat16 arrays, computed in float32, with a loss scale in the device's memory. The program examples/mixed is a longer
// form.
func ExampleSmoothL1_Run_mixed() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[smoothl1.BF16](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	x := make([]smoothl1.BF16, 2)
	_ = smoothl1.Convert(x, []float32{0.5, -2})
	pred, _ := gpu.Upload(dev, x)
	target, _ := gpu.Upload(dev, make([]smoothl1.BF16, 2))
	scale, _ := gpu.Upload(dev, []smoothl1.BF16{smoothl1.ToBF16(1024)})
	grad, _ := gpu.Alloc[smoothl1.BF16](dev, 2)
	err := crit.Run(&gpu.Args[smoothl1.BF16]{
		Pred: pred, Target: target, GradPred: grad, Upstream: gpu.Elements(scale),
		Shape: &smoothl1.Shape{Rows: 1, Cols: 2, Upstream: smoothl1.Single()},
	})
	loss, err2 := crit.Value()
	fmt.Println(loss, download(grad), errors.Join(err, err2))
	// Output: 0.8125 [256 -512] <nil>
}

// A diffusion model's step: each sample of the batch has a beta of its own, and a loss. The program examples/diffusion is a longer form.
func ExampleSmoothL1_Run_diffusion() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	pred, _ := gpu.Upload(dev, []float32{1, -1, 1, -1}) // two samples of two pixels
	target, _ := gpu.Upload(dev, make([]float32, 4))
	beta, _ := gpu.Upload(dev, []float32{0.5, 2})
	grad, _ := gpu.Alloc[float32](dev, 4)
	losses, _ := gpu.Alloc[float64](dev, 2)
	err := crit.Run(&gpu.Args[float32]{
		Pred: pred, Target: target, Beta: beta, GradPred: grad, ByRow: true, Losses: losses,
		Shape: &smoothl1.Shape{Rows: 2, Cols: 2, Beta: smoothl1.PerRow()},
	})
	fmt.Println(download(losses), download(grad), err)
	// Output: [0.75 0.25] [0.5 -0.5 0.25 -0.25] <nil>
}
