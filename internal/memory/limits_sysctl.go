//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package memory

import (
	"encoding/binary"
	"runtime"
	"syscall"
)

// limits returns the machine's memory as total; how much of it is free is unknown.
func limits() (total, free uint64) {
	name, ok := map[string]string{"darwin": "hw.memsize", "netbsd": "hw.physmem64"}[runtime.GOOS]
	if !ok {
		name = "hw.physmem"
	}
	// Sysctl treats the value as a string and strips a trailing zero byte.
	text, err := syscall.Sysctl(name)
	var value [8]byte
	if n := copy(value[:], text); err != nil || n == 0 {
		return unknown, unknown
	}
	return binary.NativeEndian.Uint64(value[:]), unknown
}
