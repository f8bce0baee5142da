//go:build cuda && linux && amd64 && cgo

package cuda

// The include folders are those that cu looks in. --as-needed drops libcuda from the binary's needed libraries, for every
// -lcuda that follows it on the linker's command line. The linker gets the flags of packages breadth first, in the order of
// the imports, so it comes before cu's unless something nearer to main imports cu first: there it takes the flag, too.

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

// The code of the cuInit in cu's init, which was told that all went well. Package initialisers run after those of the
// packages they import, so from here on cuInit answers truly.
var initCode = int(C.smoothl1_cuda_settle())

// Available returns nil where CUDA can be used: the driver library is loaded, has every function that this package calls, and has initialised. Otherwise it returns the
// reason as an error that wraps ErrUnavailable, and the *driver.Error of cuInit where it was that. It never changes during
// the life of a process.
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
	// The usual reason for a machine that has devices to report none.
	if set, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok && initCode == driver.CodeNoDevice {
		reason += "; CUDA_VISIBLE_DEVICES is '" + set + "'"
	}
	return &unavailable{reason: reason, cause: e}
})

// Describe returns the driver library in use. It does so where the library is loaded and finds no device, too; the error is
// that of Available where there is none.
func Describe() (Library, error) {
	path := C.GoString(C.smoothl1_cuda_path())
	if path == "" {
		return Library{}, Available()
	}
	return Library{Path: path, Version: max(cu.Version(), 0)}, nil
}
