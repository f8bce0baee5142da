package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// An Option is an option of one call. Options are values and allocate nothing.
type Option struct {
	kind   optKind
	number float64
	count  int
	buffer *array
	stream *Stream
}

type optKind uint8

const (
	optUpstream optKind = 1 << iota
	optUpstreamBuffer
	optGradTarget
	optCount
	optStream
	optMaxBlocks
)

var optNames = map[optKind]string{
	optUpstream: "Upstream", optUpstreamBuffer: "UpstreamBuffer", optGradTarget: "GradTarget", optCount: "Count",
	optStream: "OnStream", optMaxBlocks: "MaxBlocks",
}

// Upstream gives the upstream gradient, the gradient of whatever is minimised with respect to the loss, as a number, which is
// rounded once to the element type. Without it, it is 1. (Backward, ForwardBackward.)
func Upstream(g float64) Option { return Option{kind: optUpstream, number: g} }

// UpstreamBuffer gives the upstream gradient element by element, in a buffer of pred's length. (Backward.)
func UpstreamBuffer[T smoothl1.Float](g *Buffer[T]) Option {
	return Option{kind: optUpstreamBuffer, buffer: g.arrayOf()}
}

// GradTarget asks for the gradient with respect to target too, the negative of that with respect to pred. (Backward,
// ForwardBackward.)
func GradTarget[T smoothl1.Float](g *Buffer[T]) Option {
	return Option{kind: optGradTarget, buffer: g.arrayOf()}
}

// Count gives the number of elements that a mean is taken over, where pred is a shard of more. (All but ForwardTerms.)
func Count(n int) Option { return Option{kind: optCount, count: n} }

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
	given      optKind
	upstream   float64
	elements   *array
	gradTarget *array
	count      int
	stream     *Stream
	maxBlocks  int
}

// read reads the options of a call on dev, of which it takes those in allowed. The call holds its stream until end.
func (c *call) read(op string, dev *Device, options []Option, allowed optKind) error {
	c.upstream = 1
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
		case optUpstream:
			c.upstream = o.number
		case optUpstreamBuffer, optGradTarget:
			if o.buffer == nil {
				return smoothl1.NewArgError(op, name, "nil", smoothl1.ErrNil)
			}
			if o.kind == optGradTarget {
				c.gradTarget = o.buffer
			} else {
				c.elements = o.buffer
			}
		case optCount:
			if o.count <= 0 {
				return smoothl1.NewArgError(op, "count", o.count, smoothl1.ErrCount)
			}
			c.count = o.count
		case optMaxBlocks:
			if o.count <= 0 {
				return smoothl1.NewArgError(op, "maxBlocks", o.count, smoothl1.ErrCount)
			}
			c.maxBlocks = o.count
		case optStream:
			stream = o.stream
		}
	}
	if c.given&optUpstream != 0 && c.given&optUpstreamBuffer != 0 {
		return smoothl1.NewArgError(op, "option", "UpstreamBuffer", fmt.Errorf("excludes Upstream"))
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
	if err := stream.guard.share(); err != nil {
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
		c.stream.guard.unshare()
	}
}
