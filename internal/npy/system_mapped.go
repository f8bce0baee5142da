//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package npy

import (
	"fmt"
	"os"
	"syscall"
)

// openNonblock keeps open from blocking until a pipe has another end.
const openNonblock = syscall.O_NONBLOCK

// mapFile maps the first size bytes of a file for reading.
func mapFile(f *os.File, size int) ([]byte, func() error, error) {
	b, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error { return syscall.Munmap(b) }, nil
}

// allocate returns n bytes of memory aligned for any element. Large amounts come directly from the system, which returns an error
// if there is not enough memory, whereas Go would exit.
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
