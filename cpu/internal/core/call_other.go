//go:build !amd64 || purego

package core

// Call runs the kernel.
func Call[T Float](p *Params[T]) { generic(p) }
