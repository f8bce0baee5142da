package main

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/bench/internal/results"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// loss is what is measured: PyTorch's default.
var loss = smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}

// ops are our operations on the shared arrays.
type ops struct {
	op                *gpu.SmoothL1[float32]
	pred, target, out *gpu.Buffer[float32]
	p, t, o           []float32
}

func newOps(dev *gpu.Device, m *memory, n int) (*ops, error) {
	op, err := gpu.NewSmoothL1[float32](dev, loss)
	if err != nil {
		return nil, err
	}
	x := &ops{op: op, p: m.array(0, n), t: m.array(1, n), o: m.array(2, n)}
	for i, b := range []**gpu.Buffer[float32]{&x.pred, &x.target, &x.out} {
		if *b, err = gpu.WrapHost(dev, m.array(i, n)); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	return x, nil
}

func (x *ops) close() error {
	var errs []error
	for _, b := range []*gpu.Buffer[float32]{x.pred, x.target, x.out} {
		errs = append(errs, b.Close())
	}
	return errors.Join(append(errs, x.op.Close())...)
}

// call returns an operation as a user calls it: with the loss asked for where there is one.
func (x *ops) call(op string) func() error {
	value := func() error {
		_, err := x.op.Value()
		return err
	}
	switch op {
	case results.ForwardNone:
		return func() error { return x.op.ForwardTerms(x.pred, x.target, x.out) }
	case results.ForwardMean:
		return func() error { return errors.Join(x.op.Forward(x.pred, x.target), value()) }
	case results.Backward:
		return func() error { return x.op.Backward(x.pred, x.target, x.out) }
	default:
		return func() error { return errors.Join(x.op.ForwardBackward(x.pred, x.target, x.out), value()) }
	}
}

// direct returns the same operation of package cpu.
func (x *ops) direct(op string) func() error {
	a := cpu.Args[float32]{Pred: x.p, Target: x.t}
	switch op {
	case results.ForwardNone:
		a.Terms = x.o
		return func() error { return cpu.ForwardTerms(loss, a) }
	case results.ForwardMean:
		return func() error {
			_, err := cpu.Forward(loss, a)
			return err
		}
	}
	a.GradPred = x.o
	if op == results.Backward {
		return func() error { return cpu.Backward(loss, a) }
	}
	return func() error {
		_, err := cpu.ForwardBackward(loss, a)
		return err
	}
}

// check compares what all compute before anything is timed: ours with the reference, bit for bit; PyTorch's terms with ours
// bit for bit, its gradients to 4 ULP, its loss to 1e-5 (it adds float32 numbers).
func (x *ops) check(t *torch) error {
	want := cpu.Args[float32]{Pred: x.p, Target: x.t, Terms: make([]float32, len(x.p)), GradPred: make([]float32, len(x.p))}
	if err := cpu.RefForwardTerms(loss, want); err != nil {
		return err
	}
	wantValue, err := cpu.RefForwardBackward(loss, want)
	if err != nil {
		return err
	}
	for _, op := range results.Ops {
		array := want.GradPred
		switch op {
		case results.ForwardNone:
			array = want.Terms
		case results.ForwardMean:
			array = nil
		}
		clear(x.o)
		if err := x.call(op)(); err != nil {
			return err
		}
		if array != nil && !slices.Equal(array, x.o) {
			return fmt.Errorf("%s of %d elements: ours is not the reference's", op, len(x.p))
		}
		if op == results.ForwardMean || op == results.ForwardBackward {
			if got, err := x.op.Value(); err != nil || got != wantValue {
				return errors.Join(err, fmt.Errorf("%s of %d elements: our loss is %v, the reference's %v", op, len(x.p), got, wantValue))
			}
		}
		for _, peer := range []string{results.PyTorch, results.PyTorchPreallocated} {
			clear(x.o)
			got, err := t.check(peer, op)
			if err != nil {
				return err
			}
			if !math.IsNaN(got) && math.Abs(got-wantValue) > 1e-5*wantValue {
				return fmt.Errorf("%s of %d elements: the loss of %s is %v, ours %v", op, len(x.p), peer, got, wantValue)
			}
			limit := int32(4)
			if op == results.ForwardNone {
				limit = 0
			}
			for i := range array {
				if ulps := int32(math.Float32bits(array[i]) - math.Float32bits(x.o[i])); max(ulps, -ulps) > limit {
					return fmt.Errorf("%s: element %d of %s is %v, ours %v", op, i, peer, x.o[i], array[i])
				}
			}
		}
	}
	return nil
}
