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
	defer syscall.CloseHandle(mapping) // the view keeps the mapping alive
	address, err := syscall.MapViewOfFile(mapping, syscall.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	return bytesAt(address, size), func() error { return syscall.UnmapViewOfFile(address) }, nil
}

// allocate returns n bytes of memory aligned for any element. Large amounts come directly from the system, which returns an error
// if there is not enough memory, whereas Go would exit.
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

// bytesAt returns n bytes of memory outside Go's heap as a slice.
func bytesAt(address uintptr, n int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), n)
}
