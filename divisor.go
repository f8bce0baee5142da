package smoothl1

import (
	"fmt"
	"math"
)

// A Divisor is the number that a mean reduction divides by, both the sum of the loss terms and the gradients. The zero value
// stands for the number of elements.
type Divisor struct {
	kind        divisorKind
	zeroIfEmpty bool
	x           float64
}

type divisorKind uint8

const (
	byElements divisorKind = iota
	byNumber
	byKept
	byWeights
)

// DivideBy returns the divisor x, such as the number of elements of all shards when an array is one of them. A mean with an x
// that is not positive and finite fails with ErrDivisor, and so does a gradient whose norm 1/x rounds to 0 or infinity in the
// computing type.
func DivideBy(x float64) Divisor { return Divisor{kind: byNumber, x: x} }

// DivideByKept returns the divisor that is the number of elements that the mask keeps: the mean over them. With a mask for each row,
// a row that is kept counts as all its elements; for the number of rows use DivideBy.
func DivideByKept() Divisor { return Divisor{kind: byKept} }

// DivideByWeights returns the divisor that is the canonical sum of the weights of the elements that the mask, if any, keeps: the
// weighted mean.
func DivideByWeights() Divisor { return Divisor{kind: byWeights} }

// ZeroIfEmpty returns the same divisor, but with it a mean whose divisor is 0 is 0 instead of NaN, and so are its gradients, unless a
// difference or factor is NaN or infinite.
func (d Divisor) ZeroIfEmpty() Divisor {
	d.zeroIfEmpty = true
	return d
}

// Kept reports whether d is the number of elements that the mask keeps.
func (d Divisor) Kept() bool { return d.kind == byKept }

// Weights reports whether d is the sum of the weights.
func (d Divisor) Weights() bool { return d.kind == byWeights }

// IsZeroIfEmpty reports whether d was returned by ZeroIfEmpty.
func (d Divisor) IsZeroIfEmpty() bool { return d.zeroIfEmpty }

// Number returns the number that DivideBy was given; ok is false for other divisors.
func (d Divisor) Number() (x float64, ok bool) { return d.x, d.kind == byNumber }

// Of returns the number that a mean over count elements divides by. It is NaN for a divisor that depends on the mask or the weights.
func (d Divisor) Of(count int) float64 {
	switch d.kind {
	case byElements:
		return float64(count)
	case byNumber:
		return d.x
	}
	return math.NaN()
}

// Validate returns an error if a loss with the reduction r cannot use the divisor: the zero value is valid for every reduction, others
// for Mean only. Its errors are *ArgError with the operation "Divisor", wrapping ErrReduction or ErrDivisor.
func (d Divisor) Validate(r Reduction) error {
	switch {
	case d.IsZero():
		return nil
	case r != Mean:
		return NewArgError("Divisor", "divisor", d, fmt.Errorf("%w: only a mean has a divisor, and the reduction is %v", ErrReduction, r))
	case d.kind == byNumber && (!(d.x > 0) || math.IsInf(d.x, 1)):
		return NewArgError("Divisor", "divisor", d, fmt.Errorf("%w: must be positive and finite", ErrDivisor))
	}
	return nil
}

// IsZero reports whether d is the zero value, which stands for the number of elements.
func (d Divisor) IsZero() bool { return d.kind == byElements && !d.zeroIfEmpty }

// String returns "elements", "kept", "weights" or the number, followed by ", 0 if empty" for a divisor that ZeroIfEmpty returned.
func (d Divisor) String() string {
	text := [...]string{byElements: "elements", byKept: "kept", byWeights: "weights"}[d.kind]
	if d.kind == byNumber {
		text = fmt.Sprint(d.x)
	}
	if d.zeroIfEmpty {
		text += ", 0 if empty"
	}
	return text
}
