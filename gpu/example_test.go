package gpu_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// open opens the CPU, so that the examples print the same everywhere. A program calls gpu.Open() to use the GPU.
func open() *gpu.Device {
	dev, err := gpu.Open(gpu.CPU())
	if err != nil {
		log.Fatal(err)
	}
	return dev
}

func ExampleOpen() {
	dev, err := gpu.Open() // the CUDA device, or the CPU if there is none
	if err != nil {
		log.Fatal(err) // there is a GPU, but it does not work
	}
	defer dev.Close()
	fmt.Println(dev.Backend() == "cuda" || dev.Reason() != "")
	// Output: true
}

func ExampleCompute() {
	dev := open()
	defer dev.Close()
	pred, target := []float32{0.5, 2, -3}, []float32{0, 0, 0}
	grad := make([]float32, len(pred))
	loss, err := gpu.Compute(dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, pred, target, grad)
	fmt.Println(loss, grad, err)
	// Output: 4.125 [0.5 1 -1] <nil>
}

func ExampleSmoothL1() {
	dev := open()
	defer dev.Close() // releases the device's buffers and ops too
	crit, err := gpu.NewSmoothL1[float64](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	if err != nil {
		log.Fatal(err)
	}
	defer crit.Close()
	x := []float64{4, -2}
	pred, err1 := gpu.Upload(dev, x)
	target, err2 := gpu.Upload(dev, []float64{1, 1})
	grad, err3 := gpu.Alloc[float64](dev, len(x))
	if err := errors.Join(err1, err2, err3); err != nil {
		log.Fatal(err)
	}
	g := make([]float64, len(x))
	for range 3 {
		if err := errors.Join(pred.Set(x), crit.ForwardBackward(pred, target, grad), grad.Download(g)); err != nil {
			log.Fatal(err)
		}
		loss, err := crit.Value()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(loss, g)
		for i := range x {
			x[i] -= 2 * g[i]
		}
	}
	// Output:
	// 2.5 [0.5 -0.5]
	// 1.5 [0.5 -0.5]
	// 0.5 [0.5 -0.5]
}

// Run computes the outputs that its arguments have buffers for.
func ExampleSmoothL1_Run() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean})
	a := gpu.Args[float32]{}
	a.Pred, _ = gpu.Upload(dev, []float32{0.5, 2, -3, 0})
	a.Target, _ = gpu.Upload(dev, []float32{0, 0, 0, 0})
	a.GradPred, _ = gpu.Alloc[float32](dev, 4)
	a.Upstream = gpu.Number[float32](8) // scales only the gradient
	err := crit.Run(&a)
	loss, _ := crit.Value()
	grad := make([]float32, 4)
	_ = a.GradPred.Download(grad)
	fmt.Println(loss, grad, err)

	a.NoLoss, a.GradTarget, a.GradPred = true, a.GradPred, nil // only the gradient with respect to target
	err = crit.Run(&a)
	_ = a.GradTarget.Download(grad)
	fmt.Println(grad, err)
	// Output:
	// 1.03125 [1 2 -2 0] <nil>
	// [-1 -2 2 -0] <nil>
}

// The CPU is always available. The error says why there is no CUDA device.
func ExampleDevices() {
	devices, err := gpu.Devices()
	for _, d := range devices {
		if d.Backend == "cpu" {
			fmt.Println("cpu")
		}
	}
	fmt.Println(err == nil || errors.Is(err, smoothl1.ErrNoCUDA))
	// Output:
	// cpu
	// true
}

func ExampleElements() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
	pred, _ := gpu.Upload(dev, []float32{0.5, 2, -3})
	target, _ := gpu.Upload(dev, []float32{0, 0, 0})
	weight, _ := gpu.Upload(dev, []float32{1, 0, 10}) // the gradient of the objective with respect to each loss term
	terms, _ := gpu.Alloc[float32](dev, 3)
	gradPred, _ := gpu.Alloc[float32](dev, 3)
	gradTarget, _ := gpu.Alloc[float32](dev, 3)
	err := errors.Join(
		crit.ForwardTerms(pred, target, terms),
		crit.Run(&gpu.Args[float32]{Pred: pred, Target: target, GradPred: gradPred, GradTarget: gradTarget, Upstream: gpu.Elements(weight)}),
	)
	for _, b := range []*gpu.Buffer[float32]{terms, gradPred, gradTarget} {
		x := make([]float32, b.Len())
		err = errors.Join(err, b.Download(x))
		fmt.Println(x)
	}
	fmt.Println(err)
	// Output:
	// [0.125 1.5 2.5]
	// [0.5 0 -10]
	// [-0.5 -0 10]
	// <nil>
}

func ExampleSmoothL1_ChunkSums() {
	dev := open()
	defer dev.Close()
	l := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	const n = 2*cpu.Chunk + 10
	pred, target := make([]float32, n), make([]float32, n)
	for i := range pred {
		pred[i] = float32(i) * 0.001
	}
	whole, _ := gpu.Compute(dev, l, pred, target, nil)

	var sums []float64 // of the shards, in order
	for _, shard := range [][2]int{{0, cpu.Chunk}, {cpu.Chunk, n}} {
		crit, _ := gpu.NewSmoothL1[float32](dev, l)
		p, _ := gpu.Upload(dev, pred[shard[0]:shard[1]])
		t, _ := gpu.Upload(dev, target[shard[0]:shard[1]])
		grad, _ := gpu.Alloc[float32](dev, p.Len())
		_ = crit.Run(&gpu.Args[float32]{Pred: p, Target: t, GradPred: grad, Divisor: smoothl1.DivideBy(n)}) // the mean over all shards
		sums, _ = crit.ChunkSums(sums)
	}
	loss, err := cpu.Finish(l, sums, n, smoothl1.Divisor{})
	fmt.Println(loss == whole, err)
	// Output: true <nil>
}

func ExampleBuffer_Slice() {
	dev := open()
	defer dev.Close()
	batch, _ := gpu.Upload(dev, []float64{1, 2, 3, 4, 5, 6})
	second, _ := batch.Slice(3, 6) // the same memory
	_ = second.Set([]float64{7, 8, 9})
	x := make([]float64, batch.Len())
	_ = batch.Download(x)
	fmt.Println(x)
	// Output: [1 2 3 7 8 9]
}

func ExampleWrapHost() {
	dev := open()
	defer dev.Close()
	grad := make([]float64, 2)
	crit, _ := gpu.NewSmoothL1[float64](dev, smoothl1.Loss{Kind: smoothl1.Huber, Beta: 2, Reduction: smoothl1.Sum})
	pred, _ := gpu.WrapHost(dev, []float64{1, 5}) // no copies
	target, _ := gpu.WrapHost(dev, []float64{0, 0})
	g, _ := gpu.WrapHost(dev, grad)
	fmt.Println(crit.ForwardBackward(pred, target, g), grad)
	// Output: <nil> [1 2]
}

func ExampleDevice_NewStream() {
	dev := open()
	defer dev.Close()
	stream, _ := dev.NewStream()
	defer stream.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1})
	pred, _ := gpu.Upload(dev, []float32{1, 2})
	target, _ := gpu.Upload(dev, []float32{1, 4})
	_ = crit.Forward(pred, target, gpu.OnStream(stream)) // may run concurrently with other streams
	loss, err := crit.Value()                            // waits for stream
	fmt.Println(loss, err)
	// Output: 0.75 <nil>
}
