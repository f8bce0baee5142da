//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package files

import (
	"os"
	"strconv"
	"syscall"
)

// descriptor returns a file that duplicates a descriptor inherited by the process, and a function that closes it. The file
// shares the descriptor's position and append mode.
func descriptor(n int) (*os.File, func() error, error) {
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(n), syscall.F_GETFD, 0)
	switch {
	case errno != 0:
		return nil, nil, errno
	case flags&syscall.FD_CLOEXEC != 0: // opened by this process itself, not inherited
		return nil, nil, syscall.EBADF
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	own, err := syscall.Dup(n)
	if err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(own)
	f := os.NewFile(uintptr(own), "/dev/fd/"+strconv.Itoa(n))
	return f, f.Close, nil
}
