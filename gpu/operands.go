package gpu

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
)

// operands are the buffers of an operation; nil where it has none.
type operands struct {
	op                          string
	kernel                      kernels.Op
	pred, target, elements      *array
	terms, gradPred, gradTarget *array

	given [maxOperands]operand // those in use, inputs first
	n     int                  // how many
}

type operand struct {
	name  string
	array *array
}

// reduces says whether the operation gives a reduced loss.
func (o *operands) reduces() bool {
	return o.kernel == kernels.Forward || o.kernel == kernels.ForwardBackward
}

// differentiates says whether it gives gradients.
func (o *operands) differentiates() bool {
	return o.kernel == kernels.Backward || o.kernel == kernels.ForwardBackward
}

const maxOperands = 6

// check refuses operands that cannot be computed with. They are taken one by one: an array of them, copied in pieces wider
// than it was written in, would cost as much as the rest.
func (o *operands) check(d *Device, t smoothl1.DType) error {
	switch {
	case o.pred == nil:
		return smoothl1.NewArgError(o.op, "pred", "nil", smoothl1.ErrNil)
	case o.target == nil:
		return smoothl1.NewArgError(o.op, "target", "nil", smoothl1.ErrNil)
	case o.kernel == kernels.ForwardTerms && o.terms == nil:
		return smoothl1.NewArgError(o.op, "terms", "nil", smoothl1.ErrNil)
	case o.differentiates() && o.gradTarget == nil && o.gradPred == nil:
		return smoothl1.NewArgError(o.op, "gradPred", "nil", smoothl1.ErrNil)
	}
	if err := o.checkOne(d, t, "pred", o.pred); err != nil {
		return err
	}
	if err := o.checkOne(d, t, "target", o.target); err != nil {
		return err
	}
	if err := o.checkOne(d, t, "upstream", o.elements); err != nil {
		return err
	}
	inputs := o.n
	if err := o.checkOne(d, t, "terms", o.terms); err != nil {
		return err
	}
	if err := o.checkOne(d, t, "gradPred", o.gradPred); err != nil {
		return err
	}
	if err := o.checkOne(d, t, "gradTarget", o.gradTarget); err != nil {
		return err
	}
	return o.checkOverlap(inputs)
}

// checkOne checks an operand, if there is one.
func (o *operands) checkOne(d *Device, t smoothl1.DType, name string, b *array) error {
	if b == nil {
		return nil
	}
	switch {
	case b.dev == nil:
		return smoothl1.NewArgError(o.op, name, "Buffer{}", smoothl1.ErrZero)
	case b.dev != d:
		return smoothl1.NewArgError(o.op, name, "buffer of "+b.dev.String(), smoothl1.ErrDevice)
	case b.dtype != t:
		return smoothl1.NewArgError(o.op, name, b.dtype, fmt.Errorf("%w: want %v", smoothl1.ErrDType, t))
	case b.n != o.pred.n:
		return smoothl1.NewArgError(o.op, name, fmt.Sprintf("%d elements", b.n), fmt.Errorf("%w: pred has %d", smoothl1.ErrLength, o.pred.n))
	case b.closed():
		return smoothl1.NewArgError(o.op, name, b, smoothl1.ErrClosed)
	}
	given := &o.given[o.n]
	given.name, given.array = name, b
	o.n++
	return nil
}

// checkOverlap refuses outputs that share memory with another operand, except an output that is an input.
func (o *operands) checkOverlap(inputs int) error {
	for i := inputs; i < o.n; i++ {
		a := o.given[i].array
		for j := range i {
			b := o.given[j].array
			if a.overlaps(b) && (j >= inputs || a.at() != b.at()) {
				return smoothl1.NewArgError(o.op, o.given[i].name, "in the memory of "+o.given[j].name, smoothl1.ErrOverlap)
			}
		}
	}
	return nil
}

// at is the address of a buffer's first element, on the device or here.
func (b *array) at() uint64 {
	if b.host != nil {
		return uint64(uintptr(b.host))
	}
	return uint64(b.ptr)
}

func (b *array) overlaps(o *array) bool {
	return b.n > 0 && o.n > 0 && b.at() < o.at()+uint64(o.bytes()) && o.at() < b.at()+uint64(b.bytes())
}
