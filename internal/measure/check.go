package measure

import (
	"context"
	"errors"
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// check computes every operation on the first and the last set of the device and compares all results, bit for bit, with those of
// package cpu. It works in pieces, so that the host does not need memory for whole arrays.
func check[T op.Computing](ctx context.Context, r *rotation[T], op *gpu.SmoothL1[T]) error {
	for k := 0; k < r.sets; k += max(1, r.sets-1) {
		s, err := r.at(k)
		if err != nil {
			return err
		}
		if err := checkSet(ctx, r.n, s, op); err != nil {
			return err
		}
	}
	return nil
}

func checkSet[T op.Computing](ctx context.Context, n int, s set[T], op *gpu.SmoothL1[T]) error {
	l := op.Loss()
	want, err := expect[T](ctx, n, s.first, l)
	if err != nil {
		return err
	}
	value := func() error {
		got, err := op.Value()
		if err == nil && math.Float64bits(got) != math.Float64bits(want) {
			err = fmt.Errorf("the loss is %v, the reference's %v", got, want)
		}
		return err
	}
	for _, o := range []struct {
		name string
		run  func() error
		what func(answers[T]) []T
	}{
		{ForwardNone, func() error { return op.ForwardTerms(s.pred, s.target, s.out) }, func(p answers[T]) []T { return p.terms }},
		{ForwardReduced, func() error { return errors.Join(op.Forward(s.pred, s.target), value()) }, nil},
		{Backward, func() error { return op.Backward(s.pred, s.target, s.out) }, func(p answers[T]) []T { return p.grad }},
		{ForwardBackward, func() error { return errors.Join(op.ForwardBackward(s.pred, s.target, s.out), value()) },
			func(p answers[T]) []T { return p.grad }},
	} {
		err := ctx.Err()
		if err == nil {
			err = o.run()
		}
		if err == nil && o.what != nil {
			err = compareOutput(ctx, n, s, l, o.what)
		}
		if err != nil {
			return fmt.Errorf("wrong answer: %s of %d elements of %v, %v: %w", o.name, n, smoothl1.DTypeOf[T](), l, err)
		}
	}
	return nil
}

// answers holds a piece of the inputs, and room for the results of package cpu.
type answers[T op.Computing] struct{ pred, target, terms, grad []T }

// pieces visits the n elements that begin at position first, piece by piece.
func pieces[T op.Computing](ctx context.Context, n, first int, visit func(at int, p answers[T]) error) error {
	room := func() []T { return make([]T, min(n, piece)) }
	p := answers[T]{room(), room(), room(), room()}
	for at := 0; at < n; at += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(piece, n-at)
		p = answers[T]{p.pred[:m], p.target[:m], p.terms[:m], p.grad[:m]}
		generate(p.pred, 1, first+at)
		generate(p.target, 2, first+at)
		if err := visit(at, p); err != nil {
			return err
		}
	}
	return nil
}

// expect returns the loss that package cpu computes.
func expect[T op.Computing](ctx context.Context, n, first int, l smoothl1.Loss) (float64, error) {
	var sums []float64
	err := pieces(ctx, n, first, func(_ int, p answers[T]) error {
		part := make([]float64, cpu.Chunks(len(p.pred)))
		_, err := cpu.Forward(l, cpu.Args[T]{Pred: p.pred, Target: p.target, ChunkSums: part})
		sums = append(sums, part...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return cpu.Finish(l, sums, n, smoothl1.Divisor{})
}

// compareOutput compares the output array with terms or gradients.
func compareOutput[T op.Computing](ctx context.Context, n int, s set[T], l smoothl1.Loss, what func(answers[T]) []T) error {
	host := make([]T, min(n, piece))
	return pieces(ctx, n, s.first, func(at int, p answers[T]) error {
		a := cpu.Args[T]{Pred: p.pred, Target: p.target, Terms: p.terms, GradPred: p.grad}
		if l.Reduction == smoothl1.Mean {
			a.Divisor = smoothl1.DivideBy(float64(n))
		}
		if err := errors.Join(cpu.ForwardTerms(l, a), cpu.Backward(l, a)); err != nil {
			return err
		}
		got := host[:len(p.pred)]
		part, err := s.out.Slice(at, at+len(got))
		if err != nil {
			return err
		}
		if err := part.Download(got); err != nil {
			return err
		}
		for i, want := range what(p) {
			if got[i] != want || math.Signbit(float64(got[i])) != math.Signbit(float64(want)) {
				return fmt.Errorf("element %d is %v, the reference's %v", at+i, got[i], want)
			}
		}
		return nil
	})
}

// checkPeer has a peer compute each operation on the first set, which is shared with it, and checks that the results are near ours, so
// that it does the same work on the same arrays. compareBits measures how near they are.
func checkPeer[T op.Computing](ctx context.Context, p *peer, r *rotation[T], l smoothl1.Loss) error {
	loss, err := expect[T](ctx, r.n, 0, l)
	if err != nil {
		return err
	}
	out := r.host[2][:r.n]
	near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-5*math.Abs(want) }
	for _, op := range Ops {
		clear(out)
		var answer struct{ Loss *float64 }
		if err := p.ask(&answer, map[string]any{"do": "check", "op": op}); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		if answer.Loss != nil && !near(*answer.Loss, loss) {
			return fmt.Errorf("wrong answer: %s: the loss is %v, ours %v", op, *answer.Loss, loss)
		}
		if op == ForwardReduced {
			continue
		}
		err := pieces(ctx, r.n, 0, func(at int, x answers[T]) error {
			a := cpu.Args[T]{Pred: x.pred, Target: x.target, Terms: x.terms, GradPred: x.grad}
			if l.Reduction == smoothl1.Mean {
				a.Divisor = smoothl1.DivideBy(float64(r.n))
			}
			if err := errors.Join(cpu.ForwardTerms(l, a), cpu.Backward(l, a)); err != nil {
				return err
			}
			want := x.grad
			if op == ForwardNone {
				want = x.terms
			}
			for i := range want {
				atKink := l.Beta == 0 && x.pred[i] == x.target[i] // PyTorch 1.13 has another gradient there
				if got := out[at+i]; !near(float64(got), float64(want[i])) && !atKink {
					return fmt.Errorf("wrong answer: %s: element %d is %v, ours %v", op, at+i, got, want[i])
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
