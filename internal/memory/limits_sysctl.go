//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package memory

import (
	"encoding/binary"
	"runtime"
	"syscall"
)

// limits knows what the machine has, not what is free of it.
func limits() (total, free uint64) {
	name, ok := map[string]string{"darwin": "hw.memsize", "netbsd": "hw.physmem64"}[runtime.GOOS]
	if !ok {
		name = "hw.physmem"
	}
	// Sysctl takes the value for a string and strips a zero at its end.
	text, err := syscall.Sysctl(name)
	var value [8]byte
	if n := copy(value[:], text); err != nil || n == 0 {
		return unknown, unknown
	}
	return binary.NativeEndian.Uint64(value[:]), unknown
}
