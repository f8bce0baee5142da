package difftest

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
)

// SameBits reports whether two numbers have the same bits or are both NaN. Thus −0 and +0 differ.
func SameBits[T smoothl1.Float](got, want T) bool {
	g, w := widen(got), widen(want)
	return math.Float64bits(g) == math.Float64bits(w) || g != g && w != w
}

// widen returns x, exactly, with its sign also if it is zero.
func widen[T smoothl1.Float](x T) float64 {
	switch x := any(x).(type) {
	case float32:
		return float64(x)
	case float64:
		return x
	case smoothl1.F16:
		return float64(x.Float32())
	case smoothl1.BF16:
		return float64(x.Float32())
	}
	panic(fmt.Sprintf("difftest: no number in %T", x))
}

func isNaN[T smoothl1.Float](x T) bool { return math.IsNaN(widen(x)) }

// ULPs returns the distance of two numbers in units in the last place, with −0 and +0 as one number. It is 0 for two NaNs, and the
// largest uint64 for a NaN and a number.
func ULPs[T smoothl1.Float](a, b T) uint64 {
	switch {
	case isNaN(a) && isNaN(b):
		return 0
	case isNaN(a) || isNaN(b):
		return math.MaxUint64
	}
	x, y := ordinal(a), ordinal(b)
	if x < y {
		x, y = y, x
	}
	return uint64(x) - uint64(y)
}

// ordinal numbers the representable numbers from −Inf to +Inf.
func ordinal[T smoothl1.Float](x T) int64 {
	bits, sign := bitsOf(x), uint64(1)<<(8*smoothl1.DTypeOf[T]().Size()-1)
	if magnitude := int64(bits &^ sign); bits&sign == 0 {
		return magnitude
	} else {
		return -magnitude
	}
}

func compareArray[T smoothl1.Float](name string, got, want []T) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: got %d elements, want %d", name, len(got), len(want))
	}
	if bytes.Equal(bytesOf(got), bytesOf(want)) {
		return nil
	}
	different, first := 0, -1
	for i := range got {
		if !SameBits(got[i], want[i]) {
			different++
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return nil
	}
	g, w := got[first], want[first]
	return fmt.Errorf("%s[%d]: got %v (%x), want %v (%x), %d ULP apart; %d of %d elements differ",
		name, first, g, bitsOf(g), w, bitsOf(w), ULPs(g, w), different, len(got))
}

// bytesOf returns the memory of an array.
func bytesOf[T smoothl1.Float](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*smoothl1.DTypeOf[T]().Size())
}
