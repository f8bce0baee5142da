// Package sim is a CUDA device in pure Go: it reads PTX text, the code that nvcc writes, and executes it exactly, bit for bit as
// the PTX manual defines it. It stands where a GPU would, in tests that run everywhere.
//
// A device has memory, streams, events, modules and launches, with the calls, the asynchrony and the error codes of CUDA's driver
// interface. New opens one; it needs no hardware, no cgo and no files. With this project's own kernels it is used as
//
//	dev, err := gpu.Open(gpu.On(sim.New()))
//
// and with PTX of one's own as the example shows: Load, Function, Alloc, CopyIn, Launch, CopyOut.
//
// # What is exact
//
// Integer and floating-point arithmetic give the bits that PTX defines, in all roundings, with and without .ftz and .sat; fma
// rounds once; subnormals stay. Only a NaN's sign and payload may differ from a GPU's. Instructions whose result PTX merely bounds
// (.approx) do not load, unless the option Approximate is given. An instruction, modifier or directive that is not known is an
// error of Load that names line and instruction: nothing is passed over in silence. Texts of all versions of PTX up to 9.x (CUDA 13)
// are read, so far as what they have is known.
//
// # What is checked
//
// A launch stops with an error that names the kernel, the PTX line and its instruction, the block, the thread and the address
// when a thread
//
//   - touches memory outside every allocation, after its free, or off its alignment;
//   - reads bytes of device, shared or local memory that nothing has written;
//   - races: two threads touch the same bytes, one of them writes, not both are atomic or otherwise strong accesses of a fitting
//     scope, and no barrier, fence or release and acquire orders them. Stores of a value that the memory holds already are let pass;
//   - waits at a barrier that others of its block have left the kernel without reaching, or that lanes of its warp reach at another
//     instruction, or at a barrier, shuffle or vote that never completes;
//   - executes a shuffle or vote whose member mask does not name it, or reads a lane that does not execute the shuffle;
//   - or never leaves the kernel: see StepLimit.
//
// Memory is as weak as PTX's memory model (of sm_70; membar is fence.sc) lets it be: a strong load, .volatile or .relaxed, may see
// an older value than the last as long as no fence or barrier forbids it. So a missing fence shows, as a race where the accesses are
// plain, and as an old value where they are strong, which Stats counts. What is forbidden follows from the order of one execution;
// another seed may show what this one does not.
//
// The checks follow accesses with a shadow of the memory: 24 bytes for as many bytes as the narrowest access of a page of 4 KiB is
// wide, and a bit for each byte. They run a launch on one goroutine, and take about as much time again as the rest
// (BenchmarkForwardBackward, strict against fast/serial). The option Fast turns off those of races, unwritten memory, missed
// barriers and weak memory, and uses all cores.
//
// # Idioms that are legal by habit
//
// Some code that works on GPUs leaves out a fence that the memory model asks for. Two idioms are in CUDA's own samples and guide:
//
//   - The last block (threadFenceReduction): each block stores its sum, fences, and draws a ticket; the block that draws the last
//     ticket adds up all sums. The fence before the ticket is there, the one behind it is not.
//   - The spin lock that atomicCAS takes and atomicExch gives back, without a fence behind the one, and often without one before the
//     other.
//
// Where what they hand over is plain, that is a race, and the launch stops with it. Where it is volatile there is no race, but a load
// may see the value before: the result is wrong for some seeds, and KernelStats.Stale names the loads that saw an older value and
// their lines. The code becomes legal with a __threadfence() behind the ticket, by all threads that read, or behind the lock and before its
// release. To run it as it is, LatestLoads makes strong loads see the latest value and leaves all else checked: it is for the volatile
// form. Fast is for the plain one, and turns the checks off.
//
// # What is counted
//
// Coverage says which instructions ran and which branches went both ways. Stats counts instructions by kind, the bytes that
// threads ask for and the sectors of 32 bytes that warps touch for them, bank conflicts, strong loads that saw an older value than the
// last, launches and copies. FailNext makes the
// n-th call of a kind fail, and Held says what has not been given back.
//
// # What is not there
//
// Textures and surfaces, tensor cores (wmma, mma), asynchronous copies and mbarriers, clusters of more than one block, calls through
// pointers, recursion, and device functions that are only declared, like printf and malloc.
//
// # What is drawn
//
// PTX leaves the order of blocks and of warps open, which of parted lanes go on first, in which order lanes of one atomic
// instruction take effect, what memory holds that nobody wrote, and when a stream's work happens before something waits for it.
// All of that is drawn from the device's seed. A fault prints the seed, and Seed replays it, on any machine: a launch does not
// depend on how many goroutines run it, for blocks wait with their atomic and strong accesses until those of all resident blocks are
// taken in an order of the seed. A kernel with data races on a device that is Fast replays only with Serial.
package sim
