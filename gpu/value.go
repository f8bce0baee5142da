package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// Value waits for the reduced loss that the last Run, Forward or ForwardBackward computed, and returns it. A call that computes no loss,
// or is refused, leaves an earlier one in place, unless a device needs more memory for the divisor of such a call than for any before: that
// discards the loss, as Reserve does. If there is none, or those of rows, which are in Args.Losses, the error wraps
// smoothl1.ErrNoValue. The mean of no elements is NaN, unless smoothl1.Divisor.ZeroIfEmpty says otherwise.
func (s *SmoothL1[T]) Value() (float64, error) {
	const op = "Value"
	if err := s.take(op); err != nil {
		return 0, err
	}
	defer s.end()
	if s.hasValue && s.byRow {
		return 0, smoothl1.NewArgError(op, "op", s.loss, fmt.Errorf("%w for the whole: those of the rows are in Args.Losses", smoothl1.ErrNoValue))
	}
	if !s.hasValue {
		return 0, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
	if s.dev.drv == nil { // nothing waits
		if s.dev.capturing.Load() {
			return 0, whileCapturing(op, "op", s.loss)
		}
		return s.value, nil
	}
	if !s.dev.quiet() {
		return 0, whileCapturing(op, "op", s.loss)
	}
	defer s.dev.loud()
	if s.scratch.cell.at == 0 {
		if err := s.read(s.cell[:], s.scratch.valueAt()); err != nil {
			return 0, err
		}
		return float64FromDevice(s.cell[:]), nil
	}
	if err := s.await(); err != nil {
		return 0, err
	}
	return float64FromDevice(s.scratch.cell.host), nil
}

// ChunkSums waits for the chunk sums of the last loss, cpu.Chunks(n) of them for n elements, or after a call with ByRow those of each row
// in turn, and appends them to dst. The chunk sums of shards, concatenated in order, yield the loss of the whole array: see cpu.Finish.
func (s *SmoothL1[T]) ChunkSums(dst []float64) ([]float64, error) {
	const op = "ChunkSums"
	if err := s.take(op); err != nil {
		return dst, err
	}
	defer s.end()
	if !s.hasValue {
		return dst, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
	if !s.dev.quiet() {
		return dst, whileCapturing(op, "op", s.loss)
	}
	defer s.dev.loud()
	if s.dev.drv == nil {
		return append(dst, s.sums...), nil
	}
	sums, err := makeSlice[float64](op, s.chunks)
	if err != nil {
		return dst, err
	}
	if s.chunks > 0 {
		if err := s.read(rawBytes(sums), s.scratch.sumsAt()); err != nil {
			return dst, err
		}
		if bigEndian {
			swap(sums)
		}
	}
	return append(dst, sums...), nil
}

// read copies from the scratch after the last reduction, on its stream, or on the default stream if that has been closed.
func (s *SmoothL1[T]) read(dst []byte, src driver.Ptr) error {
	on := s.last
	if on != nil && on.guard.acquire() != nil {
		on = nil
	}
	if on != nil {
		defer on.guard.release()
	}
	err := s.follow(on)
	if err == nil {
		err = opError("read the loss", "", len(dst), s.dev.drv.CopyOut(dst, src, on.handle()))
	}
	return s.done(err)
}

// await waits for the last reduction, on whatever stream it was.
func (s *SmoothL1[T]) await() error {
	return s.done(opError("wait for the loss", "", 0, s.dev.values.pinned.Await(s.scratch.done)))
}

// done reports on the last reduction, which is done unless waiting for it has failed with err.
func (s *SmoothL1[T]) done(err error) error {
	s.ticketDirty = s.ticketDirty || err != nil
	if err == nil && s.scratch.fault != nil {
		err = s.dev.reportIndex(s.scratch.fault)
		if lost := s.dev.indexError(s.scratch.fault); lost != nil && s.indexed { // whoever has heard of it
			s.hasValue = false
			if err == nil {
				err = lost
			}
		}
	}
	return err
}

// follow makes later work on the stream wait for the last reduction before it uses the scratch. The reduction may be unfinished even
// if its own stream is closed: closing a wrapped stream does not wait, and closing any other waits only after marking it as closed.
func (s *SmoothL1[T]) follow(on *Stream) error {
	if s.last == on {
		return nil
	}
	if err := s.dev.drv.WaitEvent(s.scratch.done, on.handle()); err != nil {
		return opError("wait for the last loss", "", 0, err)
	}
	s.last = on
	return nil
}

// mark records the end of a use of the scratch on the stream, for follow on another stream.
func (s *SmoothL1[T]) mark(on *Stream) error {
	return s.marked(on, s.dev.drv.Record(s.scratch.done, on.handle()))
}

// marked returns the error of mark, where recording the event has returned err. If that failed, it waits for the stream.
func (s *SmoothL1[T]) marked(on *Stream, err error) error {
	if err == nil {
		return nil
	}
	s.ticketDirty = true
	_ = s.dev.wait(on.handle()) // report the first error
	return opError("record an event", "", 0, err)
}
