package core

import (
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1/internal/op"
)

// The functions below loop over a row of at most 128 elements. Random data defeats branch prediction, so they compute both branches of
// the formula and select one. As in ref.go, a product is never fused with the addition that follows it. The formula is the common one
// of kernels/smoothl1.cu; dividing by 1 is exact. The constants are copied to local variables because the compiler must assume that
// a store to an output may change the parameters.

func termsRow[T Float](p *Params[T], terms, pred, target []T) {
	threshold, half, outer, divisor := p.Threshold, p.Half, p.Outer, p.Divisor
	target = target[:len(pred)]
	terms = terms[:len(pred)]
	for i, x := range pred {
		a := abs(x - target[i])
		inner := T(T(T(0.5)*a)*a) / divisor
		tail := T(outer * T(a-half))
		terms[i] = inside(a, threshold, inner, tail)
	}
}

func sumRow[T Float](p *Params[T], lanes *[op.Lanes]float64, pred, target []T) {
	threshold, half, outer, divisor := p.Threshold, p.Half, p.Outer, p.Divisor
	target = target[:len(pred)]
	into := lanes[:len(pred)]
	for i, x := range pred {
		a := abs(x - target[i])
		inner := T(T(T(0.5)*a)*a) / divisor
		tail := T(outer * T(a-half))
		into[i] += float64(inside(a, threshold, inner, tail))
	}
}

func gradientRow[T Float](p *Params[T], out, pred, target []T) {
	threshold, divisor, norm, g, side := p.Threshold, p.Divisor, p.Norm, p.G, p.Side
	target = target[:len(pred)]
	out = out[:len(pred)]
	for i, x := range pred {
		d := x - target[i]
		middle := T(T(norm*d)*g) / divisor
		out[i] = clipped(d, threshold, side, middle)
	}
}

func elementwiseRow[T Float](p *Params[T], out, pred, target, upstream []T) {
	threshold, outer, divisor, norm := p.Threshold, p.Outer, p.Divisor, p.Norm
	target = target[:len(pred)]
	out = out[:len(pred)]
	upstream = upstream[:len(pred)]
	for i, x := range pred {
		d := x - target[i]
		g := upstream[i]
		side := T(T(norm*g) * outer)
		middle := T(T(norm*d)*g) / divisor
		out[i] = clipped(d, threshold, side, middle)
	}
}

// l1Row is gradientRow and elementwiseRow for the L1 loss, whose gradient at d = 0 is +0 for every upstream gradient, and −0 with
// respect to target. If upstream is nil, the upstream gradient is the number g.
func l1Row[T Float](p *Params[T], out, pred, target, upstream []T) {
	norm, g, flip := p.Norm, p.G, bits(p.Flip)
	target = target[:len(pred)]
	out = out[:len(pred)]
	for i, x := range pred {
		d := x - target[i]
		if upstream != nil {
			g = upstream[i]
		}
		side := T(norm * g)
		middle := fromBits[T](bits(abs(d)) ^ flip) // used for d = 0, where it is ±0, and NaN, which stays NaN
		out[i] = clipped(d, 0, side, middle)
	}
}

// Selections work on bit patterns, because the compiler emits conditional moves only for integers. The bit patterns of non-negative
// numbers are in the order of the numbers, with NaN above +Inf.

// inside returns inner if a < threshold, else tail. a must not be negative; it may be NaN.
func inside[T Float](a, threshold, inner, tail T) T {
	b := bits(tail)
	if x := bits(inner); bits(a) < bits(threshold) {
		b = x
	}
	return fromBits[T](b)
}

// clipped returns −side if d < −threshold, side if d > threshold, and otherwise, also for NaN, middle.
func clipped[T Float](d, threshold, side, middle T) T {
	sign := bits(d) & signBit[T]()
	a, t := bits(d)^sign, bits(threshold)
	b := bits(middle)
	if x := bits(side) ^ sign; a-t-1 < infinity[T]()-t { // t < a ≤ +Inf
		b = x
	}
	return fromBits[T](b)
}

// abs clears the sign bit.
func abs[T Float](x T) T { return fromBits[T](bits(x) &^ signBit[T]()) }

func signBit[T Float]() uint64 {
	return 1 << (8*unsafe.Sizeof(T(0)) - 1)
}

func infinity[T Float]() uint64 {
	if unsafe.Sizeof(T(0)) == 4 {
		return 0x7f800000
	}
	return 0x7ff0000000000000
}

func bits[T Float](x T) uint64 {
	if unsafe.Sizeof(x) == 4 {
		return uint64(math.Float32bits(float32(x)))
	}
	return math.Float64bits(float64(x))
}

// fromBits returns the T whose bit pattern is the low bits of b.
func fromBits[T Float](b uint64) T {
	if unsafe.Sizeof(T(0)) == 4 {
		return T(math.Float32frombits(uint32(b)))
	}
	return T(math.Float64frombits(b))
}
