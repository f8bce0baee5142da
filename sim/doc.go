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
// error of Load that names line and instruction: nothing is passed over in silence.
//
// # What is drawn
//
// PTX leaves the order of blocks and of warps open, which of parted lanes go on first, in which order lanes of one atomic
// instruction take effect, what memory holds that nobody wrote, and when a stream's work happens before something waits for it.
// All of that is drawn from the device's seed. A fault prints the seed, and Seed replays it.
package sim
