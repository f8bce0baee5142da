// Package sim simulates a CUDA device in pure Go: it parses PTX text, the code that nvcc writes, and executes it bit for bit as
// the PTX manual defines it. It takes the place of a GPU in tests that run everywhere.
//
// A device has memory, page-locked host memory, streams, events, modules, launches and graphs, with the calls, the asynchrony and the
// error codes of CUDA's driver interface. New opens one; it needs no hardware, no cgo and no files. To run this project's own kernels on
// it, write
//
//	dev, err := gpu.Open(gpu.On(sim.New()))
//
// The example shows how to run other PTX: Load, Function, Alloc, CopyIn, Launch, CopyOut.
//
// # What is exact
//
// Integer and floating-point arithmetic gives the bits that PTX defines, in all rounding modes, with and without .ftz and .sat; fma
// rounds once; subnormals are kept. Only a NaN's sign and payload may differ from a GPU's. Load rejects instructions whose result
// PTX merely bounds (.approx), unless the option Approximate is given. It also rejects every instruction, modifier and directive
// that it does not know, with an error that names the line and the instruction: nothing is ignored silently. All versions of PTX up
// to 9.x (CUDA 13) are accepted, as long as the text uses only features that are known.
//
// # What is checked
//
// A launch fails, with an error that names the kernel, the PTX line and its instruction, the block, the thread and the address,
// when a thread
//
//   - accesses memory outside every allocation, after it was freed, or misaligned;
//   - reads bytes of device, shared or local memory that were never written;
//   - races: two threads access the same bytes, at least one of them writes, the accesses are not both atomic or otherwise strong
//     with a sufficient scope, and no barrier, fence or release/acquire pair orders them. A store of the value that the memory already
//     holds is not reported;
//   - waits at a barrier that other threads of its block can no longer reach because they have exited, or that other lanes of its warp
//     reach at a different instruction, or at a barrier, shuffle or vote that never completes;
//   - executes a shuffle or vote whose member mask does not include it, or reads a lane that does not execute the shuffle;
//   - or does not exit: see StepLimit.
//
// Memory is as weak as PTX's memory model (of sm_70; membar is fence.sc) allows: a strong load, .volatile or .relaxed, may see
// a value older than the last one unless a fence or barrier forbids it. So a missing fence shows up: as a race if the accesses are
// plain, as a stale value, which Stats counts, if they are strong. What is forbidden follows from the order of one execution;
// another seed may reveal what this one does not.
//
// The checks keep a shadow of the memory: 24 bytes for each granule and a bit for each byte. The granule of a page of 4 KiB is the width
// of the narrowest access to it. A launch that is checked runs on one goroutine and takes about twice the time
// (BenchmarkForwardBackward, strict against fast/serial). The option Fast disables the checks for races, unwritten memory, missed
// barriers and weak memory, and uses all cores.
//
// # Idioms that omit a fence
//
// Some code that works on GPUs lacks a fence that the memory model requires. Two such idioms are in CUDA's own samples and guide:
//
//   - The last block (threadFenceReduction): each block stores its sum, executes a fence, and takes a ticket; the block that takes the
//     last ticket adds up all the sums. The fence before the ticket is there, the one after it is missing.
//   - The spin lock acquired with atomicCAS and released with atomicExch, without a fence after the former, and often without one
//     before the latter.
//
// If the data they protect is accessed by plain loads and stores, this is a race, and the launch fails. If the accesses are volatile
// there is no race, but a load may see the previous value: the result is wrong for some seeds, and KernelStats.Stale lists the loads
// that saw an older value. The code becomes correct with a __threadfence() after the ticket, executed by all threads that read, or
// after acquiring the lock and before releasing it. To run the volatile form as it is, use LatestLoads: strong loads then see the
// latest value, and everything else stays checked. The plain form needs Fast, which disables the checks.
//
// # Graphs
//
// BeginCapture records the work of a stream instead of doing it, EndCapture makes a graph of it, and LaunchGraph queues all of it, as
// often as wanted. As with CUDA, a call that waits, allocates or frees during a capture fails and invalidates the capture, and so do Load,
// CopyIn and CopyOut. A graph that uses memory that has been freed since, or a kernel whose module was unloaded, faults when it runs. A
// capture of two streams, joined by events, is refused.
//
// # What is counted
//
// Coverage reports which instructions ran and which branches went both ways. Stats counts instructions by kind, the bytes that
// threads request and the 32-byte sectors that warps touch for them, bank conflicts, strong loads that saw a value older than the
// latest, launches and copies. FailNext makes the n-th call of a kind fail, and Held counts what has not been released.
//
// # What is not supported
//
// Textures and surfaces, tensor cores (wmma, mma), asynchronous copies and mbarriers, clusters of more than one block, calls through
// pointers, recursion, and device functions that are only declared, like printf and malloc.
//
// # What the seed decides
//
// PTX does not specify in which order blocks and warps run, which lanes of a diverged warp run first, in which order the lanes of one
// atomic instruction take effect, what unwritten memory contains, and when a stream's work is done if nothing waits for it.
// The device draws all of this from its seed. A fault prints the seed, and Seed replays it, on any machine: a launch does not
// depend on the number of goroutines that run it, because the atomic and strong accesses of all resident blocks are served
// in an order drawn from the seed. On a Fast device, a kernel with data races replays only with Serial.
package sim
