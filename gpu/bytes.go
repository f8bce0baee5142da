package gpu

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// Devices are little-endian; bigEndian reports whether the host differs.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// rawBytes returns the memory of x as bytes.
func rawBytes[T smoothl1.Element](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*smoothl1.DTypeOf[T]().Size())
}

// deviceBytes returns the bytes of x in the device's byte order.
func deviceBytes[T smoothl1.Element](x []T) []byte {
	if !bigEndian {
		return rawBytes(x)
	}
	swapped := slices.Clone(x)
	swap(swapped)
	return rawBytes(swapped)
}

// swap reverses the bytes of each element, to convert between big- and little-endian.
func swap[T smoothl1.Element](x []T) {
	size := smoothl1.DTypeOf[T]().Size()
	for raw := rawBytes(x); len(raw) > 0; raw = raw[size:] {
		slices.Reverse(raw[:size])
	}
}
