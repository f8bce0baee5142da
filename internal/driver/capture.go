package driver

// A Capturer is a device that can record the work of a stream in a graph, to launch all of it by one call.
//
// While a stream is captured, the calls that queue work on it (Launch, Copy, Zero) record that work and return, and nothing is done. Record
// makes an event belong to the capture: only the stream itself may wait for it. Any other call that waits, allocates or frees fails with
// CodeCaptureUnsupported, has no effect, and invalidates the capture, and so does WaitEvent for an event that was recorded outside
// (CodeCaptureIsolation). An invalid capture can only be ended.
//
// The mode is CUDA's thread-local one: those calls are refused on the thread that captures, and other threads may make them, since they are
// other parts of the program, which a library cannot stop. (CUDA's global mode would make their allocations fail, and its relaxed mode would
// not report those that the captured function makes by mistake.) Waiting for the device as a whole, as Free, Unload and Close do, conflicts
// with a capture on any thread. A device that cannot tell threads apart treats all calls as those of the thread that captures.
type Capturer interface {
	// BeginCapture begins to capture a stream other than the default one. Until EndCapture, the goroutine stays on its thread.
	BeginCapture(on Stream) error
	// EndCapture ends the capture, and returns its work as a graph. The same goroutine must call it. If the capture has become invalid, the
	// error has the code CodeCaptureInvalidated. The stream is usable afterwards in any case.
	EndCapture(on Stream) (Graph, error)
	// LaunchGraph queues the graph's work on a stream, after that of the graph's earlier launches.
	LaunchGraph(g Graph, on Stream) error
	// CloseGraph destroys the graph once its work is done.
	CloseGraph(g Graph) error
}

// Codes of CUresult for captures. All codes of this kind are from the first to the last.
const (
	CodeCaptureUnsupported = 900 // a call that is not allowed during a capture
	CodeCaptureInvalidated = 901
	CodeCaptureIsolation   = 905 // a dependency on work outside the capture
	CodeCapturedEvent      = 907 // an event that belongs to a capture
	CodeCaptureThread      = 908 // EndCapture on another thread
)
