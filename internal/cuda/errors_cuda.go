//go:build cuda && linux && amd64 && cgo

package cuda

// The names of codes come from the driver: cu has its own, and none for codes newer than itself.

// #include "loader_cuda.h"
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// names has the names and texts of codes that drivers do not explain: 34 comes from a stub library, which implements no function, and a
// driver too old for some PTX (222) may be too old to know the code.
var names = map[int][2]string{
	driver.CodeStubLibrary:    {"CUDA_ERROR_STUB_LIBRARY", "the libcuda.so.1 that was loaded is the CUDA toolkit's stub for linking, not a driver"},
	driver.CodeUnsupportedPTX: {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the PTX requires a newer driver"},
	driver.CodeNotSupported:   {"CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
}

// newError returns the error of a call that failed with code, with the code's name and description.
func newError(call string, code int) *driver.Error {
	e := &driver.Error{Call: call, Code: code}
	var text *C.char
	if C.cuGetErrorName(C.CUresult(code), &text) == C.CUDA_SUCCESS && text != nil {
		e.Name = C.GoString(text)
	}
	if C.cuGetErrorString(C.CUresult(code), &text) == C.CUDA_SUCCESS && text != nil {
		e.Detail = C.GoString(text)
	}
	if ours, ok := names[code]; ok {
		e.Name, e.Detail = ours[0], ours[1]
	}
	return e
}

// failed converts an error of cu to a *driver.Error. It returns nil if err is nil.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	if code, ok := result(err, cu.Success); ok {
		return newError(call, code)
	}
	return &driver.Error{Call: call, Code: driver.CodeUnknown, Name: "CUDA_ERROR_UNKNOWN", Detail: err.Error()}
}

// result returns the code in an error of cu. The type of cu's codes is not exported, so it is inferred from a value of that type.
func result[T interface {
	~int
	error
}](err error, _ T) (int, bool) {
	var code T
	ok := errors.As(err, &code)
	return int(code), ok
}

// refused returns an error found by this package before it calls the driver, in the form of a driver's error. The driver itself does
// not check handles: one that is closed often crashes it.
func refused(call string, code int, format string, args ...any) error {
	e := newError(call, code)
	e.Detail = fmt.Sprintf(format, args...)
	return e
}
