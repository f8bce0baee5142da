package difftest

import (
	"errors"
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"

	"github.com/smoothl1/smoothl1/gpu"
)

// On returns the column of package gpu on a device.
func On(name string, d *gpu.Device) Column {
	return Column{name, onDevice[float32](d), onDevice[float64](d)}
}

func onDevice[T op.Computing](d *gpu.Device) func(Case, Inputs[T]) (Result[T], error) {
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
		a := gpu.Args[T]{Target: target, NoLoss: !c.Op.HasValue()}
		if c.Op != ForwardTerms {
			a.Divisor = c.divisor()
		}
		if c.Op.HasGradients() && c.Elementwise {
			a.Upstream = gpu.Elements(b.add(in.Upstream))
			inputs++
		} else if c.Op.HasGradients() {
			a.Upstream = gpu.Number[T](c.Upstream)
		}
		inPlace := c.InPlace
		output := func() *gpu.Buffer[T] {
			if inPlace {
				inPlace, inputs = false, 0
				return pred
			}
			return b.add(make([]T, c.N))
		}
		if c.Op == ForwardTerms {
			a.Terms = output()
		}
		if c.Op.HasGradients() && c.Grads&GradPred != 0 {
			a.GradPred = output()
		}
		if c.Op.HasGradients() && c.Grads&GradTarget != 0 {
			a.GradTarget = output()
		}
		if b.err != nil {
			return r, b.err
		}
		run := func(pred *gpu.Buffer[T], options ...gpu.Option) error {
			a.Pred = pred
			return op.Run(&a, options...)
		}
		if !c.InPlace && c.Seed%4 == 0 {
			// A first call, with another result and on another grid: the op's scratch must be as good as new afterwards.
			if err := run(target, gpu.MaxBlocks(c.Blocks%3+1)); err != nil {
				return r, err
			}
		}
		if err := run(pred, options...); err != nil {
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
		r.Terms, r.GradPred, r.GradTarget = b.read(a.Terms), b.read(a.GradPred), b.read(a.GradTarget)
		return r, errors.Join(b.err, b.check(in, inputs))
	}
}

// deviceArrays are buffers between guard zones. Errors are kept in err.
type deviceArrays[T op.Computing] struct {
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

// ComputeOn computes a case on the given arrays with package gpu on a device.
func ComputeOn[T op.Computing](d *gpu.Device, c Case, in Inputs[T]) (Result[T], error) {
	return onDevice[T](d)(c, in)
}
