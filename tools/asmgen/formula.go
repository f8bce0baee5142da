package main

// The computation on a vector of elements is a formula: a list of steps on values, independent of any instruction set. A back end
// lowers the steps to instructions, assigns the values to registers, and schedules the steps.

// value names an operand or result of a step, a vector of the element type or a mask.
type value string

// The variables. They may be assigned more than once. d, a, x and t are vectors, the others masks.
const (
	vD       value = "d"
	vA       value = "a"
	vX       value = "x"
	vT       value = "t"
	vInside  value = "inside"
	vOutside value = "outside"
	vIsL1    value = "isL1"
)

// The inputs: vectors of elements of the arrays.
const (
	vPred     value = "pred"
	vTarget   value = "target"
	vUpstream value = "upstream"
	vWeight   value = "weight"
	vMask     value = "mask" // a mask: the bytes that are not 0
)

// The constants: fields of Params, except the first two.
const (
	vSign      value = "sign" // only the sign bits
	vOneHalf   value = "0.5"
	vThreshold value = "Threshold"
	vHalf      value = "Half"
	vInverse   value = "Inverse"
	vDivisor   value = "Divisor"
	vOuter     value = "Outer"
	vNorm      value = "Norm"
	vG         value = "G"
	vSide      value = "Side"
	vFlip      value = "Flip"
	vL1        value = "L1"
)

// operation is the operation of a step on its operands p, q and r, in this order. Arithmetic is rounded once.
type operation int

const (
	doSub      operation = iota // p − q
	doMul                       // p·q
	doDiv                       // p/q
	doAbs                       // |p|; q is vSign
	doXor                       // p xor q, bit by bit
	doFlipSign                  // p, with its sign flipped where q is negative; r is vSign
	doLess                      // mask: p < q; false for NaN
	doGreater                   // mask: p > q; false for NaN
	doMask                      // mask: p, whose elements are all ones or all zeros
	doSelect                    // q where the mask p is set, else r
	doKeep                      // q where the mask p is set, else +0
	doFetch                     // prefetches the inputs
	doAddUp                     // widens p to float64 and adds it to the lanes; clobbers p and t
	doStore                     // writes p to the outputs; clobbers p

	// For instruction sets that have an instruction for it:
	doDistance // |p − q|
	doFarther  // mask: |p| > |q|; false for NaN
)

// step is one step of a formula.
type step struct {
	name string // for the schedule
	do   operation
	to   value // the result; "" if there is none
	of   []value

	// For instruction sets in which most instructions take a mask:
	made    *step // the step that a selection computes itself; its operands follow the mask and the other side in of
	inverse bool  // a comparison computes its complement; a selection has such a mask
}

// spoils returns the values that the step leaves undefined.
func (s step) spoils() []value {
	switch s.do {
	case doAddUp:
		return []value{s.of[0], vT}
	case doStore:
		return s.of[:1]
	}
	return nil
}

// formula returns the steps of a kernel.
func formula(s spec) (steps []step) {
	add := func(name string, to value, do operation, of ...value) {
		steps = append(steps, step{name: name, do: do, to: to, of: of})
	}
	quotient := func(name string, of value) {
		switch s.quotient {
		case mul:
			add(name, of, doMul, of, vInverse)
		case div:
			add(name, of, doDiv, of, vDivisor)
		}
	}
	add("difference", vD, doSub, vPred, vTarget)
	add("fetch", "", doFetch)
	add("distance", vA, doAbs, vD, vSign)

	if s.terms || s.sum { // x = a < threshold ? ((0.5·a)·a)/divisor : outer·(a − half)
		add("inside", vInside, doLess, vA, vThreshold)
		add("half", vX, doMul, vOneHalf, vA)
		add("square", vX, doMul, vX, vA)
		quotient("parabola", vX)
		add("tail", vT, doSub, vA, vHalf)
		if s.quotient == one {
			add("outer tail", vT, doMul, vOuter, vT)
		}
		add("term", vX, doSelect, vInside, vX, vT)
	}
	if s.weight {
		add("weighed term", vX, doMul, vX, vWeight)
	}
	if s.mask {
		add("kept term", vX, doKeep, vMask, vX)
	}
	if s.terms {
		add("store term", "", doStore, vX)
	}
	if s.sum {
		add("add up", "", doAddUp, vX)
	}
	if !s.gradient {
		return steps
	}

	// x = a > threshold ? side, negated where d < 0 : ((norm·d)·g)/divisor
	g, side := vG, vSide
	if s.weight { // the norm is a part of the upstream gradient
		add("upstream", vT, doMul, vG, vWeight)
		add("scaled", vX, doMul, vT, vD)
		side = vT
		quotient("slope", vX)
		if s.quotient == one {
			add("outer side", vT, doMul, vT, vOuter)
		}
	} else {
		add("normed", vX, doMul, vNorm, vD)
	}
	if s.elementwise {
		g, side = vUpstream, vT
		add("side", vT, doMul, vNorm, vUpstream)
		if s.quotient == one {
			add("outer side", vT, doMul, vT, vOuter)
		}
	}
	if !s.weight {
		if s.quotient != unit {
			add("scaled", vX, doMul, vX, g)
		}
		quotient("slope", vX)
	}
	add("signed side", vD, doFlipSign, side, vD, vSign)
	if s.quotient == mul { // for L1, the gradient is a with bits flipped where a is 0 or NaN
		add("zero", vT, doXor, vA, vFlip)
		add("is L1", vIsL1, doMask, vL1)
		add("middle", vX, doSelect, vIsL1, vT, vX)
	}
	add("outside", vOutside, doGreater, vA, vThreshold)
	add("gradient", vX, doSelect, vOutside, vD, vX)
	if s.mask {
		add("kept gradient", vX, doKeep, vMask, vX)
	}
	add("store gradient", "", doStore, vX)
	return steps
}
