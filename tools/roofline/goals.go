package main

import (
	"bytes"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
)

// goalElements is the size for which the goals of large arrays are predicted.
const goalElements = 1 << 28

// A pass is what one kernel of another library reads and writes, in bytes an element.
type pass struct{ read, written int }

// passes of PyTorch, at the least: that a reduction or an elementwise operation reads each operand once and writes its result once, and that a
// number that is expanded is not written out, but for the gradient of a mean. Compiled, that everything is one kernel in each direction.
var (
	eagerTerms    = []pass{{8, 4}}
	eagerForward  = []pass{{8, 4}, {4, 0}}
	eagerBackward = []pass{{12, 4}}
	eagerBoth     = []pass{{8, 4}, {4, 0}, {0, 4}, {8, 4}}
	// terms, times weight, where mask, sum; where mask of weight, sum; and back through where, the product and the terms
	eagerWeighted    = []pass{{8, 4}, {8, 4}, {5, 4}, {4, 0}, {5, 4}, {4, 0}, {1, 4}, {8, 4}, {12, 4}}
	compiledForward  = []pass{{8, 0}}
	compiledBoth     = []pass{{8, 0}, {8, 4}}
	compiledWeighted = []pass{{13, 0}, {5, 0}, {13, 4}}
	compiledGiven    = []pass{{13, 0}, {13, 4}}
	ownWeighted      = []pass{{5, 0}, {13, 4}} // the divisor, and the pass
)

// moved returns how long kernels take on a device that only move their bytes, in ns.
func (d device) moved(passes []pass, n int) (ns float64) {
	for _, p := range passes {
		share := d.mixed
		if p.written == 0 {
			share = d.read
		}
		ns += d.launch + d.dram/d.clock + float64(n)*float64(p.read+p.written)/(d.bandwidth*share)
	}
	return ns
}

// writeGoals writes what the model says of the goals, for the part of docs/performance.md that this command generates.
func writeGoals(works map[string]map[string]*work, s structure) []byte {
	d := devices[2]
	ours := func(p kernels.Pass, n int) float64 {
		v := kernels.Variant{DType: smoothl1.Float32, Pass: p}
		return predict(d, works[d.arch][v.Name()], s, n).total
	}
	both, forward, backward, terms := ours(kernels.ForwardBackward, goalElements), ours(kernels.Forward, goalElements),
		ours(kernels.Backward, goalElements), ours(kernels.ForwardTerms, goalElements)
	unordered := func(v kernels.Variant) float64 {
		p := predict(d, works[d.arch][v.Name()], s, goalElements)
		return p.total / (p.total - p.finish)
	}
	mean := predict(d, works[d.arch][kernels.Variant{DType: smoothl1.Float32, Pass: kernels.Forward}.Name()], s, goalElements)
	large := predict(d, works[d.arch][kernels.Variant{DType: smoothl1.Float32, Pass: kernels.ForwardBackward}.Name()], s, goalElements)
	small := predict(d, works[d.arch][kernels.Variant{DType: smoothl1.Float32, Pass: kernels.ForwardBackward}.Name()], s, 1<<19)

	var b bytes.Buffer
	fmt.Fprintf(&b, `What the model of [roofline.md](roofline.md), whose inputs are named there, says of the goals: for an %s, float32, beta 1 and 2^28 elements. No
figure here was measured. Ceilings, PyTorch and the rich kernels are predicted by their bytes alone, each kernel a launch. PyTorch's bytes
are the least that its operations can move; compiled, all of a direction in one kernel.

| | goal | predicted |
|---|---:|---:|
`, d.name)
	row := func(name, goal string, predicted float64) {
		fmt.Fprintf(&b, "| %s | %s | predicted %.4g |\n", name, goal, predicted)
	}
	row("forward+backward, × eager", "≥ 2.6", d.moved(eagerBoth, goalElements)/both)
	row("forward+backward, × compiled loss and backward", "≥ 1.6", d.moved(compiledBoth, goalElements)/both)
	row("forward+backward, share of a kernel that reads two arrays and writes one", "≥ 0.98", d.moved([]pass{{8, 4}}, goalElements)/both)
	row("forward mean, × eager", "≥ 2", d.moved(eagerForward, goalElements)/forward)
	row("forward mean, × compiled", "≥ 1", d.moved(compiledForward, goalElements)/forward)
	row("forward mean, share of a kernel that reads two arrays", "≥ 0.98", d.moved([]pass{{8, 0}}, goalElements)/forward)
	row("weighted, masked, mean over the weights kept, × eager", "≥ 4", d.moved(eagerWeighted, goalElements)/d.moved(ownWeighted, goalElements))
	row("weighted, masked, mean over the weights kept, × compiled", "≥ 2", d.moved(compiledWeighted, goalElements)/d.moved(ownWeighted, goalElements))
	row("weighted, masked, a divisor that is given, × eager", "≥ 4", d.moved(append(eagerWeighted[:4:4], eagerWeighted[6:]...), goalElements)/d.moved(ownWeighted[1:], goalElements))
	row("weighted, masked, a divisor that is given, × compiled", "≥ 2", d.moved(compiledGiven, goalElements)/d.moved(ownWeighted[1:], goalElements))
	row("backward, × eager", "≥ 1.33", d.moved(eagerBackward, goalElements)/backward)
	row("forward none, × eager", "≥ 1", d.moved(eagerTerms, goalElements)/terms)
	row("the canonical sum, time ÷ that of a sum without a finish", "≤ 1.02", unordered(kernels.Variant{DType: smoothl1.Float32, Pass: kernels.Forward}))
	row("forward+backward of 128×4096, time on the device, µs, arrays from memory", "≤ 5", microseconds(small.total))
	fmt.Fprintf(&b, `
- **Weights and a mask.** If PyTorch moves no more than that, three of the four ratios are out of reach. Where the weights' sum is the
  divisor, the gradient needs it, so weights and mask are read twice: compiled PyTorch moves %d bytes an element, and this module %d. With
  a divisor that is given, compiled PyTorch moves %d, and this module %d.
- **Forward mean against compiled PyTorch.** Both read the same bytes. What is missing of a ratio of 1 is the finish of this module's sum,
  predicted %v of predicted %v µs; for PyTorch's partial sums the model has nothing, not even the second kernel that they may take.
- **Loads in flight.** A multiprocessor has predicted %.0f KiB in flight, and by Little's law needs predicted %.1f. Loading the next rows before
  the last ones are stored would take more registers than two blocks leave, and the latency of loads is not what bounds the time.
- **128×4096.** Of the predicted %v µs the launch takes predicted %v, the arrays predicted %v and the finish predicted %v. Arrays
  that a step before has left in the L2 cache, which has room for them, take less; the model reads them from memory.
- **Wall time against eager PyTorch** has no model: it is the time of Python and of four launches.
`, bytesOf(compiledWeighted), bytesOf(ownWeighted), bytesOf(compiledGiven), bytesOf(ownWeighted[1:]),
		microseconds(mean.finish), microseconds(mean.total), large.inFlight/1024, large.needed/1024, microseconds(small.total), microseconds(small.launch), microseconds(small.stream), microseconds(small.finish))
	return b.Bytes()
}

func bytesOf(passes []pass) (n int) {
	for _, p := range passes {
		n += p.read + p.written
	}
	return n
}
