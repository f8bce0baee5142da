package stage

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
)

// The stages below are for beta by element, of smooth L1 or of Huber. An element whose beta is not valid becomes NaN.

// TermsOfBetas computes loss terms.
func TermsOfBetas[T core.Float](dst, pred, target, beta []T, huber bool) {
	pred, target, beta = pred[:len(dst)], target[:len(dst)], beta[:len(dst)]
	i := 0
	if huber {
		i = termsHuberVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), len(dst))
	} else {
		i = termsSmoothVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), len(dst))
	}
	for ; i < len(dst); i++ {
		a, b := T(math.Abs(float64(pred[i]-target[i]))), beta[i]
		switch {
		case !valid(b, huber):
			dst[i] = T(math.NaN())
		case huber && a < b:
			dst[i] = T(T(0.5*a) * a)
		case huber:
			dst[i] = T(b * T(a-T(0.5*b)))
		case a < b:
			dst[i] = T(T(0.5*a)*a) / b
		default:
			dst[i] = a - T(0.5*b)
		}
	}
}

// GradientOfBetas computes gradients for the upstream gradients up.
func GradientOfBetas[T core.Float](dst, pred, target, beta, up []T, norm T, huber bool) {
	pred, target, beta, up = pred[:len(dst)], target[:len(dst)], beta[:len(dst)], up[:len(dst)]
	i, n := 0, unsafe.Pointer(&norm)
	if huber {
		i = gradientHuberVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), pointer(up), n, len(dst))
	} else {
		i = gradientSmoothVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), pointer(up), n, len(dst))
	}
	for ; i < len(dst); i++ {
		d, b := pred[i]-target[i], beta[i]
		side := T(norm * up[i])
		if huber {
			side = T(side * b)
		}
		switch {
		case !valid(b, huber):
			dst[i] = T(math.NaN())
		case d < -b:
			dst[i] = -side
		case d > b:
			dst[i] = side
		case huber:
			dst[i] = T(T(norm*d) * up[i])
		case b > 0:
			dst[i] = T(T(norm*d)*up[i]) / b
		default: // L1: ±0 or NaN
			dst[i] = T(math.Abs(float64(d)))
		}
	}
}

// SecondOfBetas computes second derivatives times a direction, as Second does.
func SecondOfBetas[T core.Float](dst, pred, target, beta, dir, up []T, norm T, huber bool) {
	pred, target, beta, dir, up = pred[:len(dst)], target[:len(dst)], beta[:len(dst)], dir[:len(dst)], up[:len(dst)]
	i, n := 0, unsafe.Pointer(&norm)
	if huber {
		i = secondHuberVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), pointer(dir), pointer(up), n, len(dst))
	} else {
		i = secondSmoothVectors[T](pointer(dst), pointer(pred), pointer(target), pointer(beta), pointer(dir), pointer(up), n, len(dst))
	}
	for ; i < len(dst); i++ {
		d, b := pred[i]-target[i], beta[i]
		switch {
		case !valid(b, huber):
			dst[i] = T(math.NaN())
		case d != d:
			dst[i] = d
		case !(T(math.Abs(float64(d))) < b):
			dst[i] = 0
		case huber:
			dst[i] = T(T(norm*dir[i]) * up[i])
		default:
			dst[i] = T(T(norm*dir[i])*up[i]) / b
		}
	}
}

func valid[T core.Float](beta T, huber bool) bool {
	return (beta > 0 || beta == 0 && !huber) && !math.IsInf(float64(beta), 1)
}

// Fill sets all elements to x.
func Fill[T core.Float](dst []T, x T) {
	for i := range dst {
		dst[i] = x
	}
}
