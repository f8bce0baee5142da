package difftest

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// Traffic is what one launch of a kernel moves, as the simulated device counts it, and the least that it has to.
type Traffic struct {
	Entry    kernels.Entry
	Elements int
	Stats    sim.KernelStats
	Launches uint64 // of the whole operation
	// FloorLoads and FloorStores are the bytes of the arrays that must be read and written.
	FloorLoads, FloorStores int
}

// ChunkSumBytes is what a reduction writes beside the arrays: one number a chunk.
func (t Traffic) ChunkSumBytes() int {
	if t.Entry.Op == kernels.Forward || t.Entry.Op == kernels.ForwardBackward {
		return 8 * cpu.Chunks(t.Elements)
	}
	return 0
}

// MeasureTraffic runs each kernel once on a simulated device, for the gradient of pred alone, on aligned arrays of whole chunks,
// and returns what was counted, in the order of kernels.All.
func MeasureTraffic(chunks int) (list []Traffic, err error) {
	for _, e := range kernels.All() {
		c := Case{
			Op:       map[kernels.Op]Op{kernels.ForwardTerms: ForwardTerms, kernels.Forward: Forward, kernels.Backward: Backward, kernels.BackwardElementwise: Backward, kernels.ForwardBackward: ForwardBackward}[e.Op],
			DType:    e.DType,
			Loss:     smoothl1.Loss{Beta: 1},
			N:        chunks * cpu.Chunk,
			Grads:    GradPred,
			Upstream: 1, Elementwise: e.Op == kernels.BackwardElementwise,
			Exact: true,
		}
		if e.Divide {
			c.Loss.Beta = 0.1
		}
		if c.Kernel() != e.Name() {
			return nil, fmt.Errorf("difftest: the case for %s runs %s", e.Name(), c.Kernel())
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
		arrays := map[kernels.Op][2]int{kernels.ForwardTerms: {2, 1}, kernels.Forward: {2, 0}, kernels.Backward: {2, 1}, kernels.BackwardElementwise: {3, 1}, kernels.ForwardBackward: {2, 1}}[e.Op]
		bytes := c.N * e.DType.Size()
		list = append(list, Traffic{
			Entry: e, Elements: c.N, Stats: stats.Kernel(e.Name()), Launches: stats.Launches,
			FloorLoads: arrays[0] * bytes, FloorStores: arrays[1] * bytes,
		})
	}
	return list, nil
}
