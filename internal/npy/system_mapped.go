//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package npy

import (
	"fmt"
	"os"
	"syscall"
)

// openNonblock keeps open from waiting for the other end of a pipe.
const openNonblock = syscall.O_NONBLOCK

// mapFile maps the first size bytes of a file for reading.
func mapFile(f *os.File, size int) ([]byte, func() error, error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error { return syscall.Munmap(b) }, nil
}

// allocate returns n bytes of memory that any element may begin at. Go ends a process that it can't find memory for; so much
// memory is asked of the system instead, which says no.
func allocate(n int) ([]byte, func() error, error) {
	const heap = 1 << 20
	if n <= heap {
		return alignedBytes(n), func() error { return nil }, nil
	}
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("it needs %d bytes of memory: %w", n, err)
	}
	return b, func() error { return syscall.Munmap(b) }, nil
}
