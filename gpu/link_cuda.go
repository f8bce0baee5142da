//go:build cuda && linux && amd64 && cgo

package gpu

// The go command passes the packages' linker flags breadth first, in import order. In a program that imports this package and then
// gorgonia.org/cu, the flag must come from here to precede cu's -lcuda, or the program does not start on a machine without libcuda:
// see internal/cuda.

// #cgo LDFLAGS: -Wl,--as-needed
import "C"
