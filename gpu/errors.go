package gpu

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A DeviceError is an error that a device's driver returned for an operation. If the device was out of memory,
// errors.Is(err, smoothl1.ErrMemory) is true.
type DeviceError struct {
	Op     string // the operation, such as "launch" or "allocate"
	Kernel string // the kernel or PTX file; may be empty
	Size   int    // in elements for a launch, otherwise in bytes; 0 if not applicable
	Code   int    // the driver's CUresult
	Name   string // the name of Code, such as "CUDA_ERROR_LAUNCH_FAILED"
	err    error
}

// opError wraps err in a *DeviceError; it returns nil if err is nil.
func opError(op, kernel string, size int, err error) error {
	if err == nil {
		return nil
	}
	e := &DeviceError{Op: op, Kernel: kernel, Size: size, err: err}
	var d *driver.Error
	if errors.As(err, &d) {
		e.Code, e.Name = d.Code, d.Name
	}
	return e
}

// Error returns "gpu: launch smoothl1_forward_f32_mul (n=4096): CUDA_ERROR_… (…) from cuLaunchKernel".
func (e *DeviceError) Error() string {
	if e == nil {
		return "gpu: no error"
	}
	s := "gpu: " + cmp.Or(e.Op, "the device's driver failed")
	if e.Kernel != "" {
		s += " " + e.Kernel
	}
	switch {
	case e.Size != 0 && e.Op == "launch":
		s += fmt.Sprintf(" (n=%d)", e.Size)
	case e.Size != 0:
		s += fmt.Sprintf(" (%d bytes)", e.Size)
	}
	switch {
	case e.err != nil:
		s += ": " + e.err.Error()
	case e.Name != "" || e.Code != 0:
		s += fmt.Sprintf(": %s (%d)", e.Name, e.Code)
	}
	return s
}

// Unwrap returns the error of the driver.
func (e *DeviceError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.err
}

// Is reports whether target is smoothl1.ErrMemory and the device was out of memory, or target is smoothl1.ErrCapture and a capture
// forbids the operation or has become invalid.
func (e *DeviceError) Is(target error) bool {
	if e == nil {
		return false
	}
	return target == smoothl1.ErrMemory && e.Code == driver.CodeOutOfMemory ||
		target == smoothl1.ErrCapture && e.Code >= driver.CodeCaptureUnsupported && e.Code <= driver.CodeCaptureThread
}
