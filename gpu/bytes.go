package gpu

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// Devices are little-endian, whatever this machine is.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// rawBytes returns the memory of x as bytes.
func rawBytes[T smoothl1.Float](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*smoothl1.DTypeOf[T]().Size())
}

// deviceBytes returns the bytes of x as a device has them.
func deviceBytes[T smoothl1.Float](x []T) []byte {
	if !bigEndian {
		return rawBytes(x)
	}
	swapped := slices.Clone(x)
	swap(swapped)
	return rawBytes(swapped)
}

// swap reverses the bytes of each element: between the machine's order and a device's, on a big-endian machine.
func swap[T smoothl1.Float](x []T) {
	size := smoothl1.DTypeOf[T]().Size()
	for raw := rawBytes(x); len(raw) > 0; raw = raw[size:] {
		slices.Reverse(raw[:size])
	}
}
