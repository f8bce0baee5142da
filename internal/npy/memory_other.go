//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package npy

// memoryLimit returns 0: not known.
func memoryLimit() uint64 { return 0 }
