//go:build cuda && linux && amd64 && cgo

package gpu

// The linker takes the flags of packages breadth first, in the order of imports. A program that imports this package and then
// gorgonia.org/cu needs the flag here, before cu's -lcuda, to start on a machine without libcuda: see internal/cuda.

// #cgo LDFLAGS: -Wl,--as-needed
import "C"
