//go:build !linux

package memory

// UseHugePages does nothing: see pages_linux.go.
func UseHugePages[T any]([]T) {}
