// Package gpu computes the smooth L1, Huber and L1 losses and their gradients: on a CUDA device through hand-written kernels,
// on a simulated one, or on the CPU. All give the same bits, which package cpu defines.
//
// A Device is opened once. Arrays live in Buffers, in the device's memory, and a SmoothL1 computes one loss on them, step after
// step, without allocating anything. A call queues its work, one kernel, and returns; what reads a result waits for it.
// For host slices and a single step there is Compute.
//
// Build with -tags cuda on linux/amd64 to use a GPU. The same binary runs where there is none, on the CPU: Device.String says
// which it is and why.
//
// # Errors
//
// What can be seen to be wrong before anything is launched is an *smoothl1.ArgError, which names operation, argument and value
// and wraps one of smoothl1's error values; nothing was written then. What the device's driver reports is a *DeviceError. A
// fault in a kernel is reported by whatever waits for it; as CUDA has it, the device may be unusable afterwards.
//
// # Concurrency
//
// A Device, its Buffers and its Streams may be used from any goroutine. A SmoothL1 does one thing at a time: a call while
// another is in progress is an error wrapping smoothl1.ErrBusy. Device.Close and Buffer.Close wait for the calls in progress;
// everything else answers a Close while it is in use with ErrBusy.
package gpu
