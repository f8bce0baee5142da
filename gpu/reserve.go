package gpu

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Reserve allocates the scratch memory for reductions of up to the given number of elements to up to the given number of losses, 1 unless
// Args.ByRow is set, so that none of them has to allocate or wait for the device, except that the first call on a GPU with more than
// plain arrays loads the kernels for that, and the first one with an index allocates a few bytes. Reserve discards the loss: Value fails
// until the next reduction. If it had to move the memory of an op that a graph uses, it fails with an error wrapping smoothl1.ErrGraph.
func (s *SmoothL1[T]) Reserve(elements, rows int) error {
	const name = "Reserve"
	if err := s.take(name); err != nil {
		return err
	}
	defer s.end()
	switch {
	case elements < 0:
		return smoothl1.NewArgError(name, "elements", elements, smoothl1.ErrCount)
	case rows < 1:
		return smoothl1.NewArgError(name, "rows", rows, fmt.Errorf("%w: must be positive", smoothl1.ErrCount))
	case rows > math.MaxInt/64-elements/op.Chunk:
		return smoothl1.NewArgError(name, "rows", rows, smoothl1.ErrTooLarge)
	case s.loss.Reduction == smoothl1.None:
		return nil
	}
	if !s.dev.quiet() {
		return whileCapturing(name, "elements", elements)
	}
	defer s.dev.loud()
	chunks := cpu.Chunks(elements)
	if s.dev.drv == nil {
		if err := s.reserveSums(chunks + rows - 1); err != nil {
			return smoothl1.NewArgError(name, "elements", elements, err)
		}
		s.hasValue = false
		return nil
	}
	if err := s.follow(nil); err != nil {
		return err
	}
	// Each level has, for each row, a chunk for what is left over.
	sums := op.Levels(chunks)
	for n := chunks; n > 0 && rows > 1; n = cpu.Chunks(n) {
		sums += rows
		if n == 1 {
			break
		}
	}
	need := needs{sums: sums, tickets: sums - chunks, divisor: rows + sums}
	if s.scratch.moves(need) && s.graphs.Load() > 0 {
		return smoothl1.NewArgError(name, "op", s.loss, smoothl1.ErrGraph)
	}
	if err := s.scratch.grow(s.dev, need); err != nil {
		return err
	}
	s.hasValue = false
	return nil
}

// firstScratch allocates the scratch of an op whose reduction is None.
func (s *SmoothL1[T]) firstScratch(o *operands) (err error) {
	if !s.dev.quiet() {
		return whileCapturing(o.name, "op", s.loss)
	}
	defer s.dev.loud()
	if s.scratch, err = newScratch(s.dev, needs{}); err == nil {
		hold(s.dev, s, s.scratch)
	}
	return err
}

// enlarge makes the scratch large enough, for which it allocates and waits.
func (s *SmoothL1[T]) enlarge(o *operands, need needs) (err error) {
	if !s.dev.quiet() {
		return whileCapturing(o.name, "op", s.loss)
	}
	defer s.dev.loud()
	if s.scratch.moves(need) && s.graphs.Load() > 0 {
		return smoothl1.NewArgError(o.name, "op", s.loss, fmt.Errorf("%w: these arrays need more scratch memory", smoothl1.ErrGraph))
	}
	before := s.scratch.memory
	err = s.scratch.grow(s.dev, need)
	if s.scratch.memory != before { // the loss and its chunk sums were there
		s.hasValue = false
	}
	if err != nil {
		return err
	}
	if need.fault && s.scratch.fault == nil {
		s.scratch.fault, err = newIndexFault(s.dev)
	}
	return err
}
