package gpu

import (
	"errors"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Compute returns the reduced loss of host slices and, unless gradPred is nil, stores the gradient with respect to pred in gradPred.
// It copies the slices to the device and back: for arrays that stay on the device, see SmoothL1. gradPred may be the same slice as
// pred or target, but may not otherwise overlap them.
func Compute[T smoothl1.Float](d *Device, l smoothl1.Loss, pred, target, gradPred []T, options ...Option) (value float64, err error) {
	const name = "Compute"
	if err := d.enter(name); err != nil {
		return 0, err
	}
	d.leave()
	if err := checkHost(name, l, pred, target, gradPred); err != nil {
		return 0, err
	}
	s, err := NewSmoothL1[T](d, l)
	if err != nil {
		return 0, asOf(name, err)
	}
	var buffers [3]*Buffer[T]
	defer func() {
		errs := []error{err}
		for _, b := range buffers {
			errs = append(errs, b.Close())
		}
		err = errors.Join(append(errs, s.Close())...)
		if err != nil {
			value = 0
		}
	}()
	place := Upload[T]
	if d.drv == nil {
		place = WrapHost[T]
	}
	for i, x := range [][]T{pred, target} {
		if buffers[i], err = place(d, x); err != nil {
			return 0, err
		}
	}
	if gradPred == nil {
		if err = s.Forward(buffers[0], buffers[1], options...); err != nil {
			return 0, asOf(name, err)
		}
		return s.Value()
	}
	if d.drv == nil {
		buffers[2], err = WrapHost(d, gradPred)
	} else {
		buffers[2], err = Alloc[T](d, len(gradPred))
	}
	if err != nil {
		return 0, err
	}
	if err = s.ForwardBackward(buffers[0], buffers[1], buffers[2], options...); err != nil {
		return 0, asOf(name, err)
	}
	if value, err = s.Value(); err != nil {
		return 0, err
	}
	if d.drv != nil {
		err = buffers[2].Download(gradPred)
	}
	return value, err
}

// checkHost checks the host slices, which may overlap although their copies on the device do not.
func checkHost[T smoothl1.Float](name string, l smoothl1.Loss, pred, target, gradPred []T) error {
	c := op.Call{Reduction: l.Reduction, N: len(pred), Size: smoothl1.DTypeOf[T]().Size()}
	put := func(r op.Role, x []T) op.Found {
		return c.Put(r, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x)))), len(x))
	}
	c.Has = put(op.RolePred, pred) | put(op.RoleTarget, target)
	if gradPred == nil {
		return c.Check(name, op.Forward)
	}
	c.Has |= put(op.RoleGradPred, gradPred)
	return c.Check(name, op.ForwardBackward)
}

// asOf returns err with its operation, if it is an *ArgError, replaced by the one that the program called.
func asOf(op string, err error) error {
	if a, ok := err.(*smoothl1.ArgError); ok {
		return smoothl1.NewArgError(op, a.Arg, a.Value, a.Err)
	}
	return err
}
