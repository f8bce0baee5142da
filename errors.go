package smoothl1

import (
	"errors"
	"fmt"
)

// The reasons for which an operation is refused, to be tested with errors.Is.
var (
	ErrKind      = errors.New("no such kind of loss")
	ErrReduction = errors.New("no such reduction, or not one for this operation")
	ErrDType     = errors.New("no such element type, or not that of the operation")
	ErrBeta      = errors.New("beta out of range")
	ErrLength    = errors.New("length does not fit")
	ErrNil       = errors.New("must not be nil")
	ErrZero      = errors.New("is a zero value, which no function of its package made")
	ErrOverlap   = errors.New("overlaps in a way that would give a wrong result")
	ErrCount     = errors.New("count out of range")
	ErrDivisor   = errors.New("divisor must be positive and finite")
	ErrUnused    = errors.New("is not used by this operation")
	ErrCombine   = errors.New("no kernel computes these together")
	ErrTooLarge  = errors.New("too large")
	ErrClosed    = errors.New("is closed")
	ErrDevice    = errors.New("belongs to another device")
	ErrBusy      = errors.New("is in use by another call")
	ErrNoValue   = errors.New("no loss has been computed")
	ErrMemory    = errors.New("out of memory")
	ErrNoCUDA    = errors.New("CUDA is not available")
)

// ArgError is the error of an operation that was refused because of an argument. Nothing was computed or written.
type ArgError struct {
	Op    string // the operation: "ForwardBackward"
	Arg   string // the argument: "target"
	Value any    // its value, or the property of it that is wrong, such as its length
	Err   error  // the reason; wraps one of the error values of this package
}

// NewArgError returns the *ArgError of these parts.
func NewArgError(op, arg string, value any, reason error) error {
	return &ArgError{Op: op, Arg: arg, Value: value, Err: reason}
}

// Error returns "smoothl1: OP: ARG = VALUE: REASON".
func (e *ArgError) Error() string {
	if e == nil {
		return "smoothl1: no error"
	}
	return fmt.Sprintf("smoothl1: %s: %s = %v: %v", e.Op, e.Arg, e.Value, e.Err)
}

// Unwrap returns the reason.
func (e *ArgError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}
