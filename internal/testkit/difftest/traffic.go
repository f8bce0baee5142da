package difftest

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/op"
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

// MeasureTraffic runs each lean kernel once on a simulated device, on aligned arrays of full chunks and with the gradient of pred as the
// only gradient, and returns the counts.
func MeasureTraffic(chunks int) (list []Traffic, err error) {
	for _, dtype := range Types {
		for _, v := range kernels.Of(dtype) {
			c := Case{
				Op: v.Pass, DType: dtype, Loss: smoothl1.Loss{Beta: 1}, N: chunks * cpu.Chunk, Grads: GradPred, Upstream: 1, Elementwise: v.Elementwise,
			}
			if v.Divide {
				c.Loss.Beta = 0.1
			}
			if c.Kernel() != v.Name() {
				return nil, fmt.Errorf("difftest: the case for %s runs %s", v.Name(), c.Kernel())
			}
			t, err := c.traffic()
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
	}
	return list, nil
}

// traffic runs the case once on a simulated device and returns the counts of its first kernel.
func (c Case) traffic() (Traffic, error) {
	c.Exact, c.Seed = true, 1 // one call
	device := sim.New(sim.Seed(1))
	dev, err := gpu.Open(gpu.On(device))
	if err != nil {
		return Traffic{}, err
	}
	if err := Run(c, On("sim", dev), Fallback()); err != nil {
		return Traffic{}, err
	}
	if err := dev.Close(); err != nil {
		return Traffic{}, err
	}
	v, stats := c.Variants()[0], device.Stats()
	t := Traffic{Variant: v, Elements: c.N, Stats: stats.Kernel(v.Name()), Launches: stats.Launches}
	t.FloorLoads, t.FloorStores = c.floor()
	return t, nil
}

// floor returns the sizes in bytes of what the case must read and write, an element that a view repeats once.
func (c Case) floor() (loads, stores int) {
	m := c.matrix()
	for r := range op.Role(op.Roles) {
		if !c.has(r) || r == op.RoleChunkSums {
			continue
		}
		rows, cols := m.Dims(r)
		if r == op.RolePred {
			cols = m.Cols // with an index, one of each row
		}
		switch c.Forms[r] {
		case PerRow:
			cols = 1
		case PerColumn:
			rows = 1
		case ForAll:
			rows, cols = 1, 1
		}
		bytes := rows * cols * typeOf(r, c.DType).Size()
		if r.IsOutput() {
			stores += bytes
		}
		if !r.IsOutput() || r == op.RoleGradPred && c.Accumulate&GradPred != 0 || r == op.RoleGradTarget && c.Accumulate&GradTarget != 0 {
			loads += bytes
		}
	}
	return loads, stores
}
