// Package gpu computes the smooth L1, Huber and L1 losses and their gradients: on a CUDA device through hand-written kernels,
// on a simulated one, or on the CPU. All give the same bits, which package cpu defines.
//
// A Device is opened once. Arrays live in Buffers, in the device's memory, and a SmoothL1 computes one loss on them, step after
// step, without allocating anything. A call queues its work, one kernel, and returns; what reads a result waits for it.
// For host slices and a single step there is Compute.
//
// Everything that an operation can have is a field of Args, which SmoothL1.Run takes: fields say what is computed, options how the call
// is made. The other methods are short forms of it.
//
// Build with -tags cuda on linux/amd64 to use a GPU. The same binary runs where there is none, on the CPU: Device.String says
// which it is and why.
//
// # What to close
//
// Close a Device when the program is done with it, or before other programs are to have the GPU: it releases everything that is
// left. A buffer, stream, event or op that is made once for a training loop needs no Close of its own. What is made again and
// again, such as a buffer for each batch, is best closed when it is no longer needed: device memory is then free at once. What
// is dropped without it is not lost. On the CPU it is garbage like any other. On a device it is released, after the work that uses
// it, by the first allocation, NewStream, NewEvent or Wait after the garbage collector has found it; and an allocation for which the
// device has no memory left runs the collector before it fails. Device.Usage counts what was released in this way. A Slice keeps
// the buffer that it is a part of; Wrap, WrapHost and WrapStream do not keep the memory and streams of others on a device, which must
// stay until the wrapper is closed and the work is done.
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
