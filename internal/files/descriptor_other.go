//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package files

import (
	"errors"
	"os"
)

// descriptor returns one of the three standard streams; other descriptors are not supported on this system.
func descriptor(n int) (*os.File, func() error, error) {
	if n > 2 {
		return nil, nil, errors.New("this system has no descriptors but 0, 1 and 2")
	}
	return []*os.File{os.Stdin, os.Stdout, os.Stderr}[n], func() error { return nil }, nil
}
