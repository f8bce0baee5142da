package main

import (
	"bytes"
	"fmt"
)

// writeInputs writes the model and its inputs.
func writeInputs(b *bytes.Buffer, s structure) {
	b.WriteString(`
## A model of the time

What follows is predicted, not measured. The time of a launch is launch + stream + finish:

- launch: from a small kernel's start to the next one's, in a graph.
- stream: the first load's latency, and then the longest of three: bytes / (bandwidth × share); the instructions of the busiest
  multiprocessor, by issue slots and by the results per cycle of each class; and latency, the time of a warp that takes its chunks one
  after another, in order and waiting for each operand, or bytes / bytes in flight × the latency under load. Arrays are read from memory,
  small ones too.
- finish: what the last warp does alone on each level of the sum: two trips to the L2 cache for the ticket, and the sum of up to 2048 chunk
  sums from that cache, along the path of its machine code.

It knows nothing of: refresh and row misses of the memory beyond the measured share, clocks under load, the second gradient, and conflicts
in the instruction caches. For B200 the code for sm_90 stands in, and H100's latencies.

`)
	fmt.Fprintf(b, "Launches: %d warps for each multiprocessor, and %d to a chunk while that many fit.\n\n", s.resident, s.share)
	fmt.Fprintf(b, `| input | %s | %s | %s | %s |
|---|---:|---:|---:|---:|
`, devices[0].name, devices[1].name, devices[2].name, devices[3].name)
	row := func(name, format string, value func(device) any) {
		fmt.Fprintf(b, "| %s |", name)
		for _, d := range devices {
			fmt.Fprintf(b, " "+format+" |", value(d))
		}
		b.WriteString("\n")
	}
	row("machine code", "%v", func(d device) any { return d.arch })
	row("multiprocessors", "%v", func(d device) any { return d.multiprocessors })
	row("clock, GHz", "%v", func(d device) any { return d.clock })
	row("bandwidth, GB/s", "%v", func(d device) any { return d.bandwidth })
	row("share of it, two arrays read", "%v", func(d device) any { return d.read })
	row("share of it, two read and one written", "%v", func(d device) any { return d.mixed })
	row("latency of memory, cycles", "%v", func(d device) any { return d.dram })
	row("latency of L2, cycles", "%v", func(d device) any { return d.l2 })
	row("L2, MB", "%v", func(d device) any { return d.l2Bytes / 1e6 })
	row("latency of memory under load, ns", "%v", func(d device) any { return d.loaded })
	row("launch, ns", "%v", func(d device) any { return d.launch })
	row("issue slots a cycle", "%v", func(device) any { return issueSlots })
	for c, name := range []string{"FP32", "FP64", "special", "ALU", "memory", "shuffle"} {
		row(name+", results a cycle", "%v", func(d device) any { return d.rates[c] })
	}
	fmt.Fprintf(b, `
Results a cycle: CUDA C++ Programming Guide, throughput of native arithmetic instructions, for 7.0, 8.0 and 9.0; memory: 32 load and store
units, of the whitepapers; B200 as H100. "Special" are reciprocals, conversions and the checks before divisions. A lone warp waits 4 cycles
for a result of FP32 or ALU (Jia and others, Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking, 2018), 8 of FP64 (README of gpu-benches), and, assumed, 20 of special, memory other than global, and shuffles, and %d for
a fold over shared memory. gpu-benches is github.com/te42kyfo/gpu-benches and its fork xxrjun/gpu-benches, measurements by the computing
centre in Erlangen and others; NVIDIA/cccl#7391 is an issue or pull request of github.com/NVIDIA/cccl.

`, shared)
	for _, d := range devices {
		fmt.Fprintf(b, "- %s: %s.\n", d.name, d.sources)
	}
}
