package dataparallel

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
)

// lengths checks where the shards are cut, and returns the number of elements of all. The result is the same on all ranks.
func (g *group) lengths(name string) (total int, err error) {
	size, last := g.comm.Size(), 0
	for rank := range size {
		n := int(g.of(rank, fieldOwn))
		if n > math.MaxInt-total {
			return 0, &RankError{Op: name, Ranks: []int{rank}, Text: fmt.Sprintf("rank %d: %d elements: %v", rank, n, smoothl1.ErrTooLarge), Err: smoothl1.ErrTooLarge}
		}
		total += n
		if n > 0 {
			last = rank
		}
	}
	for rank := range last {
		if n := int(g.of(rank, fieldOwn)); n%cpu.Chunk != 0 {
			from, to, _ := Shard(total, rank, size)
			return 0, &RankError{Op: name, Ranks: []int{rank}, Err: smoothl1.ErrLength,
				Text: fmt.Sprintf("rank %[1]d has %[2]d elements: %[3]v: it must be a multiple of %[4]d on all ranks before the last that has any, rank %[5]d; "+
					"of %[6]d elements, Shard(%[6]d, %[1]d, %[7]d) gives it [%[8]d, %[9]d)", rank, n, smoothl1.ErrLength, cpu.Chunk, last, total, size, from, to)}
		}
	}
	return total, nil
}

// divisor returns the number that the sum of all shards is divided by; 1 for a sum.
func (s *SmoothL1[T]) divisor(name string, a *gpu.Args[T], n, total int, options []gpu.Option) (float64, error) {
	switch d := a.Divisor; {
	case s.loss.Reduction != smoothl1.Mean:
		return 1, nil
	case !d.Kept() && !d.Weights():
		return d.Of(total), nil
	}
	err := s.prepareCount(name, a)
	if err == nil {
		err = s.count.Run(&s.args, options...)
	}
	sums, err := s.gather(name, s.count, n, err)
	if err != nil {
		return 0, err
	}
	return cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, sums, total, smoothl1.Divisor{})
}

// prepareCount sets args to those of a loss whose terms are the weights, or 1 without weights, and +0 where the mask is 0: that of 1
// and 0, times the weight. Its chunk sums are those of the divisor.
func (s *SmoothL1[T]) prepareCount(name string, a *gpu.Args[T]) (err error) {
	if s.count == nil {
		var pair [2]T
		if err := smoothl1.Convert(pair[:], []float64{1, 0}); err != nil {
			return err
		}
		for i := range pair {
			if s.pair[i] == nil {
				if s.pair[i], err = gpu.Upload(s.dev, pair[i:i+1]); err != nil {
					return err
				}
			}
		}
		if s.count, err = gpu.NewSmoothL1[T](s.dev, smoothl1.Loss{Reduction: smoothl1.Sum}); err != nil {
			return err
		}
	}
	s.shape = smoothl1.Shape{Rows: 1, Cols: a.Pred.Len()}
	if a.Shape != nil {
		s.shape = smoothl1.Shape{Rows: a.Shape.Rows, Cols: a.Shape.Cols, Weight: a.Shape.Weight, Mask: a.Shape.Mask}
		if a.Index != nil {
			s.shape.Cols = 1
		}
	}
	s.shape.Pred, s.shape.Target = smoothl1.Single(), smoothl1.Single()
	s.args = gpu.Args[T]{Pred: s.pair[0], Target: s.pair[1], Mask: a.Mask, Shape: &s.shape}
	switch d := a.Divisor; {
	case d.Kept() && a.Mask == nil:
		return smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: there is no mask", smoothl1.ErrDivisor))
	case d.Weights() && a.Weight == nil:
		return smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: there is no weight", smoothl1.ErrDivisor))
	case d.Weights():
		s.args.Weight = a.Weight
	}
	return nil
}

// prepare sets args to those of this rank's part of a loss with the given divisor, and returns the op for them.
func (s *SmoothL1[T]) prepare(name string, a *gpu.Args[T], total int, divisor float64) (*gpu.SmoothL1[T], error) {
	s.args = *a
	if s.loss.Reduction != smoothl1.Mean {
		return s.op, nil
	}
	if divisor == 0 && (total == 0 || a.Divisor.Kept()) { // there are no gradients, or they are all +0
		s.args.Divisor = smoothl1.DivideBy(1)
		return s.op, nil
	}
	norm := 1 / divisor
	if smoothl1.DTypeOf[T]().Computing() == smoothl1.Float32 {
		norm = float64(float32(norm))
	}
	size := math.Abs(divisor)
	s.args.Divisor = smoothl1.DivideBy(size)
	if norm > 0 && !math.IsInf(norm, 1) && !math.IsInf(size, 1) {
		return s.op, nil
	}
	if _, given := a.Divisor.Number(); given {
		return s.op, nil // which refuses it
	}
	var one gpu.Upstream[T]
	if a.Upstream != one {
		return nil, smoothl1.NewArgError(name, "divisor", a.Divisor, fmt.Errorf("%w: it is %v, which needs the upstream gradient 1", smoothl1.ErrDivisor, divisor))
	}
	if norm < 0 && !math.IsInf(norm, -1) { // a gradient changes its sign with the norm
		s.upstream(a, -1)
		return s.op, nil
	}
	if divisor == 0 && a.Divisor.IsZeroIfEmpty() {
		norm = 0
	}
	// The norm is 0, infinite or NaN, and so is its product with 1: the gradient is that of a sum with this upstream gradient, bit for bit.
	s.upstream(a, norm)
	s.args.Divisor = smoothl1.Divisor{}
	if s.sum == nil {
		l := s.loss
		l.Reduction = smoothl1.Sum
		var err error
		if s.sum, err = gpu.NewSmoothL1[T](s.dev, l); err != nil {
			return nil, err
		}
	}
	return s.sum, nil
}

// upstream sets the upstream gradient if a gradient is wanted; without one it would be refused.
func (s *SmoothL1[T]) upstream(a *gpu.Args[T], g float64) {
	if a.GradPred != nil || a.GradTarget != nil || a.Second != nil {
		s.args.Upstream = gpu.Number[T](g)
	}
}

// gather returns the chunk sums of all ranks after a call of op on this rank's n elements, or an error on all ranks if err is not nil on
// one of them. The result is valid until the next call.
func (s *SmoothL1[T]) gather(name string, op *gpu.SmoothL1[T], n int, err error) ([]float64, error) {
	c := s.group.comm
	s.send = append(s.send[:0], 0)
	own := 1 + cpu.Chunks(n)
	if err == nil {
		s.send, err = op.ChunkSums(s.send)
	}
	if err == nil && len(s.send) != own {
		err = smoothl1.NewArgError(name, "chunk sums", len(s.send)-1, fmt.Errorf("%w: %d elements have %d", smoothl1.ErrLength, n, own-1))
	}
	if err != nil {
		s.send = append(s.send[:0], make([]float64, own)...)
		s.send[0] = 1
	}
	total := 0
	for rank := range s.counts {
		s.counts[rank] = 1 + cpu.Chunks(int(s.group.of(rank, fieldOwn)))
		total += s.counts[rank]
	}
	if cap(s.sums) < total {
		s.sums = make([]float64, total)
	}
	all := s.sums[:total]
	if err := mpi.Allgatherv(c, s.send, all, s.counts); err != nil {
		return nil, err
	}
	at, to := 0, 0
	failed := s.group.all // the headers are no longer needed: their first word says whether the rank failed
	for rank, k := range s.counts {
		failed[rank*int(fields)+int(fieldFailed)] = int64(all[at])
		to += copy(all[to:], all[at+1:at+k])
		at += k
	}
	if err := s.group.failures(name, err, func(rank int) bool { return s.group.of(rank, fieldFailed) != 0 }); err != nil {
		return nil, err
	}
	return all[:to], nil
}
