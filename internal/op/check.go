package op

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
)

// The passes that lean code makes with an elementwise upstream gradient, in package cpu and in the kernels.
const (
	ElementwiseOfCPU     = differentiating
	ElementwiseOfKernels = Set[Pass](1 << Backward)
)

// Choose returns the pass that computes the outputs of the call: those that it has arrays for, and the reduced loss unless the reduction
// is None or NoLoss is set. Arguments that the pass would not use are refused. As everywhere here, name is the operation's name for errors.
func (c *Call) Choose(name string) (Pass, error) {
	given := c.Has.Given()
	if c.ByRow && c.Reduction == smoothl1.None {
		return 0, smoothl1.NewArgError(name, "reduction", c.Reduction, fmt.Errorf("%w: byRow takes mean or sum", smoothl1.ErrReduction))
	}
	loss := c.Reduction != smoothl1.None && !c.NoLoss
	var p Pass
	switch {
	case given&derived != 0 && loss:
		p = ForwardBackward
	case given&derived != 0:
		p = Backward
	case loss:
		p = Forward
	case given&perTerm != 0:
		p = Terms
	default:
		return 0, smoothl1.NewArgError(name, "outputs", "nil", fmt.Errorf("%w: no terms, gradients or reduced loss requested", smoothl1.ErrNil))
	}
	without := func(arg string, value any, what string) error {
		return smoothl1.NewArgError(name, arg, value, fmt.Errorf("%w: there is no %s", smoothl1.ErrUnused, what))
	}
	const derivative, reduced = "gradPred, gradTarget or second", "reduced loss"
	switch extra := given &^ used[p]; {
	case extra.Has(RoleUpstream):
		return 0, without("upstream", "given", derivative)
	case c.Upstream && !p.Differentiates():
		return 0, without("upstream", "a number", derivative)
	case given.Has(RoleDirection) && !given.Has(RoleSecond):
		return 0, without("direction", "given", "second")
	case extra != 0:
		return 0, without(extra.First().String(), "given", reduced)
	case p == Terms && !c.Divisor.IsZero():
		return 0, without("divisor", c.Divisor, reduced+" or gradient")
	case p == Terms && c.ByRow:
		return 0, without("byRow", true, reduced+" or gradient")
	case c.AccumulatePred && !given.Has(RoleGradPred):
		return 0, without("accumulatePred", true, "gradPred")
	case c.AccumulateTarget && !given.Has(RoleGradTarget):
		return 0, without("accumulateTarget", true, "gradTarget")
	case given.Has(RoleLosses) && !c.ByRow:
		return 0, smoothl1.NewArgError(name, "losses", "given", fmt.Errorf("%w: byRow is not set", smoothl1.ErrUnused))
	}
	return p, nil
}

// Apart reports whether two arrays share no memory, by their addresses and sizes in bytes.
func Apart(a, bytesOfA, b, bytesOfB uint64) bool { return a+bytesOfA <= b || b+bytesOfB <= a }

// Check returns an error if the pass p cannot compute the call: if an array is missing, unusable, of the wrong length, or overlaps
// another, or arguments contradict each other. An output may be the same array as an input of its type, unless its role forbids that or
// the call has an index; otherwise it must not share an element with any array. Arrays that the pass does not use are ignored, and
// AccumulatePred and AccumulateTarget are cleared if there is nothing to add to.
//
// Check is tuned, since it accounts for much of the time of a small loss.
func (c *Call) Check(name string, p Pass) error {
	given := c.uses(p)
	c.AccumulatePred = c.AccumulatePred && given.Has(RoleGradPred)
	c.AccumulateTarget = c.AccumulateTarget && given.Has(RoleGradTarget)
	if needed[p]&^given|c.Has.wrong()&given != 0 || given&^lean != 0 || c.Views != nil || p.Reduces() && c.Reduction == smoothl1.None ||
		!c.Divisor.IsZero() && p != Terms {
		if err := c.refuse(name, p, given); err != nil {
			return err
		}
	}
	if p.Differentiates() {
		if given&derived == 0 {
			return smoothl1.NewArgError(name, "gradPred and gradTarget", "nil", smoothl1.ErrNil)
		}
	} else if p == Terms && given&perTerm == 0 {
		return smoothl1.NewArgError(name, "terms", "nil", smoothl1.ErrNil)
	}
	for rest := given & outputs; rest != 0; rest &= rest - 1 {
		r := rest.First()
		a := &c.arrays[r]
		for others := given &^ (rest & outputs); others != 0; others &= others - 1 {
			other := others.First()
			b := &c.arrays[other]
			if a.to <= b.from || b.to <= a.from {
				continue // the common case
			}
			if a.overlaps(b) && !c.compatible(r, other, given) {
				return smoothl1.NewArgError(name, r.String(), "in the memory of "+other.String(), smoothl1.ErrOverlap)
			}
		}
	}
	return nil
}

// uses returns the arrays that the pass p uses.
func (c *Call) uses(p Pass) Set[Role] {
	given := c.Has.Given() & used[p]
	if given&^lean != 0 {
		if !c.ByRow {
			given &^= 1 << RoleLosses
		}
		if !given.Has(RoleSecond) {
			given &^= 1 << RoleDirection
		}
	}
	return given
}

// compatible reports whether an output may overlap another array: because it is in place of an input, or because their elements
// alternate in memory.
func (c *Call) compatible(out, other Role, given Set[Role]) bool {
	a, b, size := &c.arrays[out], &c.arrays[other], out.Size(c.Size)
	alike := other.Size(c.Size) == size && other != RoleIndex
	if c.Views != nil && alike {
		v, w := &c.Views[out], &c.Views[other]
		rows, cols := c.Dims(out)
		otherRows, otherCols := c.Dims(other)
		alike = (v.RowStride == w.RowStride || rows <= 1) && (v.ColStride == w.ColStride || cols <= 1) && rows == otherRows && cols == otherCols
		if distance := int(b.from - a.from); alike && distance != 0 && distance%size == 0 {
			return v.apart(distance/size, rows, cols)
		}
	}
	return alike && *a == *b && inPlace.Has(out) && !outputs.Has(other) && !given.Has(RoleIndex)
}

// refuse returns an error if the call has a wrong reduction, divisor or view, arguments that lack others, or an array that is missing,
// unusable or of the wrong length.
func (c *Call) refuse(name string, p Pass, given Set[Role]) error {
	if (p.Reduces() || c.ByRow && p != Terms) && c.Reduction == smoothl1.None {
		return smoothl1.NewArgError(name, "reduction", c.Reduction, fmt.Errorf("%w: there is no reduced loss", smoothl1.ErrReduction))
	}
	missing := needed[p] &^ given
	if given.Has(RoleSecond) && !given.Has(RoleDirection) {
		missing |= 1 << RoleDirection
	}
	if c.ByRow && p.Reduces() {
		missing |= 1 << RoleLosses &^ given
	}
	if missing != 0 {
		return smoothl1.NewArgError(name, missing.First().String(), "nil", smoothl1.ErrNil)
	}
	if wrong := c.Has.wrong() & given; wrong != 0 {
		r := wrong.First()
		for u := c.unusable; u != nil; u = u.next {
			if u.role == r {
				return smoothl1.NewArgError(name, u.arg, u.value, u.err)
			}
		}
		n := int(c.arrays[r].to-c.arrays[r].from) / r.Size(c.Size)
		want := fmt.Sprintf("pred has %d", c.N)
		switch {
		case r == RoleChunkSums:
			want = fmt.Sprintf("%d elements have %d", c.N, Chunks(c.N))
		case n > 0 && n < c.N && c.N%n == 0 && !r.IsOutput():
			want += "; one for each row or column, or one for all, takes a Shape"
		}
		return smoothl1.NewArgError(name, "len("+r.String()+")", n, fmt.Errorf("%w: %s", smoothl1.ErrLength, want))
	}
	if c.Views != nil {
		if err := c.refuseViews(name, p, given); err != nil {
			return err
		}
	}
	if p == Terms {
		return nil
	}
	return c.refuseDivisor(name, p, given)
}

// refuseViews returns an error if the view of an output, or of an array with respect to which there is a gradient, repeats elements, or if
// there is a view of an input without the input.
func (c *Call) refuseViews(name string, p Pass, given Set[Role]) error {
	for rest := used[p] &^ outputs &^ given; rest != 0; rest &= rest - 1 {
		r := rest.First()
		if v := c.view(r); v != (smoothl1.View{}) {
			return smoothl1.NewArgError(name, "shape."+r.field(), v, fmt.Errorf("%w: there is no %s", smoothl1.ErrUnused, r.array()))
		}
	}
	for rest := given & outputs; rest != 0; rest &= rest - 1 {
		r := rest.First()
		rows, cols := c.Dims(r)
		if c.Views[r].Repeats(rows, cols) {
			return smoothl1.NewArgError(name, r.String(), c.view(r), fmt.Errorf("%w: an output must not", smoothl1.ErrRepeat))
		}
		of := RolePred
		switch r {
		case RoleGradPred, RoleSecond:
		case RoleGradTarget:
			of = RoleTarget
		default:
			continue
		}
		if rows, cols := c.Dims(of); c.Views[of].Repeats(rows, cols) {
			return smoothl1.NewArgError(name, of.String(), c.view(of), fmt.Errorf("%w: its derivative would be a sum", smoothl1.ErrRepeat))
		}
	}
	return nil
}

// view returns the view of a role's array as the caller gave it.
func (c *Call) view(r Role) smoothl1.View {
	if c.shape == nil {
		return smoothl1.View{}
	}
	return viewOf(c.shape, r)
}

func (c *Call) refuseDivisor(name string, p Pass, given Set[Role]) error {
	d := c.Divisor
	if e, ok := d.Validate(c.Reduction).(*smoothl1.ArgError); ok {
		return smoothl1.NewArgError(name, e.Arg, e.Value, e.Err)
	}
	switch {
	case d.Kept() && !given.Has(RoleMask):
		return smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: there is no mask", smoothl1.ErrDivisor))
	case d.Weights() && !given.Has(RoleWeight):
		return smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: there is no weight", smoothl1.ErrDivisor))
	}
	if x, ok := d.Number(); ok && p.Differentiates() {
		if norm := normOf(c.DType, x); norm == 0 || math.IsInf(norm, 1) {
			return smoothl1.NewArgError(name, "divisor", d, fmt.Errorf("%w: 1/divisor is %v in %v", smoothl1.ErrDivisor, norm, c.DType.Computing()))
		}
	}
	return nil
}

// Lean reports whether the pass p, for which the call has been checked, is made by lean code: one over dense arrays of the operands that
// lean code has, and computes the loss, the terms, or gradients.
func (c *Call) Lean(p Pass) bool {
	given := c.uses(p)
	if given&^lean != 0 || c.ByRow || c.AccumulatePred || c.AccumulateTarget || c.Divisor.Kept() || c.Divisor.Weights() ||
		p != Terms && given.Has(RoleTerms) || given.Has(RoleUpstream) && !c.Elementwise.Has(p) {
		return false
	}
	if c.Views == nil {
		return true
	}
	for rest := given; rest != 0; rest &= rest - 1 {
		r := rest.First()
		if rows, cols := c.Dims(r); !c.Views[r].IsDense(rows, cols) {
			return false
		}
	}
	return true
}

// Count returns the number of elements that a mean divides by unless another divisor is given: those of the matrix, or of a row.
func (c *Call) Count() int {
	if c.ByRow {
		return c.Cols
	}
	return c.N
}
