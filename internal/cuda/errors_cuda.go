//go:build cuda && linux && amd64 && cgo

package cuda

// cu turns codes into names of its own, and has none for those newer than itself; the driver knows its own.

// #include "loader_cuda.h"
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// names holds what drivers do not say, or not in a form that helps: 34 comes from a library that is no driver and answers
// nothing else, and a driver too old for some PTX (222) may be too old to know the code.
var names = map[int][2]string{
	driver.CodeStubLibrary:    {"CUDA_ERROR_STUB_LIBRARY", "the libcuda.so.1 that was loaded is the CUDA toolkit's stub for linking, not a driver"},
	driver.CodeUnsupportedPTX: {"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the PTX is newer than the driver: it takes a newer driver"},
}

// newError gives a CUresult its name and its meaning in words.
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

// failed makes what a call to cu returned an error of the interface: nil stays nil.
func failed(call string, err error) error {
	if err == nil {
		return nil
	}
	if code, ok := result(err, cu.Success); ok {
		return newError(call, code)
	}
	return &driver.Error{Call: call, Code: driver.CodeUnknown, Name: "CUDA_ERROR_UNKNOWN", Detail: err.Error()}
}

// result returns the code in an error of cu. The type that cu gives its codes has no exported name, so it is inferred from
// one of them.
func result[T interface {
	~int
	error
}](err error, _ T) (int, bool) {
	var code T
	ok := errors.As(err, &code)
	return int(code), ok
}

// refused is an error that this package finds before the driver is asked, in the form that the driver would give it: it
// answers a closed handle with whatever lies at its address, often a crash.
func refused(call string, code int, format string, args ...any) error {
	e := newError(call, code)
	e.Detail = fmt.Sprintf(format, args...)
	return e
}
