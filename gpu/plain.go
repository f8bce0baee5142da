package gpu

import (
	"runtime"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// plain reports whether a call on the CPU is of a common form, and valid: pred, target, and one output, all of the same length, apart, and in
// use. It spares a small loss the cost of check, which takes as long as the loss.
func (s *SmoothL1[T]) plain(p op.Pass, a *Args[T]) bool {
	if s.dev.drv != nil || a.Pred == nil || a.Target == nil || p.Reduces() && s.loss.Reduction == smoothl1.None {
		return false
	}
	n, bytes := a.Pred.n, uint64(a.Pred.bytes())
	fits := func(b *Buffer[T]) bool {
		return b.dev == s.dev && b.n == n && b.parent == nil && !b.guard.closed()
	}
	if !fits(a.Pred) || !fits(a.Target) {
		return false
	}
	out := a.GradPred
	switch p {
	case op.Forward:
		return true
	case op.Terms:
		out = a.Terms
	}
	return out != nil && fits(out) && op.Apart(out.at(), bytes, a.Pred.at(), bytes) && op.Apart(out.at(), bytes, a.Target.at(), bytes)
}

// computePlain does the work of a call that is plain.
func (s *SmoothL1[T]) computePlain(name string, p op.Pass, a *Args[T]) error {
	defer func() { // a single defer, to keep it open-coded
		s.turns.end()
		runtime.KeepAlive(a)
	}()
	h := &s.host
	h.Divisor, h.NoLoss = smoothl1.Divisor{}, !p.Reduces()
	if p.Reduces() {
		if err := s.reserveSums(op.Chunks(a.Pred.n)); err != nil {
			return smoothl1.NewArgError(name, "pred", &a.Pred.array, err)
		}
		s.hasValue = false
		h.ChunkSums = s.sums
	}
	h.Pred, h.Target, h.Terms, h.GradPred = sliceOf[T](&a.Pred.array), sliceOf[T](&a.Target.array), sliceOf[T](a.Terms.arrayOf()), sliceOf[T](a.GradPred.arrayOf())
	value, err := cpu.Run(s.loss, h)
	h.Pred, h.Target, h.Terms, h.GradPred, h.ChunkSums = nil, nil, nil, nil, nil
	if p.Reduces() && err == nil {
		s.value, s.hasValue, s.byRow = value, true, false
	}
	return err
}
