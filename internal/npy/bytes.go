package npy

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/memory"
)

// bigEndianHost reports whether this machine is big-endian. Files are written little-endian.
var bigEndianHost = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// bytesOf returns the bytes of elements, without copying.
func bytesOf[T any](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

// elementsOf returns bytes, which must be aligned for T, as elements, without copying.
func elementsOf[T any](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// alignedBytes returns n bytes of Go memory that are aligned for any element; n is small.
func alignedBytes(n int) []byte { return bytesOf(make([]uint64, n/8+1))[:n] } // the slice made is never empty, so its address is valid

// makeBytes is alignedBytes for any n. It returns an error if there is not enough memory.
func makeBytes(n int) ([]byte, error) {
	words, err := memory.Make[uint64](n/8 + 1)
	return bytesOf(words)[:min(n, 8*len(words))], err
}

// swapBytes reverses, in place, the bytes of every element of the given size. b must be aligned for such elements.
func swapBytes(b []byte, size int) {
	switch size {
	case 2:
		s := elementsOf[uint16](b)
		for i, v := range s {
			s[i] = bits.ReverseBytes16(v)
		}
	case 4:
		s := elementsOf[uint32](b)
		for i, v := range s {
			s[i] = bits.ReverseBytes32(v)
		}
	case 8:
		s := elementsOf[uint64](b)
		for i, v := range s {
			s[i] = bits.ReverseBytes64(v)
		}
	}
}
