package measure

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// expectations are those of a workload's operations on the first set, by form.
type expectations[T smoothl1.Float] map[form]*expectation[T]

func (r *rotation[T]) expectAll(ctx context.Context, w Workload, first int) (expectations[T], error) {
	all := expectations[T]{}
	for _, o := range w.forms() {
		var err error
		if all[o.form], err = r.expect(ctx, w, o, first); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// check computes every operation on the first and the last set of the device and compares all results, bit for bit, with those of
// package cpu. It returns what was expected of the first set.
func check[T smoothl1.Float](ctx context.Context, r *rotation[T], w Workload, crit *gpu.SmoothL1[T]) (expectations[T], error) {
	expected, err := r.expectAll(ctx, w, 0)
	if err != nil {
		return nil, err
	}
	if err := checkSet(ctx, r, w, crit, 0, expected); err != nil || r.sets == 1 {
		return expected, err
	}
	last, err := r.expectAll(ctx, w, (r.sets-1)*r.stride)
	if err != nil {
		return nil, err
	}
	return expected, checkSet(ctx, r, w, crit, r.sets-1, last)
}

func checkSet[T smoothl1.Float](ctx context.Context, r *rotation[T], w Workload, crit *gpu.SmoothL1[T], k int, expected expectations[T]) error {
	s, err := r.at(k)
	if err != nil {
		return err
	}
	for _, o := range w.operations() {
		if err := checkOne(ctx, &o, w, crit, s, expected[o.form]); err != nil {
			return fmt.Errorf("wrong answer: %s of %d elements of %v, %v: %w", o.name, r.n, r.dtype, w.Loss, err)
		}
	}
	return nil
}

func checkOne[T smoothl1.Float](ctx context.Context, o *operation, w Workload, crit *gpu.SmoothL1[T], s set[T], want *expectation[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	call, err := bind(o, crit, w, s)
	if err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return compare(ctx, o, crit, s, want)
}

// compare compares the results of an operation with what is expected, bit for bit.
func compare[T smoothl1.Float](ctx context.Context, o *operation, crit *gpu.SmoothL1[T], s set[T], want *expectation[T]) error {
	if o.loss {
		got, err := crit.Value()
		if err == nil && math.Float64bits(got) != math.Float64bits(want.value) {
			err = fmt.Errorf("the loss is %v, the reference's %v", got, want.value)
		}
		if err != nil {
			return err
		}
	}
	if !o.terms && !o.gradient {
		return nil
	}
	var host []T
	return want.outputs(ctx, o, func(at int, want []T) error {
		if host == nil {
			host = make([]T, len(want))
		}
		got := host[:len(want)]
		part, err := s.out.Slice(at, at+len(want))
		if err != nil {
			return err
		}
		if err := part.Download(got); err != nil {
			return err
		}
		for i := range want {
			if !difftest.SameBits(got[i], want[i]) {
				return fmt.Errorf("element %d is %v, the reference's %v", at+i, got[i], want[i])
			}
		}
		return nil
	})
}

// checkPeer has a peer compute an operation on the first set, which is shared with it, and checks that the results are near ours, so
// that it does the same work on the same arrays. compareBits measures how near they are.
func checkPeer[T smoothl1.Float](ctx context.Context, p *peer, r *rotation[T], o *operation, want *expectation[T]) error {
	out := r.host[2][:r.n]
	clear(out)
	var answer struct{ Loss *float64 }
	if err := p.ask(&answer, map[string]any{"do": "check", "op": o.name}); err != nil {
		return err
	}
	if o.loss && answer.Loss == nil {
		return errors.New("wrong answer: there is no loss")
	}
	if answer.Loss != nil && !near[T](*answer.Loss, want.value) {
		return fmt.Errorf("wrong answer: the loss is %v, ours %v", *answer.Loss, want.value)
	}
	if !o.terms && !o.gradient {
		return nil
	}
	atKink := func(i int) bool { // PyTorch 1.13 has another gradient there
		return want.loss.Beta == 0 && wide(r.host[0][i]) == wide(r.host[1][i])
	}
	return want.outputs(ctx, o, func(at int, want []T) error {
		for i, x := range want {
			if got := out[at+i]; got != x && !near[T](wide(got), wide(x)) && !atKink(at+i) {
				return fmt.Errorf("wrong answer: element %d is %v, ours %v", at+i, got, x)
			}
		}
		return nil
	})
}

// near reports whether a peer's result is as good as ours: within 1e-5 of it or, rounded to a type of 16 bits, one ULP.
func near[T smoothl1.Float](got, want float64) bool {
	if math.Abs(got-want) <= 1e-5*math.Abs(want) {
		return true
	}
	round := rounding[T]()
	return smoothl1.DTypeOf[T]().Size() == 2 && difftest.ULPs(round(got), round(want)) <= 1
}

func wide[T smoothl1.Float](x T) float64 {
	switch x := any(x).(type) {
	case float32:
		return float64(x)
	case smoothl1.F16:
		return float64(x.Float32())
	case smoothl1.BF16:
		return float64(x.Float32())
	}
	return float64(x)
}
