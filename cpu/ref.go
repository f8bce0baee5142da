package cpu

import (
	"math"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// On some processors Go may fuse x*y + z, rounding once. An explicit conversion of the product prevents that; every product here has
// one.

// refTerm returns the loss term of a difference d = pred − target.
func refTerm[C op.Computing](kind smoothl1.Kind, beta, d C) C {
	a := refAbs(d)
	switch {
	case kind == smoothl1.Huber && a < beta:
		return C(C(0.5*a) * a)
	case kind == smoothl1.Huber:
		return C(beta * C(a-C(0.5*beta)))
	case beta == 0:
		return a
	case a < beta:
		return C(C(0.5*a)*a) / beta
	default:
		return a - C(0.5*beta)
	}
}

// refGradient returns the gradient with respect to pred for a difference d, norm n and upstream gradient g.
func refGradient[C op.Computing](kind smoothl1.Kind, beta, d, n, g C) C {
	switch {
	case kind == smoothl1.Huber && d < -beta:
		return C(-C(n*g) * beta)
	case kind == smoothl1.Huber && d > beta:
		return C(C(n*g) * beta)
	case kind == smoothl1.Huber:
		return C(C(n*d) * g)
	case d < -beta:
		return -C(n * g)
	case d > beta:
		return C(n * g)
	case beta > 0:
		return C(C(n*d)*g) / beta
	case d == 0:
		return 0 // L1: +0 for every g
	default:
		return d // L1: NaN
	}
}

// refSecond returns the second derivative with respect to pred, times v.
func refSecond[C op.Computing](kind smoothl1.Kind, beta, d, n, g, v C) C {
	switch {
	case d != d:
		return d
	case !(refAbs(d) < beta):
		return 0
	case kind == smoothl1.Huber:
		return C(C(n*v) * g)
	default:
		return C(C(n*v)*g) / beta
	}
}

func refAbs[C op.Computing](x C) C { return C(math.Abs(float64(x))) }

// refValid reports whether beta by element can be that of a loss.
func refValid[C op.Computing](kind smoothl1.Kind, beta C) bool {
	return beta >= 0 && !math.IsInf(float64(beta), 1) && (beta > 0 || kind == smoothl1.SmoothL1)
}

// refSum returns the canonical sum of terms.
func refSum[C op.Computing](terms []C) float64 {
	if len(terms) == 0 {
		return 0
	}
	sums := refChunkSums(terms)
	for len(sums) > 1 {
		sums = refChunkSums(sums)
	}
	return sums[0]
}

// refChunkSums computes one level of the canonical sum: the sums of the chunks of terms.
func refChunkSums[C op.Computing](terms []C) []float64 {
	sums := make([]float64, Chunks(len(terms)))
	for c := range sums {
		var lane [Lanes]float64
		for row := range Rows {
			for j := range Lanes {
				i := c*Chunk + row*Lanes + j
				if i < len(terms) {
					lane[j] += float64(terms[i])
				} else {
					lane[j] += 0
				}
			}
		}
		for half := Lanes / 2; half > 0; half /= 2 {
			for i := range half {
				lane[i] += lane[i+half]
			}
		}
		sums[c] = lane[0]
	}
	return sums
}

// reference is an operation of the reference on arrays of T, computed in C.
type reference[T smoothl1.Float, C op.Computing] struct {
	*Args[T]
	c      *checked
	loss   smoothl1.Loss
	widen  func(T) C
	narrow func(C) T
}

// at returns element (r, c) of an array.
func (x *reference[T, C]) at(role op.Role, array []T, r, c int) C {
	return x.widen(array[x.c.Views[role].At(r, c)])
}

// put stores element (r, c) of an output, unless that is nil.
func (x *reference[T, C]) put(role op.Role, array []T, r, c int, value C) {
	if array != nil {
		array[x.c.Views[role].At(r, c)] = x.narrow(value)
	}
}

// keeps reports whether the mask keeps element (r, c).
func (x *reference[T, C]) keeps(r, c int) bool {
	return x.Mask == nil || x.Mask[x.c.Views[op.RoleMask].At(r, c)] != 0
}

// column returns the column of pred for element (r, c).
func (x *reference[T, C]) column(r, c int) int {
	if x.Index != nil {
		return int(x.Index[r])
	}
	return c
}

// difference returns pred − target at element (r, c).
func (x *reference[T, C]) difference(r, c int) C {
	return x.at(op.RolePred, x.Pred, r, x.column(r, c)) - x.at(op.RoleTarget, x.Target, r, c)
}

// beta returns beta at element (r, c), and whether it is valid.
func (x *reference[T, C]) beta(r, c int) (beta C, valid bool) {
	if x.Beta == nil {
		return C(x.loss.Beta), true
	}
	beta = x.at(op.RoleBeta, x.Beta, r, c)
	return beta, refValid(x.loss.Kind, beta)
}

// term returns the loss term of element (r, c).
func (x *reference[T, C]) term(r, c int) C {
	if !x.keeps(r, c) {
		return 0
	}
	beta, valid := x.beta(r, c)
	if !valid {
		return C(math.NaN())
	}
	term := refTerm(x.loss.Kind, beta, x.difference(r, c))
	if x.Weight != nil {
		term = C(term * x.at(op.RoleWeight, x.Weight, r, c))
	}
	return term
}

// derivatives returns the gradient with respect to pred, and the second derivative times the direction, of element (r, c) for a norm n.
func (x *reference[T, C]) derivatives(r, c int, n C) (gradient, second C) {
	if !x.keeps(r, c) {
		return 0, 0
	}
	beta, valid := x.beta(r, c)
	if !valid {
		return C(math.NaN()), C(math.NaN())
	}
	g := C(x.Upstream.number())
	if x.Upstream.elements != nil {
		g = x.at(op.RoleUpstream, x.Upstream.elements, r, c)
	}
	if x.Weight != nil {
		n, g = 1, C(C(n*g)*x.at(op.RoleWeight, x.Weight, r, c))
	}
	d := x.difference(r, c)
	if x.Second != nil {
		second = refSecond(x.loss.Kind, beta, d, n, g, x.at(op.RoleDirection, x.Direction, r, c))
	}
	return refGradient(x.loss.Kind, beta, d, n, g), second
}

// divisor returns what a mean over rows from to to divides by; 1 for other reductions.
func (x *reference[T, C]) divisor(from, to int) (divisor float64) {
	if x.loss.Reduction != smoothl1.Mean {
		return 1
	}
	d := x.Divisor
	switch {
	case d.Kept() || d.Weights():
		var counts []C
		for i := range (to - from) * x.c.Cols {
			switch r, c := from+i/x.c.Cols, i%x.c.Cols; {
			case !x.keeps(r, c):
				counts = append(counts, 0)
			case d.Kept():
				counts = append(counts, 1)
			default:
				counts = append(counts, x.at(op.RoleWeight, x.Weight, r, c))
			}
		}
		divisor = refSum(counts)
	default:
		divisor = d.Of((to - from) * x.c.Cols)
	}
	return divisor
}

// run computes the operation. Nothing is written before all sums are known, so that an output may be in place of an input.
func (x *reference[T, C]) run() (value float64) {
	rows, cols, each := x.c.Rows, x.c.Cols, x.c.Rows
	if rows*cols == 0 && !x.c.pass.Reduces() {
		return 0
	}
	if x.ByRow {
		each = 1
	}
	var chunkSums, losses []float64
	var norms []C
	for from := 0; from < rows || from == 0 && !x.ByRow; from += max(1, each) {
		terms := make([]C, each*cols)
		for i := range terms {
			terms[i] = x.term(from+i/cols, i%cols)
		}
		divisor := x.divisor(from, from+each)
		value = refSum(terms) / divisor
		norm := 1 / divisor
		if divisor == 0 && x.Divisor.IsZeroIfEmpty() {
			value, norm = 0, 0
		}
		chunkSums, losses = append(chunkSums, refChunkSums(terms)...), append(losses, value)
		norms = append(norms, C(norm))
	}
	for i := range rows * cols {
		x.write(i/cols, i%cols, norms[i/cols/each])
	}
	if !x.c.pass.Reduces() {
		return 0
	}
	copy(x.ChunkSums, chunkSums)
	if x.ByRow {
		copy(x.Losses, losses)
		return 0
	}
	return value
}

// write stores the outputs of element (r, c).
func (x *reference[T, C]) write(r, c int, n C) {
	var distance C
	if x.keeps(r, c) {
		distance = refAbs(x.difference(r, c))
	}
	term := x.term(r, c)
	var gradient, second C
	if x.c.pass.Differentiates() {
		gradient, second = x.derivatives(r, c, n)
	}
	x.put(op.RoleTerms, x.Terms, r, c, term)
	x.put(op.RoleAbs, x.Abs, r, c, distance)
	if !x.c.pass.Differentiates() {
		return
	}
	inTarget := -gradient
	if !x.keeps(r, c) {
		inTarget = 0
	}
	chosen := x.column(r, c)
	if x.c.AccumulatePred {
		gradient = x.at(op.RoleGradPred, x.GradPred, r, chosen) + gradient
	} else if x.Index != nil {
		for other := range x.c.Actions {
			x.put(op.RoleGradPred, x.GradPred, r, other, 0)
		}
	}
	if x.c.AccumulateTarget {
		inTarget = x.at(op.RoleGradTarget, x.GradTarget, r, c) + inTarget
	}
	x.put(op.RoleGradPred, x.GradPred, r, chosen, gradient)
	x.put(op.RoleGradTarget, x.GradTarget, r, c, inTarget)
	x.put(op.RoleSecond, x.Second, r, c, second)
}

// runReference computes a checked call.
func runReference[T smoothl1.Float](l smoothl1.Loss, a *Args[T], c *checked) float64 {
	c.resolve()
	switch a := any(a).(type) {
	case *Args[float32]:
		return (&reference[float32, float32]{a, c, l, same[float32], same[float32]}).run()
	case *Args[float64]:
		return (&reference[float64, float64]{a, c, l, same[float64], same[float64]}).run()
	case *Args[smoothl1.F16]:
		return (&reference[smoothl1.F16, float32]{a, c, l, smoothl1.F16.Float32, func(x float32) smoothl1.F16 { return smoothl1.ToF16(float64(x)) }}).run()
	case *Args[smoothl1.BF16]:
		return (&reference[smoothl1.BF16, float32]{a, c, l, smoothl1.BF16.Float32, func(x float32) smoothl1.BF16 { return smoothl1.ToBF16(float64(x)) }}).run()
	}
	panic("cpu: no reference for " + c.DType.String())
}

func same[C op.Computing](x C) C { return x }

// ref checks the arguments and computes the operation.
func ref[T smoothl1.Float](name string, p op.Pass, l smoothl1.Loss, a *Args[T]) (float64, error) {
	if a == nil {
		return 0, smoothl1.NewArgError(name, "args", "nil", smoothl1.ErrNil)
	}
	var c checked
	if err := a.checkAll(&c, name, l, p); err != nil {
		return 0, err
	}
	return runReference(l, a, &c), nil
}

// RefRun is the reference for Run.
func RefRun[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return ref("RefRun", op.Chosen, l, a)
}

// RefForwardTerms is the reference for ForwardTerms.
func RefForwardTerms[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) error {
	_, err := ref("RefForwardTerms", op.Terms, l, a)
	return err
}

// RefForward is the reference for Forward.
func RefForward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return ref("RefForward", op.Forward, l, a)
}

// RefBackward is the reference for Backward.
func RefBackward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) error {
	_, err := ref("RefBackward", op.Backward, l, a)
	return err
}

// RefForwardBackward is the reference for ForwardBackward.
func RefForwardBackward[T smoothl1.Float](l smoothl1.Loss, a *Args[T]) (float64, error) {
	return ref("RefForwardBackward", op.ForwardBackward, l, a)
}
