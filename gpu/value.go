package gpu

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// Value returns the loss that the last Forward or ForwardBackward computed; it waits for it. Without one it is an error
// wrapping smoothl1.ErrNoValue.
func (s *SmoothL1[T]) Value() (float64, error) {
	const op = "Value"
	if err := s.take(op); err != nil {
		return 0, err
	}
	defer s.turns.end()
	if !s.hasValue {
		return 0, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
	if s.dev.drv == nil {
		return s.value, nil
	}
	if err := s.read(s.cell[:], s.scratch.valueAt()); err != nil {
		return 0, err
	}
	return float64FromDevice(s.cell), nil
}

// ChunkSums returns the chunk sums of the last Forward or ForwardBackward, cpu.Chunks(n) of them, appended to dst. Those of
// shards, gathered in order, give the loss of the whole: see cpu.Finish. It waits for them.
func (s *SmoothL1[T]) ChunkSums(dst []float64) ([]float64, error) {
	const op = "ChunkSums"
	if err := s.take(op); err != nil {
		return dst, err
	}
	defer s.turns.end()
	if !s.hasValue {
		return dst, smoothl1.NewArgError(op, "op", s.loss, smoothl1.ErrNoValue)
	}
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

// read copies from the scratch after the last reduction: on its stream, or where that has been closed on the default one.
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
	s.ticketDirty = s.ticketDirty || err != nil
	return err
}

// follow has what is done with the scratch on a stream happen after the last reduction. That its stream has been closed does not
// say that it is done: a stream that was wrapped goes on, and one of our own is closed before its work is waited for.
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

// mark records the end of what has used the scratch on a stream, which follow waits for on another. Where that fails it waits itself.
func (s *SmoothL1[T]) mark(on *Stream) error {
	err := opError("record an event", "", 0, s.dev.drv.Record(s.scratch.done, on.handle()))
	if err != nil {
		s.ticketDirty = true
		_ = s.dev.wait(on.handle()) // the error that matters is the first
	}
	return err
}
