package stage

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Sum returns the chunk sum of at most a chunk of terms.
func Sum[T core.Float](x []T) float64 {
	var lanes [op.Lanes]float64
	done := 0
	if rows := len(x) / op.Lanes; rows > 0 {
		done = op.Lanes * addRowsVectors[T](pointer(x), unsafe.Pointer(&lanes), rows)
	}
	return rest(&lanes, x, done)
}

// SumWeighed multiplies x by w and returns the chunk sum of the products.
func SumWeighed[T core.Float](dst, x, w []T) float64 {
	var lanes [op.Lanes]float64
	done := 0
	if rows := len(dst) / op.Lanes; rows > 0 {
		done = op.Lanes * addWeighedRowsVectors[T](pointer(dst), pointer(x), pointer(w), unsafe.Pointer(&lanes), rows)
	}
	Mul(dst[done:], x[done:], w[done:])
	return rest(&lanes, dst, done)
}

// SumChosen sets what the mask leaves out to +0 and returns the chunk sum.
func SumChosen[T core.Float](dst, x []T, mask []uint8) float64 {
	var lanes [op.Lanes]float64
	done := 0
	if rows := len(dst) / op.Lanes; rows > 0 {
		done = op.Lanes * addChosenRowsVectors[T](pointer(dst), pointer(x), pointer(mask), unsafe.Pointer(&lanes), rows)
	}
	Choose(dst[done:], x[done:], mask[done:], false)
	return rest(&lanes, dst, done)
}

// SumWeighedChosen multiplies x by w, sets what the mask leaves out to +0 and returns the chunk sum.
func SumWeighedChosen[T core.Float](dst, x, w []T, mask []uint8) float64 {
	var lanes [op.Lanes]float64
	done := 0
	if rows := len(dst) / op.Lanes; rows > 0 {
		done = op.Lanes * addWeighedChosenRowsVectors[T](pointer(dst), pointer(x), pointer(w), pointer(mask), unsafe.Pointer(&lanes), rows)
	}
	Mul(dst[done:], x[done:], w[done:])
	Choose(dst[done:], dst[done:], mask[done:], false)
	return rest(&lanes, dst, done)
}

// rest adds the terms after the first done, a multiple of a row, to the lanes, and folds them.
func rest[T core.Float](lanes *[op.Lanes]float64, x []T, done int) float64 {
	for start := done; start < len(x); start += op.Lanes {
		row := x[start:min(start+op.Lanes, len(x))]
		into := lanes[:len(row)]
		for j, y := range row {
			into[j] += float64(y)
		}
	}
	if len(x) > op.Lanes/2 {
		if sum, ok := foldVectors(unsafe.Pointer(lanes)); ok {
			return sum
		}
	}
	return core.Fold(lanes, len(x))
}

// Kept returns the number of bytes of a mask that are not 0.
func Kept(mask []uint8) int {
	kept, done := countVectors(pointer(mask), len(mask))
	for _, m := range mask[done:] {
		if m != 0 {
			kept++
		}
	}
	return kept
}
