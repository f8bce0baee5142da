package smoothl1

import (
	"fmt"
	"math"
)

// A Divisor is what a mean divides the sum of the loss terms by, and the gradients with it. The zero value is the number of
// elements.
type Divisor struct {
	given bool
	x     float64
}

// DivideBy returns the divisor x, positive and finite: the number of elements of all shards, where an array is one of them, or
// any other number. A call that is given another one is refused.
func DivideBy(x float64) Divisor { return Divisor{given: true, x: x} }

// Of returns the divisor of a mean over count elements.
func (d Divisor) Of(count int) float64 {
	if d.given {
		return d.x
	}
	return float64(count)
}

// Validate says whether a loss with the reduction r can have the divisor: the zero value goes with every reduction, a number with
// Mean alone. Its errors are *ArgError with the operation "Divisor", wrapping ErrReduction or ErrDivisor.
func (d Divisor) Validate(r Reduction) error {
	switch {
	case !d.given:
		return nil
	case r != Mean:
		return NewArgError("Divisor", "divisor", d, fmt.Errorf("%w: only a mean divides, this is %v", ErrReduction, r))
	case !(d.x > 0) || math.IsInf(d.x, 1):
		return NewArgError("Divisor", "divisor", d, ErrDivisor)
	}
	return nil
}

// IsZero says whether it is the number of elements.
func (d Divisor) IsZero() bool { return !d.given }

// String returns "elements", or the number.
func (d Divisor) String() string {
	if !d.given {
		return "elements"
	}
	return fmt.Sprint(d.x)
}
