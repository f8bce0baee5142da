// Package cuda is driver.Device on a real CUDA device, through gorgonia.org/cu. It is the only package that imports cu.
//
// It is built for linux/amd64 with -tags cuda and cgo. Everywhere else the same functions exist and say at run time why
// there is no CUDA, so that what imports this package builds anywhere. Even where it is built, the binary does not need the
// driver library to start: loader_cuda.c finds it at run time, and Available tells the outcome.
package cuda

import "errors"

// ErrUnavailable is what Available, Count, Describe, Inspect and Open wrap when this process cannot use CUDA at all: a build without it, no
// driver library, one that lacks a function that is called, or a driver that does not initialise (no device among the reasons).
// A caller that can do without CUDA falls back on it.
var ErrUnavailable = errors.New("CUDA is not available")

// Library is the driver library that this process has loaded.
type Library struct {
	Path    string // the file, as the dynamic loader names it
	Version int    // the newest CUDA version it supports, 12040 for 12.4; 0: it would not say
}

// unavailable is an ErrUnavailable with its reason. The reason alone is the text: "built without -tags cuda".
type unavailable struct {
	reason string
	cause  error // a *driver.Error where the driver gave the reason, or nil
}

func (u *unavailable) Error() string { return u.reason }

func (u *unavailable) Unwrap() []error {
	if u.cause == nil {
		return []error{ErrUnavailable}
	}
	return []error{ErrUnavailable, u.cause}
}
