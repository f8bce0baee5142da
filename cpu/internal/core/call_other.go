//go:build (!amd64 && !arm64) || purego

package core

// HasKernels reports whether there are kernels for 16-bit storage, and with weights and a mask.
func HasKernels() bool { return false }

// Fence does nothing: there are no streaming stores.
func Fence() {}

// Call runs the kernel.
func Call[T Float](p *Params[T]) { generic(p) }
