package gpu_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// Events measure the time of the work on the device, not of the calls that queue it.
func ExampleEvent() {
	dev := open()
	defer dev.Close()
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1})
	pred, _ := gpu.Upload(dev, make([]float32, 1000))
	target, _ := gpu.Upload(dev, make([]float32, 1000))
	start, _ := dev.NewEvent()
	end, _ := dev.NewEvent()
	err := errors.Join(start.Record(), crit.Forward(pred, target), end.Record())
	took, err2 := end.Since(start)
	fmt.Println(took >= 0, err, err2)
	// Output: true <nil> <nil>
}

// A simulated device can be used in place of a GPU.
func ExampleDevice_Info() {
	dev, err := gpu.Open(gpu.On(sim.New(sim.ComputeCapability(8, 0), sim.Multiprocessors(108))))
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	i := dev.Info()
	fmt.Println(i.Backend, i.Major, i.Minor, i.Multiprocessors)
	fmt.Println(dev)
	// Output:
	// sim 8 0 108
	// sim device 0: smoothl1 simulated device (sm_80, 108 multiprocessors, kernels for sm_75)
}

// A DeviceError has the driver's code and its name. A program can detect that memory has run out, and try a smaller batch.
func ExampleDeviceError() {
	dev, err := gpu.Open(gpu.On(sim.New(sim.MemoryBytes(1 << 20))))
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	_, err = gpu.Alloc[float32](dev, 1<<20)
	var device *gpu.DeviceError
	if errors.As(err, &device) {
		fmt.Println(device.Op, device.Size, device.Code, device.Name)
	}
	fmt.Println(errors.Is(err, smoothl1.ErrMemory))
	// Output:
	// allocate 4194304 2 CUDA_ERROR_OUT_OF_MEMORY
	// true
}

// Wrap makes a buffer of memory allocated by other code, here of a simulated device, without a copy.
func ExampleWrap() {
	theirs := sim.New()
	at, err := theirs.Alloc(8)
	if err != nil {
		log.Fatal(err)
	}
	dev, err := gpu.Open(gpu.On(theirs))
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	pred, _ := gpu.Wrap[float32](dev, uint64(at), 2)
	target, _ := gpu.Upload(dev, []float32{0, 0})
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
	err = errors.Join(pred.Set([]float32{3, 0.5}), crit.Forward(pred, target))
	loss, err2 := crit.Value()
	fmt.Println(loss, err, err2)
	// Output: 2.625 <nil> <nil>
}

// Buffers that are not closed are released some time after they have become unreachable. Collected counts them.
func ExampleUsage() {
	dev, err := gpu.Open(gpu.On(sim.New(sim.MemoryBytes(1 << 20))))
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	batch := make([]float32, 100_000)
	for range 20 { // 400 kB each, in memory for two
		if _, err := gpu.Upload(dev, batch); err != nil {
			log.Fatal(err)
		}
	}
	use := dev.Usage()
	fmt.Println(use.Objects <= 2, use.Bytes <= 1<<20, use.Collected >= 18)
	// Output: true true true
}

// WrapStream makes a Stream of a stream created by other code, here of a simulated device. The order of its work is kept.
func ExampleDevice_WrapStream() {
	device := sim.New()
	theirs, err := device.NewStream()
	if err != nil {
		log.Fatal(err)
	}
	dev, err := gpu.Open(gpu.On(device))
	if err != nil {
		log.Fatal(err)
	}
	defer dev.Close()
	stream, err := dev.WrapStream(uintptr(theirs))
	if err != nil {
		log.Fatal(err)
	}
	crit, _ := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1})
	pred, _ := gpu.Alloc[float32](dev, 3)
	err = pred.Set([]float32{0, 0.5, 3}, gpu.OnStream(stream))
	if err == nil {
		err = crit.Forward(pred, pred, gpu.OnStream(stream))
	}
	loss, err2 := crit.Value()
	fmt.Println(loss, err, err2, stream.Close())
	// Output: 0 <nil> <nil> <nil>
}
