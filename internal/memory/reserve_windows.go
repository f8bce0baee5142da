package memory

import (
	"math"
	"syscall"
)

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	virtualAlloc = kernel32.NewProc("VirtualAlloc")
	virtualFree  = kernel32.NewProc("VirtualFree")
)

// reserve commits memory as Go does, and releases it.
func reserve(n uint64) error {
	if n > math.MaxInt {
		return syscall.ENOMEM
	}
	const commitAndReserve, release, readWrite = 0x3000, 0x8000, 0x04
	address, _, err := virtualAlloc.Call(0, uintptr(n), commitAndReserve, readWrite)
	if address == 0 {
		return err
	}
	virtualFree.Call(address, 0, release)
	return nil
}
