package npy

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/memory"
)

// bigEndianHost says that this machine's byte order isn't the one that files are written in.
var bigEndianHost = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// bytesOf views elements as the bytes they are made of.
func bytesOf[T any](values []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
}

// elementsOf views bytes, which begin where a T may, as elements.
func elementsOf[T any](b []byte) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// alignedBytes returns n bytes of Go memory that any element may begin at; n is small.
func alignedBytes(n int) []byte { return bytesOf(make([]uint64, n/8+1))[:n] } // never empty, so that the address is a real one

// makeBytes is alignedBytes for as many as a file has, and an error where there is not so much memory.
func makeBytes(n int) ([]byte, error) {
	words, err := memory.Make[uint64](n/8 + 1)
	return bytesOf(words)[:min(n, 8*len(words))], err
}

// swapBytes turns every element of size bytes round, in place. b begins where such an element may.
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
