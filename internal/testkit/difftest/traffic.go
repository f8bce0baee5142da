package difftest

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// Traffic is the memory traffic of a launch, as counted by the simulated device, and its lower bound.
type Traffic struct {
	Variant  kernels.Variant
	Elements int
	Stats    sim.KernelStats
	Launches uint64 // number of launches of the operation
	// FloorLoads and FloorStores are the sizes in bytes of the arrays that must be read and written.
	FloorLoads, FloorStores int
}

// ChunkSumBytes returns the size of the chunk sums that a reduction writes in addition to the arrays.
func (t Traffic) ChunkSumBytes() int {
	if t.Variant.Pass.Reduces() {
		return 8 * cpu.Chunks(t.Elements)
	}
	return 0
}

// MeasureTraffic runs each kernel once on a simulated device, on aligned arrays of full chunks and with the gradient of pred as the only
// gradient, and returns the counts.
func MeasureTraffic(chunks int) (list []Traffic, err error) {
	var lean []kernels.Variant
	for _, t := range Types {
		lean = append(lean, kernels.Of(t)...)
	}
	for _, v := range lean {
		c := Case{
			Op:       v.Pass,
			DType:    v.DType,
			Loss:     smoothl1.Loss{Beta: 1},
			N:        chunks * cpu.Chunk,
			Grads:    GradPred,
			Upstream: 1, Elementwise: v.Elementwise,
			Exact: true, Seed: 1, // one launch
		}
		if v.Divide {
			c.Loss.Beta = 0.1
		}
		if c.Kernel() != v.Name() {
			return nil, fmt.Errorf("difftest: the case for %s runs %s", v.Name(), c.Kernel())
		}
		device := sim.New(sim.Seed(1))
		dev, err := gpu.Open(gpu.On(device))
		if err != nil {
			return nil, err
		}
		if err := Run(c, On("sim", dev), Fallback()); err != nil {
			return nil, err
		}
		if err := dev.Close(); err != nil {
			return nil, err
		}
		stats := device.Stats()
		inputs, outputs := 2, 1
		if v.Elementwise {
			inputs++
		}
		if v.Pass == kernels.Forward {
			outputs = 0
		}
		bytes := c.N * v.DType.Size()
		list = append(list, Traffic{
			Variant: v, Elements: c.N, Stats: stats.Kernel(v.Name()), Launches: stats.Launches,
			FloorLoads: inputs * bytes, FloorStores: outputs * bytes,
		})
	}
	return list, nil
}
