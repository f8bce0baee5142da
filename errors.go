package smoothl1

import (
	"errors"
	"fmt"
)

// Reasons for refusing an operation, to be tested with errors.Is.
var (
	ErrKind        = errors.New("unknown kind of loss")
	ErrReduction   = errors.New("not a valid reduction here")
	ErrDType       = errors.New("not a valid element type here")
	ErrBeta        = errors.New("beta out of range")
	ErrLength      = errors.New("length does not fit")
	ErrNil         = errors.New("must not be nil")
	ErrZero        = errors.New("is a zero value, not created by its package")
	ErrOverlap     = errors.New("overlapping memory would corrupt the result")
	ErrCount       = errors.New("count out of range")
	ErrDivisor     = errors.New("divisor out of range")
	ErrView        = errors.New("view does not fit")
	ErrRepeat      = errors.New("repeats elements")
	ErrIndex       = errors.New("index out of range")
	ErrUnused      = errors.New("is not used by this operation")
	ErrOption      = errors.New("not a valid option here")
	ErrTooLarge    = errors.New("too large")
	ErrClosed      = errors.New("is closed")
	ErrDevice      = errors.New("belongs to another device")
	ErrOrdinal     = errors.New("not the ordinal of a device")
	ErrHandle      = errors.New("not a valid handle or address")
	ErrBusy        = errors.New("is in use by another call")
	ErrCapture     = errors.New("not possible while a stream is being captured")
	ErrGraph       = errors.New("is used by a graph, which has to be closed first")
	ErrNotRecorded = errors.New("has not been recorded")
	ErrNoValue     = errors.New("no loss has been computed")
	ErrMemory      = errors.New("out of memory")
	ErrNoCUDA      = errors.New("CUDA is not available")
)

// ArgError reports an operation that was refused because of an argument. Nothing was computed or written.
type ArgError struct {
	Op    string // the operation: "ForwardBackward"
	Arg   string // the argument: "target"
	Value any    // its value, or the offending property, such as its length
	Err   error  // the reason; wraps one of the error values of this package
}

// NewArgError returns an *ArgError.
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
