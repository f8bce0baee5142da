package npy

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

const openNonblock = 0

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	virtualAlloc = kernel32.NewProc("VirtualAlloc")
	virtualFree  = kernel32.NewProc("VirtualFree")
)

// mapFile maps the first size bytes of a file for reading.
func mapFile(f *os.File, size int) ([]byte, func() error, error) {
	mapping, err := syscall.CreateFileMapping(syscall.Handle(f.Fd()), nil, syscall.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	defer syscall.CloseHandle(mapping) // the view keeps it
	address, err := syscall.MapViewOfFile(mapping, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	return bytesAt(address, size), func() error { return syscall.UnmapViewOfFile(address) }, nil
}

// allocate returns n bytes of memory that any element may begin at. Go ends a process that it can't find memory for; so much
// memory is asked of the system instead, which says no.
func allocate(n int) ([]byte, func() error, error) {
	const heap = 1 << 20
	if n <= heap {
		return alignedBytes(n), func() error { return nil }, nil
	}
	const commitAndReserve, release, readWrite = 0x3000, 0x8000, 0x04
	address, _, err := virtualAlloc.Call(0, uintptr(n), commitAndReserve, readWrite)
	if address == 0 {
		return nil, nil, fmt.Errorf("it needs %d bytes of memory: %w", n, err)
	}
	return bytesAt(address, n), func() error {
		if ok, _, err := virtualFree.Call(address, 0, release); ok == 0 {
			return err
		}
		return nil
	}, nil
}

// bytesAt views memory that isn't Go's and doesn't move.
func bytesAt(address uintptr, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), n)
}
