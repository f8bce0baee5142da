package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// An Option says how a call is made; Args says what it computes. Options are plain values: making one does not allocate.
type Option struct {
	kind   optKind
	count  int
	stream *Stream
}

type optKind uint8

const (
	optStream optKind = 1 << iota
	optMaxBlocks
)

var optNames = [...]string{optStream: "OnStream", optMaxBlocks: "MaxBlocks"}

// OnStream runs the call on s. If the call uses data written on another stream, the caller waits for that stream first, with
// Stream.Wait or Device.Wait. All calls that take options accept it.
func OnStream(s *Stream) Option { return Option{kind: optStream, stream: s} }

// MaxBlocks limits the number of blocks of a launch, to leave multiprocessors to other work. It does not change the result, and has
// no effect on the CPU. Only the methods of SmoothL1, and Compute, accept it.
func MaxBlocks(n int) Option { return Option{kind: optMaxBlocks, count: n} }

// call holds the options of a call.
type call struct {
	given     optKind
	stream    *Stream
	maxBlocks int
}

// read reads the options of a call on dev and refuses those not in allowed. The call holds a reference to its stream until end.
func (c *call) read(op string, dev *Device, options []Option, allowed optKind) error {
	var stream *Stream
	for i := range options {
		o := &options[i]
		switch {
		case o.kind == 0:
			return smoothl1.NewArgError(op, "option", "Option{}", fmt.Errorf("%w: use OnStream or MaxBlocks", smoothl1.ErrZero))
		case o.kind&allowed == 0:
			return smoothl1.NewArgError(op, "option", optNames[o.kind], fmt.Errorf("%w: this operation does not have it", smoothl1.ErrOption))
		case o.kind&c.given != 0:
			return smoothl1.NewArgError(op, "option", optNames[o.kind], fmt.Errorf("%w: given twice", smoothl1.ErrOption))
		}
		c.given |= o.kind
		switch o.kind {
		case optMaxBlocks:
			if o.count <= 0 {
				return smoothl1.NewArgError(op, "maxBlocks", o.count, fmt.Errorf("%w: want at least 1", smoothl1.ErrCount))
			}
			c.maxBlocks = o.count
		case optStream:
			stream = o.stream
		}
	}
	if c.given&optStream == 0 {
		return nil
	}
	switch {
	case stream == nil:
		return smoothl1.NewArgError(op, "stream", "nil", smoothl1.ErrNil)
	case stream.dev == nil:
		return smoothl1.NewArgError(op, "stream", stream, smoothl1.ErrZero)
	case stream.dev != dev:
		return smoothl1.NewArgError(op, "stream", "of "+stream.dev.String(), smoothl1.ErrDevice)
	}
	if err := stream.guard.acquire(); err != nil {
		return smoothl1.NewArgError(op, "stream", stream, err)
	}
	c.stream = stream // released by end
	return nil
}

// readOptions is call.read as a function.
func readOptions(op string, dev *Device, options []Option, allowed optKind) (c call, err error) {
	err = c.read(op, dev, options, allowed)
	return c, err
}

// capture returns the capture of the call's stream, or nil.
func (c *call) capture() *capture {
	if c.stream == nil {
		return nil
	}
	return c.stream.capture.Load()
}

// end releases the call's stream.
func (c *call) end() {
	if c.stream != nil {
		c.stream.guard.release()
	}
}
