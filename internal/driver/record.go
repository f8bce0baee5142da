package driver

// A LaunchRecorder is a device that launches a kernel and records an event after it in one call, which takes the host less time than two.
// A device that wraps another may do without: LaunchRecord then makes two calls.
type LaunchRecorder interface {
	// LaunchRecord is Launch followed by Record on the same stream, and returns the error of each. The event is recorded even if the launch
	// fails. What prevents both, such as a stream that is not open, is the error of both.
	LaunchRecord(f Function, g Geometry, on Stream, args []uint64, e Event) (launched, recorded error)
}

// LaunchRecord calls the method of d if it is a LaunchRecorder, and otherwise Launch and Record.
func LaunchRecord(d Device, f Function, g Geometry, on Stream, args []uint64, e Event) (launched, recorded error) {
	if r, ok := d.(LaunchRecorder); ok {
		return r.LaunchRecord(f, g, on, args, e)
	}
	launched = d.Launch(f, g, on, args)
	return launched, d.Record(e, on)
}
