package main

import "github.com/smoothl1/smoothl1/tools/sass"

// A device is what the model takes of a GPU. Times are in nanoseconds. The sources are in the table of inputs, and behind the fields here.
type device struct {
	name            string
	arch            string  // of the machine code: the newest one that ptxas 11.8 makes for it
	multiprocessors int     //
	clock           float64 // GHz, boost
	bandwidth       float64 // GB/s, of the data sheet
	read, mixed     float64 // share of it that two streams that are read reach, and two that are read with one that is written
	dram, l2        float64 // latency of a load, in cycles
	l2Bytes         float64 // capacity
	loaded          float64 // ns, of a load while others stream
	launch          float64 // ns, from a small kernel's start to the next one's, in a graph
	warps           int     // limit of resident warps on a multiprocessor
	rates           [sass.Classes]float64
	sources         string
}

// issueSlots is the number of warp schedulers of a multiprocessor, each of which issues one instruction a cycle.
const issueSlots = 4

// rates are results per cycle and multiprocessor of each class: CUDA C++ Programming Guide, throughput of native arithmetic instructions,
// columns 7.0, 8.0 and 9.0. "special" has the rate of conversions from and to 64 bits, and of reciprocals; "memory" is 32 load and store units.
func rates(fp32, fp64 float64) [sass.Classes]float64 {
	return [sass.Classes]float64{sass.FP32: fp32, sass.FP64: fp64, sass.Special: 16, sass.ALU: 64, sass.Memory: 32, sass.Shuffle: 32, sass.Other: 128}
}

// benches is a collection of measurements by the computing centre of Erlangen: github.com/te42kyfo/gpu-benches, and its fork xxrjun/gpu-benches.
const benches = "gpu-benches"

var devices = []device{
	{"V100", "sm_70", 80, 1.53, 900, 0.99, 0.92, 437, 215, 6e6, 667, 2300, 64, rates(64, 32),
		"Tesla V100 SXM2 data sheet (80 SMs, 1.53 GHz, 900 GB/s); share: README of " + benches + ", dot 894 and triad 829 GB/s; latencies: " +
			"cuda-latency/v100.txt; loaded: gpu-stream/v100.txt, read at 25 % occupancy; launch: gpu-small-kernels/v100.txt, not in a graph"},
	{"A100", "sm_80", 108, 1.41, 2039, 0.87, 0.86, 571, 211, 40e6, 714, 1370, 64, rates(64, 32),
		"A100 80 GB SXM data sheet (108 SMs, 1.41 GHz, 2039 GB/s); share: cuda-stream/a100_80.txt, read 1769 and triad 1759 GB/s, with one load or two a thread; latencies: " +
			"cuda-latency/a100_80.txt; loaded: cuda-stream/a100_80.txt, read at 25 %; launch: gpu-small-kernels/a100_80_graph.txt"},
	{"H100", "sm_90", 132, 1.83, 3350, 0.95, 0.92, 679, 280, 50e6, 578, 2260, 64, rates(128, 64),
		"H100 SXM5 whitepaper and data sheet (132 SMs, 3350 GB/s; 1.83 GHz, the lower of its two boost clocks); share: CUB's reduction on an H100 (NVIDIA/cccl), " +
			"and its transform on an H200; latencies: gpu-latency/gh200.txt; loaded: gpu-stream/gh200.txt, read at 25 %; launch: " +
			"gpu-small-kernels/h200_graph.txt"},
	{"B200", "sm_90", 148, 1.965, 7672, 0.97, 0.93, 679, 280, 126e6, 578, 2000, 64, rates(128, 64),
		"148 SMs and 126 MB of L2: Chips and Cheese, Nvidia's B200; 1.965 GHz: XLA's cuda_core_info_table.cc; 7672 GB/s, less than the data " +
			"sheet's 8000: NVIDIA/cccl#7391, where 6705 GB/s are 87.39 %; share: gpu-l2-cache/gb200.txt, 7770 of 8000 GB/s read, and NVIDIA/cccl#9210, " +
			"92.78 % for 2^32 elements; launch: NVIDIA/cccl#7391, 2^16 additions in a batch; latencies, also under load: no measurement was " +
			"found, H100's are taken"},
}

// timing returns how long a lone warp of the device waits, for loads that take so many cycles. Results of FP32 and ALU come after 4 cycles
// (Jia and others, Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking, 2018), of FP64 after 8 (README of gpu-benches, DFMA);
// the 20 cycles of special, shared memory's and shuffles are assumed.
func (d device) timing(load float64) sass.Timing {
	t := sass.Timing{Load: load, Latency: [sass.Classes]float64{sass.FP32: 4, sass.FP64: 8, sass.Special: 20, sass.ALU: 4, sass.Memory: 20, sass.Shuffle: 20, sass.Other: 1}}
	for c, rate := range d.rates {
		t.Interval[c] = max(1, sassLanes*issueSlots/rate)
	}
	return t
}

// sassLanes is the number of threads for which an instruction computes.
const sassLanes = 32

// cycles returns the cycles that a multiprocessor needs to execute a mix of warp instructions: those of the busiest class, or of all
// issue slots.
func (d device) cycles(m sass.Mix) (cycles float64, class string) {
	cycles, class = m.Total()/issueSlots, "issue"
	for c, n := range m {
		if need := n * sassLanes / d.rates[c]; need > cycles {
			cycles, class = need, sass.Class(c).String()
		}
	}
	return cycles, class
}
