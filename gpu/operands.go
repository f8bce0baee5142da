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

func (o *operands) all() [maxOperands]*array {
	return [maxOperands]*array{o.pred, o.target, o.elements, o.terms, o.gradPred, o.gradTarget}
}

var operandNames = [maxOperands]string{"pred", "target", "upstream", "terms", "gradPred", "gradTarget"}

const firstOutput = 3 // of all

// hold checks the operands and begins their use. It returns how many of them unhold has to let go, also with an error.
func (o *operands) hold(d *Device, t smoothl1.DType) (held int, err error) {
	all := o.all()
	need := func(i int) error {
		if all[i] == nil {
			return smoothl1.NewArgError(o.op, operandNames[i], "nil", smoothl1.ErrNil)
		}
		return nil
	}
	for i := range 2 {
		if err := need(i); err != nil {
			return 0, err
		}
	}
	if o.kernel == kernels.ForwardTerms {
		if err := need(3); err != nil {
			return 0, err
		}
	}
	if o.differentiates() && o.gradTarget == nil {
		if err := need(4); err != nil {
			return 0, err
		}
	}
	for i, b := range all {
		if b == nil {
			continue
		}
		refuse := func(value any, reason error) error {
			return smoothl1.NewArgError(o.op, operandNames[i], value, reason)
		}
		switch {
		case b.dev != d:
			return i, refuse("buffer of "+b.dev.String(), smoothl1.ErrDevice)
		case b.dtype != t:
			return i, refuse(b.dtype, fmt.Errorf("%w: want %v", smoothl1.ErrDType, t))
		case b.n != o.pred.n:
			return i, refuse(fmt.Sprintf("%d elements", b.n), fmt.Errorf("%w: pred has %d", smoothl1.ErrLength, o.pred.n))
		}
		if err := b.share(); err != nil {
			return i, refuse("buffer", err)
		}
	}
	return maxOperands, o.checkOverlap(&all)
}

func (o *operands) unhold(held int) {
	for i, b := range o.all() {
		if b != nil && i < held {
			b.unshare()
		}
	}
}

// checkOverlap refuses outputs that share memory with another operand, except an output that is an input.
func (o *operands) checkOverlap(all *[maxOperands]*array) error {
	for i := firstOutput; i < maxOperands; i++ {
		for j := range i {
			a, b := all[i], all[j]
			if a == nil || b == nil || !a.overlaps(b) || j < firstOutput && a.at() == b.at() {
				continue
			}
			return smoothl1.NewArgError(o.op, operandNames[i], "in the memory of "+operandNames[j], smoothl1.ErrOverlap)
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
