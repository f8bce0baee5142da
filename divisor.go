package smoothl1

import (
	"fmt"
	"math"
)

// A Divisor is the number that a mean reduction divides by, both the sum of the loss terms and the gradients. The zero value
// stands for the number of elements.
type Divisor struct {
	given bool
	x     float64
}

// DivideBy returns the divisor x, such as the number of elements of all shards when an array is one of them. A mean with an x
// that is not positive and finite fails with ErrDivisor, and so does a gradient whose norm 1/x rounds to 0 or infinity in the
// computing type.
func DivideBy(x float64) Divisor { return Divisor{given: true, x: x} }

// Of returns the number that a mean over count elements divides by.
func (d Divisor) Of(count int) float64 {
	if d.given {
		return d.x
	}
	return float64(count)
}

// Validate returns an error if a loss with the reduction r cannot use the divisor: the zero value is valid for every reduction, a
// number for Mean only. Its errors are *ArgError with the operation "Divisor", wrapping ErrReduction or ErrDivisor.
func (d Divisor) Validate(r Reduction) error {
	switch {
	case !d.given:
		return nil
	case r != Mean:
		return NewArgError("Divisor", "divisor", d, fmt.Errorf("%w: only a mean has a divisor, and the reduction is %v", ErrReduction, r))
	case !(d.x > 0) || math.IsInf(d.x, 1):
		return NewArgError("Divisor", "divisor", d, fmt.Errorf("%w: must be positive and finite", ErrDivisor))
	}
	return nil
}

// IsZero reports whether d is the zero value, which stands for the number of elements.
func (d Divisor) IsZero() bool { return !d.given }

// String returns "elements" for the zero value, otherwise the number.
func (d Divisor) String() string {
	if !d.given {
		return "elements"
	}
	return fmt.Sprint(d.x)
}
