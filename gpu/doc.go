// Package gpu computes the smooth L1, Huber and L1 losses and their gradients: on a CUDA device through hand-written kernels,
// on a simulated device, or on the CPU. All produce the same bits, which package cpu defines.
//
// A program opens a Device once and keeps its arrays in Buffers, in the device's memory. A SmoothL1 computes one loss on them, step
// after step, without allocating. A call queues one kernel and returns; reading a result waits for it. (The gradients of a mean whose
// divisor depends on a mask or on weights take a second, smaller kernel before.) For host slices and a single step, use Compute.
// A HostBuffer is host memory from and to which a device copies while the program goes on, for example the next batch.
//
// The numbers are of type float32, float64, smoothl1.F16 or smoothl1.BF16. The last two are computed in float32, and rounded once when
// they are stored. Losses are float64 for all of them.
//
// SmoothL1.Run takes an Args, whose fields say what is computed, and options, which say how. Any of the fields can be used together,
// unless their comments say otherwise. The other methods are shorthands for Run.
//
// Build with -tags cuda on linux/amd64 to use a GPU. Its driver must be for CUDA 11.8 (branch R520) or newer; it compiles the kernels
// when they are first needed, for the target that Device.Target names. On a machine without a GPU the same binary uses the CPU:
// Device.String says which device was opened and why.
//
// # Graphs
//
// For small arrays, queuing a call takes longer than its work. Stream.Capture captures the calls that a function makes on the stream in a
// Graph, on a GPU a CUDA graph, and Graph.Launch queues all of them at once:
//
//	g, err := stream.Capture(func() error { return crit.ForwardBackward(pred, target, grad, gpu.OnStream(stream)) })
//	for range steps {
//		err = g.Launch(gpu.OnStream(stream))
//	}
//	loss, err := crit.Value() // of the last launch
//
// Nothing may allocate, free or wait during a capture. Making the calls once before it prepares for it; see Stream.Capture. Errors that
// wrap smoothl1.ErrCapture say what could not be done. On the CPU a Graph makes its calls one by one, so that the same program runs
// without a GPU.
//
// # What to close
//
// Close a Device when the program is done with it or when other programs need the GPU; this releases everything that belongs to it.
// A buffer, stream, event or op created once for a training loop needs no Close of its own. Close objects that are created
// repeatedly, such as a buffer for each batch, when they are no longer needed: their device memory is then free at once.
//
// Unreachable objects that were not closed do not leak. On the CPU they are ordinary garbage. On a device they are released, after
// the work that uses them, by the first allocation, NewStream, NewEvent or Wait after the garbage collector has found them; an
// allocation that finds no device memory left runs the collector before it fails. Device.Usage counts the objects released in this
// way.
//
// A slice of a buffer keeps the buffer reachable. Wrap and WrapStream do not own the memory or stream that they are passed: it must
// exist until the wrapper is closed and the work is done. A Graph keeps the buffers and ops that it uses; they cannot be closed before it.
//
// # Errors
//
// Arguments are checked before anything is launched. An invalid one is reported as an *smoothl1.ArgError, which names operation,
// argument and value and wraps one of smoothl1's error values; nothing has then been written. Errors of the device's driver are
// reported as a *DeviceError. A fault in a kernel is reported by the next call that waits for it; with CUDA, the device may be
// unusable afterwards.
//
// The indices of Args.Index are in the device's memory, so that only a kernel can check them. The next call that waits for it reports
// the first that is out of range, with its row, as an *smoothl1.ArgError that wraps smoothl1.ErrIndex. The call's outputs are then
// undefined, its loss is lost, and everything can be used again. On the CPU the call itself fails, and writes nothing.
//
// # Concurrency
//
// A Device, its Buffers and its Streams may be used from several goroutines at once. A SmoothL1 runs one call at a time, and so does a
// Graph: a call while another is in progress fails with an error wrapping smoothl1.ErrBusy. Device.Close, Buffer.Close and
// HostBuffer.Close wait for the calls in progress; the other Close methods fail with ErrBusy while their object is in use.
package gpu
