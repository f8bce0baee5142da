package difftest

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// On is the column of package gpu on a device.
func On(name string, d *gpu.Device) Column {
	return Column{name, onDevice[float32](d), onDevice[float64](d)}
}

func onDevice[T smoothl1.Float](d *gpu.Device) func(Case, Inputs[T]) (Result[T], error) {
	return func(c Case, in Inputs[T]) (r Result[T], err error) {
		b := deviceArrays[T]{dev: d, c: c}
		defer func() { err = errors.Join(err, b.close()) }()
		op, err := gpu.NewSmoothL1[T](d, c.Loss)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, op.Close()) }()

		pred, target := b.add(in.Pred), b.add(in.Target)
		inputs := 2
		var options []gpu.Option
		if c.Blocks > 0 {
			options = append(options, gpu.MaxBlocks(c.Blocks))
		}
		if c.Count > 0 && c.Op != ForwardTerms {
			options = append(options, gpu.Count(c.Count))
		}
		if c.Op.HasGradients() && c.Elementwise {
			options = append(options, gpu.UpstreamBuffer(b.add(in.Upstream)))
			inputs++
		} else if c.Op.HasGradients() {
			options = append(options, gpu.Upstream(c.Upstream))
		}
		inPlace := c.InPlace
		output := func() *gpu.Buffer[T] {
			if inPlace {
				inPlace, inputs = false, 0
				return pred
			}
			return b.add(make([]T, c.N))
		}
		var terms, gradPred, gradTarget *gpu.Buffer[T]
		if c.Op == ForwardTerms {
			terms = output()
		}
		if c.Op.HasGradients() && c.Grads&GradPred != 0 {
			gradPred = output()
		}
		if c.Op.HasGradients() && c.Grads&GradTarget != 0 {
			gradTarget = output()
			options = append(options, gpu.GradTarget(gradTarget))
		}
		if b.err != nil {
			return r, b.err
		}
		run := func(pred *gpu.Buffer[T]) error {
			switch c.Op {
			case ForwardTerms:
				return op.ForwardTerms(pred, target, terms, options...)
			case Forward:
				return op.Forward(pred, target, options...)
			case Backward:
				return op.Backward(pred, target, gradPred, options...)
			default:
				return op.ForwardBackward(pred, target, gradPred, options...)
			}
		}
		if !c.InPlace && c.Seed%4 == 0 { // a first time, for another result: what is looked at is the work of an op that has worked before
			if err := run(target); err != nil {
				return r, err
			}
		}
		if err := run(pred); err != nil {
			return r, err
		}
		if c.Op.HasValue() {
			if r.Value, err = op.Value(); err == nil {
				r.ChunkSums, err = op.ChunkSums(nil)
			}
			if err != nil {
				return r, err
			}
		}
		r.Terms, r.GradPred, r.GradTarget = b.read(terms), b.read(gradPred), b.read(gradTarget)
		return r, errors.Join(b.err, b.check(in, inputs))
	}
}

// deviceArrays are buffers between guard zones. Their first error stays in err.
type deviceArrays[T smoothl1.Float] struct {
	dev    *gpu.Device
	c      Case
	wholes []*gpu.Buffer[T]
	parts  []*gpu.Buffer[T]
	err    error
}

func (b *deviceArrays[T]) add(content []T) *gpu.Buffer[T] {
	shift, zone := b.c.shiftOf(len(b.wholes)), b.c.zoneOf()
	whole, err := gpu.Upload(b.dev, surround(content, zone, shift))
	if err != nil {
		b.err = errors.Join(b.err, err)
		return nil
	}
	part, err := whole.Slice(zone+shift, zone+shift+len(content))
	b.err = errors.Join(b.err, err)
	b.wholes, b.parts = append(b.wholes, whole), append(b.parts, part)
	return part
}

func (b *deviceArrays[T]) read(x *gpu.Buffer[T]) []T {
	if x == nil || b.err != nil {
		return nil
	}
	host := make([]T, x.Len())
	b.err = x.Download(host)
	return host
}

func (b *deviceArrays[T]) check(in Inputs[T], inputs int) error {
	originals := [][]T{in.Pred, in.Target, in.Upstream}
	for k, buffer := range b.wholes {
		whole := b.read(buffer)
		if b.err != nil {
			return b.err
		}
		shift, zone := b.c.shiftOf(k), b.c.zoneOf()
		if err := checkZones(k, whole, zone, shift); err != nil {
			return err
		}
		if k < inputs {
			if err := compareArray(fmt.Sprintf("input %d after the call", k), inside(whole, zone, shift, len(originals[k])), originals[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *deviceArrays[T]) close() error {
	var errs []error
	for i := range b.wholes {
		errs = append(errs, b.parts[i].Close(), b.wholes[i].Close())
	}
	return errors.Join(errs...)
}

// ComputeOn computes a case on given arrays, in package gpu on a device.
func ComputeOn[T smoothl1.Float](d *gpu.Device, c Case, in Inputs[T]) (Result[T], error) {
	return onDevice[T](d)(c, in)
}
