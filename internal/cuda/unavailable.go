//go:build !(cuda && linux && amd64 && cgo)

package cuda

import "github.com/smoothl1/smoothl1/internal/driver"

// Available returns nil if CUDA can be used, and otherwise an error that says why not, as always in this build.
func Available() error { return &unavailable{reason: reason} }

// Describe returns the driver library in use.
func Describe() (Library, error) { return Library{}, Available() }

// Count returns the number of CUDA devices.
func Count() (int, error) { return 0, Available() }

// Open returns the CUDA device with the given ordinal, counted from 0.
func Open(ordinal int) (driver.Device, error) { return nil, Available() }

// Inspect describes a CUDA device without opening it.
func Inspect(ordinal int) (driver.Info, error) { return driver.Info{}, Available() }
