// Command wrap computes the loss on memory allocated elsewhere and used by other kernels, such as those of cuBLAS or
// cuDNN, or your own: gpu.Wrap makes a buffer from a device pointer, without copying. Here the other kernel does
// a step of gradient descent, and the whole training loop stays on the device.
//
// It runs on the simulated device, so that you can try it anywhere. With gorgonia.org/cu on a GPU it works the same way: pass a
// cu.DevicePtr to gpu.Wrap, and launch the kernel in the same primary context.
//
//	go run ./examples/wrap
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

//go:embed descend.ptx
var descend string

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wrap:", err)
		os.Exit(1)
	}
}

const (
	n     = 5000
	steps = 30
	rate  = 0.25
)

func run(out io.Writer) (err error) {
	// The other library's part: the device, memory on it and a kernel.
	device := sim.New()
	pred, err1 := device.Alloc(4 * n)
	grad, err2 := device.Alloc(4 * n)
	target, err3 := device.Alloc(4 * n)
	err4 := errors.Join(device.Zero(pred, 4*n, 0), device.Zero(target, 4*n, 0))
	module, err5 := device.Load(descend)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return errors.Join(err, device.Close())
	}
	step, err := device.Function(module, "descend")
	if err != nil {
		return errors.Join(err, device.Close())
	}

	// Our part: the same device, and buffers that wrap that memory.
	dev, err := gpu.Open(gpu.On(device))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }() // does not free wrapped memory, but closes the device
	p, err1 := gpu.Wrap[float32](dev, uint64(pred), n)
	t, err2 := gpu.Wrap[float32](dev, uint64(target), n)
	g, err3 := gpu.Wrap[float32](dev, uint64(grad), n)
	crit, err4 := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
	if err := errors.Join(err1, err2, err3, err4, p.Set(start()), dev.Wait()); err != nil {
		return err
	}
	for i := range steps {
		// Both launches go to the default stream, so each sees the results of the other.
		if err := crit.ForwardBackward(p, t, g); err != nil {
			return err
		}
		arguments := []uint64{uint64(pred), uint64(grad), uint64(math.Float32bits(rate)), n}
		if err := device.Launch(step, sim.Linear((n+127)/128, 128), 0, arguments); err != nil {
			return err
		}
		if i%10 == 0 || i == steps-1 {
			loss, err := crit.Value()
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "step %2d: loss %.4f\n", i, loss)
		}
	}
	return nil
}

// start returns the initial values, between −2 and 2. The target is 0.
func start() []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%401-200) / 100
	}
	return x
}
