// Package cuda implements driver.Device for real CUDA devices, through gorgonia.org/cu. No other package imports cu.
//
// It is built for linux/amd64 with -tags cuda and cgo. In other builds the same functions exist, and return an error that says why
// CUDA is not available, so that importers build anywhere. A binary built with CUDA starts without the driver library too:
// loader_cuda.c loads it at run time, and Available reports the outcome.
package cuda

import "errors"

// ErrUnavailable is wrapped by the errors of Available, Count, Describe, Inspect and Open if this process cannot use CUDA at all: in a
// build without it, without a driver library, with one that lacks a required function, or if the driver does not initialise, for
// example because there is no device. A caller that does not require CUDA can then fall back to the CPU.
var ErrUnavailable = errors.New("CUDA is not available")

// Library describes the driver library that this process has loaded.
type Library struct {
	Path    string // the file, as named by the dynamic loader
	Version int    // the newest CUDA version it supports, 12040 for 12.4; 0: unknown
}

// unavailable wraps ErrUnavailable. Its text is only the reason, such as "built without -tags cuda".
type unavailable struct {
	reason string
	cause  error // the *driver.Error that is the reason, or nil
}

func (u *unavailable) Error() string { return u.reason }

func (u *unavailable) Unwrap() []error {
	if u.cause == nil {
		return []error{ErrUnavailable}
	}
	return []error{ErrUnavailable, u.cause}
}
