//go:build !amd64 || purego

package cpu

import "github.com/smoothl1/smoothl1"

// call makes the pass.
func call[T smoothl1.Float](p *pass[T]) { generic(p) }
