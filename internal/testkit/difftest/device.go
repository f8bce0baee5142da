package difftest

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// On returns the column of package gpu on a device.
func On(name string, d *gpu.Device) Column {
	run := func(c Case, x *Arrays) (float64, error) {
		switch c.DType {
		case smoothl1.Float32:
			return onDevice[float32](d, c, x)
		case smoothl1.Float64:
			return onDevice[float64](d, c, x)
		case smoothl1.Float16:
			return onDevice[smoothl1.F16](d, c, x)
		case smoothl1.BFloat16:
			return onDevice[smoothl1.BF16](d, c, x)
		}
		return 0, errNoType(c.DType)
	}
	return Column{name, run}
}

// onDevice computes a case on copies of its arrays in the device's memory.
func onDevice[T smoothl1.Float](d *gpu.Device, c Case, x *Arrays) (value float64, err error) {
	u := uploads{dev: d, exact: c.Exact, made: map[*array]any{}}
	defer func() { err = errors.Join(err, u.close()) }()
	s, err := gpu.NewSmoothL1[T](d, c.Loss)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	numbers := func(r op.Role) *gpu.Buffer[T] { return upload[T](&u, x.of[r]) }
	a := &gpu.Args[T]{
		Pred: numbers(op.RolePred), Target: numbers(op.RoleTarget),
		Weight: numbers(op.RoleWeight), Mask: upload[uint8](&u, x.of[op.RoleMask]), Beta: numbers(op.RoleBeta),
		Index: upload[int32](&u, x.of[op.RoleIndex]), Direction: numbers(op.RoleDirection),
		Terms: numbers(op.RoleTerms), Abs: numbers(op.RoleAbs),
		GradPred: numbers(op.RoleGradPred), GradTarget: numbers(op.RoleGradTarget), Second: numbers(op.RoleSecond),
		Losses:         upload[float64](&u, x.of[op.RoleLosses]),
		AccumulatePred: c.Accumulate&GradPred != 0, AccumulateTarget: c.Accumulate&GradTarget != 0,
		ByRow: c.ByRow, Divisor: c.divisor(), NoLoss: !c.Op.Reduces(), Shape: x.shape(),
	}
	if x.of[op.RoleUpstream] != nil {
		a.Upstream = gpu.Elements(numbers(op.RoleUpstream))
	} else if c.Op.Differentiates() {
		a.Upstream = gpu.Number[T](c.Upstream)
	}
	if u.err != nil {
		return 0, u.err
	}
	if first := *a; !c.InPlace && c.Accumulate == 0 && x.of[op.RoleIndex] == nil && c.Seed%4 == 0 && x.alike(op.RolePred, op.RoleTarget) {
		// A first call, with another result and on another grid: the op's scratch must be as good as new afterwards.
		first.Pred = first.Target
		if err := s.Run(&first, gpu.MaxBlocks(c.Blocks%3+1)); err != nil {
			return 0, err
		}
	}
	var options []gpu.Option
	if c.Blocks > 0 {
		options = append(options, gpu.MaxBlocks(c.Blocks))
	}
	if err := s.Run(a, options...); err != nil {
		return 0, err
	}
	if c.Op.Reduces() && !c.ByRow {
		if value, err = s.Value(); err != nil {
			return 0, err
		}
	}
	if want := elements[float64](x.of[op.RoleChunkSums]); want != nil {
		sums, err := s.ChunkSums(nil)
		if err == nil && len(sums) != len(want) {
			err = fmt.Errorf("%d chunk sums, want %d", len(sums), len(want))
		}
		if err != nil {
			return 0, err
		}
		copy(want, sums)
	}
	err = u.download()
	if c.Wild {
		if !errors.Is(err, smoothl1.ErrIndex) {
			return 0, fmt.Errorf("the index is not reported, but %w", err)
		}
		err = nil // what could be computed has been
	}
	return value, err
}

// alike reports whether the arrays in two roles have the same shape and view.
func (x *Arrays) alike(r, s op.Role) bool {
	a, b := x.of[r], x.of[s]
	return a.view == b.view && a.to-a.from == b.to-b.from
}

// uploads are the copies of arrays on a device.
type uploads struct {
	dev   *gpu.Device
	exact bool           // without guard zones
	made  map[*array]any // the buffers, by the arrays
	back  []func() error // copy them back
	ends  []func() error // close them
	err   error
}

// upload copies an array and its guard zones to the device, unless it is there, and returns the buffer of its elements; nil if a is nil.
func upload[E smoothl1.Element](u *uploads, a *array) *gpu.Buffer[E] {
	if a == nil || u.err != nil {
		return nil
	}
	if b, ok := u.made[a]; ok {
		return b.(*gpu.Buffer[E])
	}
	from, to := 0, len(a.whole)
	if u.exact {
		from, to = a.from, a.to
	}
	host, size := elementsOf[E](a.whole[from:to]), a.dtype.Size()
	whole, err := gpu.Upload(u.dev, host)
	if err != nil {
		u.err = err
		return nil
	}
	u.back, u.ends = append(u.back, func() error { return whole.Download(host) }), append(u.ends, whole.Close)
	part, err := whole.Slice((a.from-from)/size, (a.to-from)/size)
	u.err = err
	u.made[a] = part
	return part
}

// download copies all arrays back.
func (u *uploads) download() error { return each(u.back) }

func (u *uploads) close() error { return each(u.ends) }

// each calls all functions and returns their errors.
func each(all []func() error) (err error) {
	for _, f := range all {
		err = errors.Join(err, f())
	}
	return err
}
