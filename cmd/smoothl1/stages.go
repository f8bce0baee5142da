package main

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// stages are the staging buffers of all arrays, nil for absent arrays.
type stages[T smoothl1.Float] struct {
	in     [inputs]*stage[T] // but for the mask and the index
	out    [outputs]*stage[T]
	mask   *stage[uint8]
	losses *stage[float64] // of the rows of a piece
	index  *chosen
	all    []staged // one element for each of the piece
	factor float64  // of the upstream gradient
	how    []gpu.Option
}

// newStages makes stages for pieces of at most the given number of rows and elements, which are copied in the given way.
func newStages[T smoothl1.Float](dev *gpu.Device, e *evaluation, p *plan, in *opened, out *created, rows, elements int, how []gpu.Option) (*stages[T], error) {
	s := &stages[T]{factor: 1, how: how}
	if a := in.arrays[inIndex]; a != nil {
		s.index = &chosen{name: a.Name(), from: repeated(whole(a), p.in[inIndex], a.Len()), unsigned: a.Header().DType == npy.Uint64, actions: p.actions}
	}
	if a := in.arrays[inMask]; a != nil {
		mask, err := addStage[uint8](dev, elements, s.how, &s.all)
		if err != nil {
			return s, err
		}
		mask.from = repeated(flags(a), p.in[inMask], a.Len())
		s.mask = mask
	}
	for o, w := range out.writers {
		if w == nil || output(o) == outLoss && e.loss.Reduction != smoothl1.None {
			continue
		}
		to, err := addStage[T](dev, elements, s.how, &s.all)
		if err != nil {
			return s, err
		}
		s.out[o], to.to = to, func(x []T) error { return npy.Append(w, x) }
	}
	if err := s.addInputs(dev, p, in, elements); err != nil {
		return s, err
	}
	if w := out.writers[outGradPred]; w != nil && s.index != nil {
		s.scatter(p, in, w)
	}
	if e.rows {
		var err error
		s.losses, err = newStage[float64](dev, rows, how)
		return s, err
	}
	return s, nil
}

// addStage makes a stage and adds it to all.
func addStage[E smoothl1.Element](dev *gpu.Device, n int, how []gpu.Option, all *[]staged) (*stage[E], error) {
	s, err := newStage[E](dev, n, how)
	*all = append(*all, s) // to be closed, whatever the error
	return s, err
}

// addInputs adds the stages of numbers that are read. Those that gradients are added to are read to the stages of the gradients.
func (s *stages[T]) addInputs(dev *gpu.Device, p *plan, in *opened, elements int) error {
	for i, a := range in.arrays {
		if a == nil || !input(i).number() || input(i) == inUpstream && p.number {
			continue
		}
		from := repeated(numbers[T](a, &in.lost[i]), p.in[i], a.Len())
		if s.index != nil && (input(i) == inPred || input(i) == inOldPred) {
			from = pick(s.index, from)
		}
		if input(i) == inUpstream {
			from = s.scaled(from)
		}
		for _, sum := range accumulated {
			if sum.old == input(i) {
				s.out[sum.gradient].from = from
			}
		}
		if input(i) == inOldPred || input(i) == inOldTarget {
			continue
		}
		to, err := addStage[T](dev, elements, s.how, &s.all)
		if err != nil {
			return err
		}
		s.in[i], to.from = to, from
	}
	return nil
}

// scatter makes the gradient with respect to pred be written to all of its columns.
func (s *stages[T]) scatter(p *plan, in *opened, w *npy.Writer) {
	var old source[T]
	if a := in.arrays[inOldPred]; a != nil {
		old = repeated(numbers[T](a, &in.lost[inOldPred]), p.in[inOldPred], a.Len())
	}
	s.out[outGradPred].to = scatter(s.index, w, old)
}

// scaled returns a source of the upstream gradient times the factor, which is −1, or makes every product 0, infinite or NaN: so all are
// exact.
func (s *stages[T]) scaled(from source[T]) source[T] {
	return func(dst []T, first int) error {
		if err := from(dst, first); err != nil || s.factor == 1 {
			return err
		}
		for i, x := range dst {
			dst[i] = rounded[T](value(x) * s.factor)
		}
		return nil
	}
}

// value returns x as a float64.
func value[T smoothl1.Float](x T) float64 {
	var wide [1]float64
	_ = smoothl1.Convert(wide[:], []T{x}) // the lengths are equal
	return wide[0]
}

// rounded returns x as a T.
func rounded[T smoothl1.Float](x float64) T {
	var narrow [1]T
	_ = smoothl1.Convert(narrow[:], []float64{x})
	return narrow[0]
}

func (s *stages[T]) close() {
	for _, x := range s.all {
		x.close()
	}
	if s.losses != nil {
		s.losses.close()
	}
}

// load reads a piece of n elements, beginning with first, and queues its copy to the device.
func (s *stages[T]) load(first, n int) error {
	if s.index != nil {
		if err := s.index.load(first, n); err != nil {
			return err
		}
	}
	for _, x := range s.all {
		if err := x.cut(n); err != nil {
			return err
		}
		if err := x.fetch(first); err != nil {
			return err
		}
		if err := x.upload(); err != nil {
			return err
		}
	}
	return nil
}

// download queues the copies of the outputs from the device.
func (s *stages[T]) download() error {
	for _, x := range s.all {
		if err := x.download(); err != nil {
			return err
		}
	}
	return nil
}

// save writes the pieces of the outputs, which are on the host.
func (s *stages[T]) save() error {
	for _, x := range s.all {
		if err := x.save(); err != nil {
			return err
		}
	}
	return nil
}

// count appends to sums the chunk sums of what a divisor counts in a loaded piece: the weights, or else 1 for each element, that the
// mask keeps. They are those of the L1 loss of 1 and 0, times the weights.
func (s *stages[T]) count(n int, weights bool, sums []float64) ([]float64, error) {
	a := s.counted(1, n, weights)
	a.ChunkSums = make([]float64, cpu.Chunks(n))
	_, err := cpu.Forward(smoothl1.Loss{Reduction: smoothl1.Sum}, &a)
	return append(sums, a.ChunkSums...), err
}

// countRows returns what a divisor counts in each row of a loaded piece.
func (s *stages[T]) countRows(rows, cols int, weights bool) ([]float64, error) {
	a := s.counted(rows, cols, weights)
	a.ByRow, a.Losses = true, make([]float64, rows)
	_, err := cpu.Forward(smoothl1.Loss{Reduction: smoothl1.Sum}, &a)
	return a.Losses, err
}

// counted returns the arguments of a loss that is what a divisor counts.
func (s *stages[T]) counted(rows, cols int, weights bool) cpu.Args[T] {
	a := cpu.Args[T]{
		Pred: []T{rounded[T](1)}, Target: []T{0}, Mask: s.mask.used(),
		Shape: &smoothl1.Shape{Rows: rows, Cols: cols, Pred: smoothl1.Single(), Target: smoothl1.Single()},
	}
	if weights {
		a.Weight = s.in[inWeight].used()
	}
	return a
}

// countAhead is count for a piece that has not been loaded.
func (s *stages[T]) countAhead(first, n int, weights bool, sums []float64) ([]float64, error) {
	var needed []staged
	if s.mask != nil {
		needed = append(needed, s.mask)
	}
	if weights {
		needed = append(needed, s.in[inWeight])
	}
	for _, x := range needed {
		if err := x.cut(n); err != nil {
			return sums, err
		}
		if err := x.fetch(first); err != nil {
			return sums, err
		}
	}
	return s.count(n, weights, sums)
}

// arguments returns the arguments for the loaded piece, but for the divisor and the losses of rows.
func (s *stages[T]) arguments(e *evaluation, scale float64) gpu.Args[T] {
	terms := s.out[outTerms]
	if e.loss.Reduction == smoothl1.None {
		terms = s.out[outLoss]
	}
	a := gpu.Args[T]{
		Pred: s.in[inPred].buffer(), Target: s.in[inTarget].buffer(), Weight: s.in[inWeight].buffer(), Mask: s.mask.buffer(),
		Beta: s.in[inBeta].buffer(), Terms: terms.buffer(), Abs: s.out[outAbs].buffer(),
		GradPred: s.out[outGradPred].buffer(), GradTarget: s.out[outGradTarget].buffer(),
		AccumulatePred: e.reads(inOldPred), AccumulateTarget: e.reads(inOldTarget),
		Direction: s.in[inDirection].buffer(), Second: s.out[outSecond].buffer(),
	}
	switch {
	case !e.differentiates():
	case s.in[inUpstream] != nil:
		a.Upstream = gpu.Elements(s.in[inUpstream].buffer())
	default:
		a.Upstream = gpu.Number[T](scale * s.factor)
	}
	return a
}
