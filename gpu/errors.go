package gpu

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

// A DeviceError is what a device's driver answered to an operation. errors.Is finds smoothl1.ErrMemory in it where the
// device had no memory left.
type DeviceError struct {
	Op     string // what was done: "launch", "allocate"
	Kernel string // the kernel; may be empty
	Size   int    // elements of a launch, bytes of anything else; 0 where there is none
	Code   int    // CUresult of the driver
	Name   string // and its name, as "CUDA_ERROR_LAUNCH_FAILED"
	err    error
}

func opError(op, kernel string, size int, err error) error {
	e := &DeviceError{Op: op, Kernel: kernel, Size: size, err: err}
	var d *driver.Error
	if errors.As(err, &d) {
		e.Code, e.Name = d.Code, d.Name
	}
	return e
}

// Error returns "gpu: launch smoothl1_forward_f32_mul (n=4096): CUDA_ERROR_… (…) from cuLaunchKernel".
func (e *DeviceError) Error() string {
	s := "gpu: " + e.Op
	if e.Kernel != "" {
		s += " " + e.Kernel
	}
	switch {
	case e.Size != 0 && e.Op == "launch":
		s += fmt.Sprintf(" (n=%d)", e.Size)
	case e.Size != 0:
		s += fmt.Sprintf(" (%d bytes)", e.Size)
	}
	return s + ": " + e.err.Error()
}

// Unwrap returns the error of the driver.
func (e *DeviceError) Unwrap() error { return e.err }

// Is says that running out of device memory is smoothl1.ErrMemory.
func (e *DeviceError) Is(target error) bool {
	return target == smoothl1.ErrMemory && e.Code == driver.CodeOutOfMemory
}
