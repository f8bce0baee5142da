// Command deviceloop keeps everything on the device: it uploads a data set once, computes the loss and the
// gradient of one batch per step in a single launch, without copying or allocating, and downloads the loss only when it is to
// be printed.
//
//	go run ./examples/deviceloop
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
	batches = 16
	batch   = 1 << 14 // elements
)

// betas decrease from epoch to epoch. An op has a fixed beta, so there is one op for each.
var betas = []float64{1, 0.5, 0.1, 0.01}

func main() {
	dev, err := gpu.Open() // the GPU, or else the CPU
	if err == nil {
		fmt.Println("device:", dev)
		err = errors.Join(run(dev, os.Stdout), dev.Close()) // Close releases the buffers, the op and the stream
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "deviceloop:", err)
		os.Exit(1)
	}
}

func run(dev *gpu.Device, out io.Writer) error {
	// Done once: allocate the data set and the gradients, and slice both into batches, which share their memory.
	host := make([]float32, batches*batch)
	for i := range host {
		host[i] = float32(math.Sin(float64(i)))
	}
	pred, err1 := gpu.Upload(dev, host)
	target, err2 := gpu.Upload(dev, make([]float32, len(host)))
	grad, err3 := gpu.Alloc[float32](dev, len(host))
	stream, err4 := dev.NewStream() // runs concurrently with the program's other work on the device
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	crits := make([]*gpu.SmoothL1[float32], len(betas))
	for i, beta := range betas {
		var err error
		if crits[i], err = gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: beta, Reduction: smoothl1.Mean}); err != nil {
			return err
		}
	}
	var p, t, g [batches]*gpu.Buffer[float32]
	for k := range batches {
		var errs [3]error
		p[k], errs[0] = pred.Slice(k*batch, (k+1)*batch)
		t[k], errs[1] = target.Slice(k*batch, (k+1)*batch)
		g[k], errs[2] = grad.Slice(k*batch, (k+1)*batch)
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	if err := dev.Wait(); err != nil { // the uploads are on another stream
		return err
	}

	// The loop: each call queues one kernel and returns.
	on := gpu.OnStream(stream)
	for epoch, crit := range crits {
		for k := range batches {
			if err := crit.ForwardBackward(p[k], t[k], g[k], on); err != nil {
				return err
			}
			// The optimizer's kernel would follow here, on the same stream.
		}
		loss, err := crit.Value() // of the last batch; waits for it
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "epoch %d: beta %v, loss of the last batch %.6f\n", epoch, betas[epoch], loss)
	}

	if err := grad.Download(host, on); err != nil {
		return err
	}
	fmt.Fprintf(out, "largest gradient × batch: %.3f\n", largest(host)*batch)
	return nil
}

func largest(x []float32) (m float64) {
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}
