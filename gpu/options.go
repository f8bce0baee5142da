package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// An Option says how a call is made, never what it computes: that is for Args. Options are values and allocate nothing.
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

var optNames = map[optKind]string{optStream: "OnStream", optMaxBlocks: "MaxBlocks"}

// OnStream has the call happen on s. Where it uses what another stream writes, that stream must be waited for first. (All.)
func OnStream(s *Stream) Option { return Option{kind: optStream, stream: s} }

// MaxBlocks limits the blocks of the launch, to leave multiprocessors to other work. It changes no bit of the result. The CPU
// has no blocks. (All ops.)
func MaxBlocks(n int) Option { return Option{kind: optMaxBlocks, count: n} }

func (b *Buffer[T]) arrayOf() *array {
	if b == nil {
		return nil
	}
	return &b.array
}

// call is what the options of a call say.
type call struct {
	given     optKind
	stream    *Stream
	maxBlocks int
}

// read reads the options of a call on dev, of which it takes those in allowed. The call holds its stream until end.
func (c *call) read(op string, dev *Device, options []Option, allowed optKind) error {
	var stream *Stream
	for i := range options {
		o := &options[i]
		name, known := optNames[o.kind]
		switch {
		case !known:
			return smoothl1.NewArgError(op, "option", "Option{}", fmt.Errorf("%w: made by no function of this package", smoothl1.ErrNil))
		case o.kind&allowed == 0:
			return smoothl1.NewArgError(op, "option", name, fmt.Errorf("is not one of this operation"))
		case o.kind&c.given != 0:
			return smoothl1.NewArgError(op, "option", name, fmt.Errorf("is given twice"))
		}
		c.given |= o.kind
		switch o.kind {
		case optMaxBlocks:
			if o.count <= 0 {
				return smoothl1.NewArgError(op, "maxBlocks", o.count, smoothl1.ErrCount)
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
	c.stream = stream // which end lets go of
	return nil
}

// readOptions reads the options of a call that does nothing else with them.
func readOptions(op string, dev *Device, options []Option, allowed optKind) (c call, err error) {
	err = c.read(op, dev, options, allowed)
	return c, err
}

// end lets go of the call's stream.
func (c *call) end() {
	if c.stream != nil {
		c.stream.guard.release()
	}
}
