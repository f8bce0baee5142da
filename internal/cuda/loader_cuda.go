//go:build cuda && linux && amd64 && cgo

package cuda

// The include directories are those of cu. --as-needed keeps libcuda out of the binary's needed libraries, for every -lcuda that
// follows it on the linker's command line. The go command passes the packages' flags breadth first, in import order, so that it
// precedes cu's unless a package nearer to main imports cu first: such a package needs the flag too.

// #cgo CFLAGS: -I/usr/local/cuda/include -I/opt/cuda/include -I/usr/include
// #cgo LDFLAGS: -Wl,--as-needed -ldl
// #include "loader_cuda.h"
import "C"

import (
	"os"
	"sync"

	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// initCode is the result of the cuInit in cu's init function, which the loader reported as success. Package initialisation follows
// that of imported packages, so from here on cuInit returns the real result.
var initCode = int(C.smoothl1_cuda_settle())

// Available returns nil if CUDA can be used: if the driver library is loaded, has every function that this package calls, and has
// initialised. Otherwise the error says why not and wraps ErrUnavailable, and the *driver.Error of cuInit if that failed. The result
// does not change during the life of a process.
func Available() error { return available() }

var available = sync.OnceValue(func() error {
	if why := C.GoString(C.smoothl1_cuda_why()); why != "" {
		return &unavailable{reason: "cannot load the CUDA driver: " + why}
	}
	if initCode == 0 {
		return nil
	}
	e := newError("cuInit", initCode)
	reason := e.Error() + "; the driver library is " + C.GoString(C.smoothl1_cuda_path())
	// The usual reason if the machine has devices.
	if set, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok && initCode == driver.CodeNoDevice {
		reason += "; CUDA_VISIBLE_DEVICES is '" + set + "'"
	}
	return &unavailable{reason: reason, cause: e}
})

// Describe returns the driver library that is loaded, even if it finds no device. If none is loaded, the error is that of Available.
func Describe() (Library, error) {
	path := C.GoString(C.smoothl1_cuda_path())
	if path == "" {
		return Library{}, Available()
	}
	return Library{Path: path, Version: max(cu.Version(), 0)}, nil
}
