package measure

import (
	"slices"

	"github.com/smoothl1/smoothl1"
)

// A Workload is a loss on arrays of a shape.
type Workload struct {
	Name  string // the model it comes from; "" for a plain size
	Shape []int
	DType smoothl1.DType
	Loss  smoothl1.Loss
	// Ops are the names of the operations to measure; nil stands for Ops. Those with rows take the last dimension of Shape as columns.
	Ops []string
	// Threads is the number of threads of the CPU; 0: GOMAXPROCS.
	Threads int
}

// N returns the number of elements.
func (w Workload) N() int {
	n := 1
	for _, d := range w.Shape {
		n *= d
	}
	return n
}

// rows returns the number of rows of pred, whose columns are its last dimension.
func (w Workload) rows() int {
	if len(w.Shape) == 0 {
		return 1
	}
	return max(1, w.N()/max(1, w.Shape[len(w.Shape)-1]))
}

// Operations returns the names of the operations to measure.
func (w Workload) Operations() []string {
	if w.Ops == nil {
		return Ops
	}
	return w.Ops
}

// Named returns workloads with the shapes of known models, without the weights and masks that some of them use.
func Named() []Workload {
	smooth := func(beta float64, r smoothl1.Reduction) smoothl1.Loss { return smoothl1.Loss{Beta: beta, Reduction: r} }
	return []Workload{
		{Name: "DQN", Shape: []int{32, 1}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Mean)},
		{Name: "Faster R-CNN", Shape: []int{256, 4}, DType: smoothl1.Float32, Loss: smooth(0, smoothl1.Sum)},
		{Name: "Faster R-CNN", Shape: []int{256, 4}, DType: smoothl1.Float32, Loss: smooth(1.0/9, smoothl1.Sum)},
		{Name: "Faster R-CNN", Shape: []int{256, 4}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Sum)},
		{Name: "KernelBench 96, old form", Shape: []int{128, 4096}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Mean)},
		{Name: "SSD300", Shape: []int{32, 8732, 4}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Sum)},
		{Name: "QR-DQN", Shape: []int{32, 200, 200}, DType: smoothl1.Float32, Loss: smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Mean}},
		{Name: "PSMNet", Shape: []int{12, 256, 512}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Mean)},
		{Name: "RetinaNet", Shape: []int{2, 201600, 4}, DType: smoothl1.Float32, Loss: smooth(0.1, smoothl1.Sum)},
		{Name: "KernelBench 96", Shape: []int{32768, 32768}, DType: smoothl1.Float32, Loss: smooth(1, smoothl1.Mean)},
	}
}

// Sizes returns workloads of the mean of smooth L1 for each type, size and beta. Those of equal type and size are adjacent, so that their
// arrays are made once.
func Sizes(sizes []int, types []smoothl1.DType, betas []float64) (all []Workload) {
	for _, t := range types {
		for _, n := range sizes {
			for _, beta := range betas {
				all = append(all, Workload{Shape: []int{n}, DType: t, Loss: smoothl1.Loss{Beta: beta, Reduction: smoothl1.Mean}})
			}
		}
	}
	return all
}

// Further returns workloads of the further operations: for each type and size, a matrix of rows of 4, such as boxes, with its elements
// weighted and masked, and its rows; for the types of 16 bits also the operations on pred and target alone; for float64 only the weighted
// one. And for each type but float64 steps of deep Q-learning, with 6 actions, of each batch.
func Further(sizes, batches []int, types []smoothl1.DType) (all []Workload) {
	loss := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	matrices := []string{Weighted, Masked, WeightedMasked, Boxes}
	for _, t := range types {
		ops := matrices
		switch {
		case t == smoothl1.Float64:
			ops = []string{Weighted}
		case t.Computing() != t:
			ops = slices.Concat(Ops, matrices)
		}
		for _, n := range sizes {
			all = append(all, Workload{Shape: []int{n / 4, 4}, DType: t, Loss: loss, Ops: ops})
		}
		if t == smoothl1.Float64 {
			continue
		}
		for _, batch := range batches {
			all = append(all, Workload{Name: "DQN", Shape: []int{batch, 6}, DType: t, Loss: loss, Ops: []string{DQNStep}})
		}
	}
	return all
}

// Powers returns 2^from, 2^(from+2), … up to 2^to.
func Powers(from, to int) (all []int) {
	for e := from; e <= to; e += 2 {
		all = append(all, 1<<e)
	}
	return all
}

// Full returns all workloads: the shapes of known models, the sizes 2^10, 2^12, … 2^30, of float32 and float64, with a beta that is a power
// of two and one that is not, and the further operations and types.
func Full() []Workload {
	types := []smoothl1.DType{smoothl1.Float32, smoothl1.Float64}
	further := Further([]int{1 << 24}, []int{32, 1 << 16}, []smoothl1.DType{smoothl1.Float32, smoothl1.Float16, smoothl1.BFloat16, smoothl1.Float64})
	return slices.Concat(Named(), Sizes(Powers(10, 30), types, []float64{1, 0.1}), further)
}

// Large returns workloads with further operands, and of the types of 16 bits, on arrays that exceed the cache of any GPU.
func Large() (all []Workload) {
	const n = 1 << 28
	loss := smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}
	all = append(all, Workload{Shape: []int{n / 4, 4}, Loss: loss, Ops: []string{WeightedMasked, Boxes}})
	for _, t := range []smoothl1.DType{smoothl1.Float16, smoothl1.BFloat16} {
		all = append(all, Workload{Shape: []int{n}, DType: t, Loss: loss, Ops: []string{ForwardReduced, ForwardBackward}})
	}
	return all
}

// Main returns the few most informative workloads, for runs of minutes, in the order of their value. The first one shows the speed of
// memory, the second the cost of a launch.
func Main() []Workload {
	named := func(name string) (all []Workload) {
		return slices.DeleteFunc(Named(), func(w Workload) bool { return w.Name != name })
	}
	large := Large()
	return slices.Concat(Sizes([]int{1 << 28}, []smoothl1.DType{smoothl1.Float32}, []float64{1}), named("KernelBench 96, old form"), large[:1],
		named("DQN"), large[1:], named("KernelBench 96"))
}
