// Package stage has the stages of which package cpu makes the passes that no core kernel makes alone: small loops over a piece of at
// most 2048 elements, which stays in the first-level cache from one stage to the next. A stage is a plain Go loop, which defines it,
// and assembly for whole vectors where that is worth it. Both produce the same bits.
//
// The destinations are at least as long as the first source, and may be one of the sources. The other arrays have the length of the destination.
// A stage with a flag streaming can bypass the caches; the destination must then begin at a multiple of core.Line bytes, and the caller call
// core.Fence when all is written.
package stage

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
)

func pointer[E any](x []E) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }

// Copy copies x.
func Copy[T core.Float](dst, x []T, streaming bool) {
	i := 0
	if streaming {
		i = copyVectors[T](pointer(dst), pointer(x), len(dst), true)
	}
	copy(dst[i:], x[i:])
}

// Mul multiplies x by y.
func Mul[T core.Float](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := mulVectors[T](pointer(dst), pointer(x), pointer(y), len(dst)); i < len(dst); i++ {
		dst[i] = x[i] * y[i]
	}
}

// Add adds x and y.
func Add[T core.Float](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := addVectors[T](pointer(dst), pointer(x), pointer(y), len(dst)); i < len(dst); i++ {
		dst[i] = x[i] + y[i]
	}
}

// Scale multiplies x by a number.
func Scale[T core.Float](dst, x []T, by T) {
	x = x[:len(dst)]
	for i := scaleVectors[T](pointer(dst), pointer(x), unsafe.Pointer(&by), len(dst)); i < len(dst); i++ {
		dst[i] = by * x[i]
	}
}

// Negate changes the signs of x.
func Negate[T core.Float](dst, x []T) {
	x = x[:len(dst)]
	for i := negateVectors[T](pointer(dst), pointer(x), len(dst)); i < len(dst); i++ {
		dst[i] = -x[i]
	}
}

// Distance computes |x − y|.
func Distance[T core.Float](dst, x, y []T) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := distanceVectors[T](pointer(dst), pointer(x), pointer(y), len(dst)); i < len(dst); i++ {
		dst[i] = T(math.Abs(float64(x[i] - y[i])))
	}
}

// Choose copies x where the mask is not 0, and sets the rest to +0, whatever x holds there.
func Choose[T core.Float](dst, x []T, mask []uint8, streaming bool) {
	x, mask = x[:len(dst)], mask[:len(dst)]
	for i := chooseVectors[T](pointer(dst), pointer(x), pointer(mask), len(dst), streaming); i < len(dst); i++ {
		dst[i] = chosen(x[i], mask[i])
	}
}

// ChooseBoth does the same for x, and with neg as the destination for −x.
func ChooseBoth[T core.Float](dst, neg, x []T, mask []uint8, streaming bool) {
	x, mask, neg = x[:len(dst)], mask[:len(dst)], neg[:len(dst)]
	for i := chooseBothVectors[T](pointer(dst), pointer(neg), pointer(x), pointer(mask), len(dst), streaming); i < len(dst); i++ {
		y := x[i]
		dst[i], neg[i] = chosen(y, mask[i]), chosen(-y, mask[i])
	}
}

func chosen[T core.Float](x T, m uint8) T {
	if m == 0 {
		return 0
	}
	return x
}

// Second computes the second derivative times the direction dir, with the upstream gradient up, for a difference d = pred − target:
// ((norm·dir)·up)/divisor where |d| < threshold, d where that is NaN, else +0.
func Second[T core.Float](dst, pred, target, dir, up []T, norm, threshold, divisor T) {
	pred, target, dir, up = pred[:len(dst)], target[:len(dst)], dir[:len(dst)], up[:len(dst)]
	i := secondVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(dir), pointer(up), unsafe.Pointer(&norm),
		unsafe.Pointer(&threshold), unsafe.Pointer(&divisor), len(dst))
	for ; i < len(dst); i++ {
		d := pred[i] - target[i]
		switch {
		case d != d:
			dst[i] = d
		case T(math.Abs(float64(d))) < threshold:
			dst[i] = T(T(norm*dir[i])*up[i]) / divisor
		default:
			dst[i] = 0
		}
	}
}
