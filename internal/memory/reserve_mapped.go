//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package memory

import (
	"math"
	"syscall"
)

// reserve maps memory as Go does, and unmaps it.
func reserve(n uint64) error {
	if n > math.MaxInt {
		return syscall.ENOMEM
	}
	b, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	return syscall.Munmap(b)
}
