// Command goroutines uses one device from several goroutines. They share the arrays; each has its own op and stream and computes
// one shard. The shards' chunk sums give the loss of the whole, to the bit.
//
//	go run ./examples/goroutines
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

func main() {
	dev, err := gpu.Open() // the GPU, or else the CPU
	if err == nil {
		fmt.Println("device:", dev)
		err = errors.Join(run(dev, os.Stdout), dev.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goroutines:", err)
		os.Exit(1)
	}
}

const (
	workers = 4
	shard   = 8 * cpu.Chunk // shards begin at multiples of cpu.Chunk; the last one may be shorter
	n       = (workers-1)*shard + 1234
)

var loss = smoothl1.Loss{Beta: 0.5, Reduction: smoothl1.Mean}

func run(dev *gpu.Device, out io.Writer) error {
	host := make([]float32, n)
	for i := range host {
		host[i] = float32(i%2001-1000) / 500
	}
	pred, err1 := gpu.Upload(dev, host)
	target, err2 := gpu.Upload(dev, make([]float32, n))
	grad, err3 := gpu.Alloc[float32](dev, n)
	if err := errors.Join(err1, err2, err3, dev.Wait()); err != nil {
		return err
	}

	var sums [workers][]float64
	var errs [workers]error
	var wait sync.WaitGroup
	for k := range workers {
		wait.Go(func() { sums[k], errs[k] = work(dev, pred, target, grad, k) })
	}
	wait.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	var all []float64
	for _, s := range sums {
		all = append(all, s...)
	}
	value, err := cpu.Finish(loss, all, n, smoothl1.Divisor{})
	if err != nil {
		return err
	}

	whole, err := gpu.Compute(dev, loss, host, make([]float32, n), nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d goroutines: %v\nin one go:    %v, the same bits: %v\n", workers, value, whole, value == whole)
	return nil
}

// work computes the k-th shard and returns its chunk sums. An op belongs to one goroutine. The device and buffers may be shared, as
// long as no goroutine writes memory that another one reads.
func work(dev *gpu.Device, pred, target, grad *gpu.Buffer[float32], k int) (sums []float64, err error) {
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, crit.Close()) }()
	stream, err := dev.NewStream()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	first, end := k*shard, min((k+1)*shard, n)
	p, err1 := pred.Slice(first, end)
	t, err2 := target.Slice(first, end)
	g, err3 := grad.Slice(first, end)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	// The divisor makes the mean, and so the gradient, that over all shards.
	args := gpu.Args[float32]{Pred: p, Target: t, GradPred: g, Divisor: smoothl1.DivideBy(float64(n))}
	if err := crit.Run(&args, gpu.OnStream(stream)); err != nil {
		return nil, err
	}
	return crit.ChunkSums(nil) // waits
}
