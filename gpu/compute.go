package gpu

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// Compute returns the reduced loss of host slices and, unless grad is nil, writes the gradient with respect to pred to it. It
// copies to and from the device: for arrays that stay there, see SmoothL1. grad may be pred or target itself, but not overlap them
// otherwise.
func Compute[T smoothl1.Float](d *Device, l smoothl1.Loss, pred, target, grad []T, options ...Option) (value float64, err error) {
	const op = "Compute"
	if err := d.enter(op); err != nil {
		return 0, err
	}
	d.leave()
	if len(target) != len(pred) {
		return 0, smoothl1.NewArgError(op, "len(target)", len(target), fmt.Errorf("%w: pred has %d", smoothl1.ErrLength, len(pred)))
	}
	if grad != nil && len(grad) != len(pred) {
		return 0, smoothl1.NewArgError(op, "len(grad)", len(grad), fmt.Errorf("%w: pred has %d", smoothl1.ErrLength, len(pred)))
	}
	for _, in := range []struct {
		name string
		x    []T
	}{{"pred", pred}, {"target", target}} {
		a, b := hostArray(grad), hostArray(in.x)
		if a.overlaps(&b) && a.at() != b.at() {
			return 0, smoothl1.NewArgError(op, "grad", "in the memory of "+in.name, smoothl1.ErrOverlap)
		}
	}
	s, err := NewSmoothL1[T](d, l)
	if err != nil {
		return 0, asOf(op, err)
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
	if grad == nil {
		if err = s.Forward(buffers[0], buffers[1], options...); err != nil {
			return 0, asOf(op, err)
		}
		return s.Value()
	}
	if d.drv == nil {
		buffers[2], err = WrapHost(d, grad)
	} else {
		buffers[2], err = Alloc[T](d, len(grad))
	}
	if err != nil {
		return 0, err
	}
	if err = s.ForwardBackward(buffers[0], buffers[1], buffers[2], options...); err != nil {
		return 0, asOf(op, err)
	}
	if value, err = s.Value(); err != nil {
		return 0, err
	}
	if d.drv != nil {
		err = buffers[2].Download(grad)
	}
	return value, err
}

// hostArray is x as the checks of buffers see it.
func hostArray[T smoothl1.Float](x []T) array {
	return array{dtype: smoothl1.DTypeOf[T](), n: len(x), host: unsafe.Pointer(unsafe.SliceData(x))}
}

// asOf has an error of an argument name the operation that the program has called.
func asOf(op string, err error) error {
	if a, ok := err.(*smoothl1.ArgError); ok {
		return smoothl1.NewArgError(op, a.Arg, a.Value, a.Err)
	}
	return err
}
