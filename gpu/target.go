package gpu

import (
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// Target returns the architecture for which the driver was given the kernels, such as "sm_75", or "" for the CPU. It is the newest of
// kernels.Targets that the device can run and its driver takes.
func (d *Device) Target() string {
	if !d.made() || d.drv == nil {
		return ""
	}
	return d.modules.target.String()
}

// refusesText reports whether an error of Load means that the driver or the device has no use for this text, so that another may do.
func refusesText(err error) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case driver.CodeNoBinaryForGPU, driver.CodeInvalidPTX, driver.CodeNoJITCompiler, driver.CodeUnsupportedPTX, driver.CodeJITDisabled:
		return true
	}
	return false
}

// A refusal is the error of a driver that does not take the kernels for a target.
type refusal struct {
	target kernels.Target
	err    error
}

// textsError is the error of a driver that takes the kernels for no target.
type textsError struct {
	driver   int // CUDA version of the driver; 0: unknown
	refusals []refusal
}

func (e *textsError) Error() string {
	s := "the driver takes none of the kernels' PTX texts: "
	for _, r := range e.refusals {
		s += fmt.Sprintf("for %v: %v; ", r.target, r.err)
	}
	s += fmt.Sprintf("they are of PTX ISA %s, which needs a driver for CUDA %s (%s) or newer", kernels.ISA, cudaVersion(kernels.MinDriver),
		kernels.MinDriverBranch)
	if e.driver != 0 {
		s += ", and this one is for CUDA " + cudaVersion(e.driver)
	}
	return s
}

// Unwrap returns the errors of the driver, that for the oldest target first.
func (e *textsError) Unwrap() (errs []error) {
	for i := len(e.refusals) - 1; i >= 0; i-- {
		errs = append(errs, e.refusals[i].err)
	}
	return errs
}

// cudaVersion writes 12040 as "12.4".
func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }
