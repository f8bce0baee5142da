package op

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
)

// State says whether an array can be used at all, and if not, why.
type State uint8

// The states. On the CPU, a slice is always Usable.
const (
	Usable      State = iota
	Zero              // a zero value, not created by its package
	OtherDevice       // belongs to another device than the operation
	OtherDType        // has another element type
	Closed
)

var reasons = [...]error{Zero: smoothl1.ErrZero, OtherDevice: smoothl1.ErrDevice, OtherDType: smoothl1.ErrDType, Closed: smoothl1.ErrClosed}

// A Call describes one call to be checked: its arrays and what it should compute. It lives on its caller's stack, and checking it
// allocates only to report an error.
//
// The caller sets the exported fields, then SetShape where the call has a shape, an index or a reduction by rows, and then adds the arrays.
type Call struct {
	Elementwise      Set[Pass] // the passes that lean code makes with an elementwise upstream gradient
	Reduction        smoothl1.Reduction
	Upstream         bool // an upstream gradient is given as a number
	NoLoss           bool // omit the reduced loss
	ByRow            bool // reduce each row
	AccumulatePred   bool
	AccumulateTarget bool
	Divisor          smoothl1.Divisor

	N     int            // number of elements: without a shape, the length of pred
	DType smoothl1.DType // of pred
	Size  int            // of an element of pred, in bytes
	Has   Found

	Matrix // set by SetShape

	shape    *smoothl1.Shape
	unusable *unusable // the arrays that cannot be used, in any order
	arrays   [Roles]array
}

// A Matrix is the shape of a call, as resolved.
type Matrix struct {
	Rows, Cols int
	Actions    int    // number of columns of pred: that of an index's choices, else Cols
	Views      *Views // of the arrays that were added; nil without a shape, when there is one row and all arrays are dense
}

// unusable is an array that cannot be used in its role, with what its error shows.
type unusable struct {
	role  Role
	arg   string
	value any
	err   error
	next  *unusable
}

// Found is the set of arrays that a call has and, in its upper half, those that cannot be used: the results of Put combined with "|".
// The caller combines them in a register: updating a field of Call for each array would cost as much as the rest of the check.
type Found uint64

// Given returns the arrays that were found, usable or not.
func (f Found) Given() Set[Role] { return Set[Role](f) }
func (f Found) wrong() Set[Role] { return Set[Role](f >> 32) }

// array is the address range of an array's elements.
type array struct{ from, to uint64 }

// overlaps reports whether two arrays share memory. An empty array, whatever its address, shares none.
func (a *array) overlaps(b *array) bool { return max(a.from, b.from) < min(a.to, b.to) }

// Reset prepares c, which may have been used before, for a call on n elements of type t: the exported fields that are not parameters
// are to be set then.
func (c *Call) Reset(r smoothl1.Reduction, d smoothl1.Divisor, n int, t smoothl1.DType) {
	c.Reduction, c.Divisor = r, d
	c.N, c.DType, c.Size = n, t, t.Size()
	c.Has, c.Matrix, c.shape, c.unusable = 0, Matrix{}, nil, nil
}

// maxElements is the largest number of elements of a matrix. The memory for their chunk sums can be had, and no array of so many elements.
const maxElements = min(math.MaxInt/8, 1<<40)

// SetShape resolves the shape, which may be nil, for a pred of n elements. With an index, the columns of the shape are those of pred.
// The views are stored in v.
func (c *Call) SetShape(name string, s *smoothl1.Shape, n int, indexed bool, v *Views) error {
	rows, cols := 1, n
	if s != nil {
		rows, cols = s.Rows, s.Cols
		switch {
		case rows < 0:
			return smoothl1.NewArgError(name, "shape.Rows", rows, fmt.Errorf("%w: must not be negative", smoothl1.ErrLength))
		case cols < 0:
			return smoothl1.NewArgError(name, "shape.Cols", cols, fmt.Errorf("%w: must not be negative", smoothl1.ErrLength))
		case cols > 0 && rows > maxElements/cols:
			return smoothl1.NewArgError(name, "shape", fmt.Sprintf("%d × %d", rows, cols), smoothl1.ErrTooLarge)
		case indexed && uint64(rows) > math.MaxUint32:
			return smoothl1.NewArgError(name, "shape.Rows", rows, fmt.Errorf("%w: with an index, at most %d", smoothl1.ErrTooLarge, uint32(math.MaxUint32)))
		}
	}
	c.Rows, c.Cols, c.Actions, c.Views = rows, cols, cols, v
	if indexed {
		c.Cols = 1
	}
	c.N = c.Rows * c.Cols
	c.shape = s
	return nil
}

// Put adds an array of n elements to the call in the given role.
func (c *Call) Put(r Role, address uint64, n int) Found {
	if c.Views != nil {
		return c.putView(r, address, n)
	}
	a := &c.arrays[r]
	a.from, a.to = address, address+uint64(n*r.Size(c.Size))
	want := c.N
	if r == RoleChunkSums {
		want = Chunks(c.N)
	}
	if n != want {
		return 1<<r | 1<<(32+r)
	}
	return 1 << r
}

// Dims returns the shape of the matrix that an array of the role holds.
func (m *Matrix) Dims(r Role) (rows, cols int) {
	switch r {
	case RolePred, RoleGradPred:
		return m.Rows, m.Actions
	case RoleIndex, RoleLosses:
		return m.Rows, 1
	}
	return m.Rows, m.Cols
}

// putView is Put for a call with a shape.
func (c *Call) putView(r Role, address uint64, n int) Found {
	rows, cols := c.Dims(r)
	var view smoothl1.View
	if c.shape != nil {
		view = viewOf(c.shape, r)
	}
	v, a, size := &c.Views[r], &c.arrays[r], r.Size(c.Size)
	v.Offset, v.RowStride, v.ColStride = view.Strides(cols)
	a.from, a.to = address, address+uint64(n*size)
	want := view.Len(rows, cols)
	if r == RoleChunkSums {
		want = c.ChunkCount()
	}
	switch {
	case want < 0 && (rows == 0 || cols == 0):
		v.Offset, a.to = 0, a.from // whatever the view
	case want < 0:
		low, high, ok := v.extent(n, rows, cols)
		if !ok {
			return c.misfit(r, r.String(), view, fmt.Errorf("%w: %d × %d elements leave an array of %d", smoothl1.ErrView, rows, cols, n))
		}
		a.from, a.to = address+uint64(low*size), address+uint64((high+1)*size)
	}
	if want < 0 || n == want {
		return 1 << r
	}
	reason := fmt.Errorf("%w: %d × %d elements, %v, have %d", smoothl1.ErrLength, rows, cols, view, want)
	if r == RoleChunkSums {
		reason = fmt.Errorf("%w: the call has %d", smoothl1.ErrLength, want)
	}
	return c.misfit(r, "len("+r.String()+")", n, reason)
}

// ChunkCount returns the number of chunk sums of the call.
func (c *Call) ChunkCount() int {
	if c.ByRow {
		return c.Rows * Chunks(c.Cols)
	}
	return Chunks(c.N)
}

// PutUnusable adds an array that cannot be used in its role. The error will show value.
func (c *Call) PutUnusable(r Role, s State, value any) Found {
	return c.misfit(r, r.String(), value, reasons[s])
}

func (c *Call) misfit(r Role, arg string, value any, err error) Found {
	c.unusable = &unusable{r, arg, value, err, c.unusable}
	return 1<<r | 1<<(32+r)
}

// The passes that lean code makes with an elementwise upstream gradient, in package cpu and in the kernels.
const (
	ElementwiseOfCPU     = differentiating
	ElementwiseOfKernels = Set[Pass](1 << Backward)
)

// Choose returns the pass that computes the outputs of the call: those that it has arrays for, and the reduced loss unless the reduction
// is None or NoLoss is set. Arguments that the pass would not use are refused. As everywhere here, name is the operation's name for errors.
func (c *Call) Choose(name string) (Pass, error) {
	given := c.Has.Given()
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
	unused := func(arg string, value any) error {
		return smoothl1.NewArgError(name, arg, value, fmt.Errorf("%w: %s", smoothl1.ErrUnused, p.gives()))
	}
	without := func(arg string, value any, what string) error {
		return smoothl1.NewArgError(name, arg, value, fmt.Errorf("%w: there is no %s", smoothl1.ErrUnused, what))
	}
	switch extra := given &^ used[p]; {
	case extra != 0:
		return 0, unused(extra.First().String(), "given")
	case c.Upstream && !p.Differentiates():
		return 0, unused("upstream", "a number")
	case p == Terms && !c.Divisor.IsZero():
		return 0, unused("divisor", c.Divisor)
	case p == Terms && c.ByRow:
		return 0, unused("byRow", true)
	case c.AccumulatePred && !given.Has(RoleGradPred):
		return 0, without("accumulatePred", true, "gradPred")
	case c.AccumulateTarget && !given.Has(RoleGradTarget):
		return 0, without("accumulateTarget", true, "gradTarget")
	case given.Has(RoleDirection) && !given.Has(RoleSecond):
		return 0, without("direction", "given", "second")
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
		alike = v.RowStride == w.RowStride && v.ColStride == w.ColStride && rows == otherRows && cols == otherCols
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
		if r == RoleChunkSums {
			want = fmt.Sprintf("%d elements have %d", c.N, Chunks(c.N))
		}
		return smoothl1.NewArgError(name, "len("+r.String()+")", n, fmt.Errorf("%w: %s", smoothl1.ErrLength, want))
	}
	if c.Views != nil {
		if err := c.refuseViews(name, given); err != nil {
			return err
		}
	}
	if p == Terms {
		return nil
	}
	return c.refuseDivisor(name, p, given)
}

// refuseViews returns an error if the view of an output, or of an array with respect to which there is a gradient, repeats elements.
func (c *Call) refuseViews(name string, given Set[Role]) error {
	for rest := given & outputs; rest != 0; rest &= rest - 1 {
		r := rest.First()
		rows, cols := c.Dims(r)
		if c.Views[r].Repeats(rows, cols) {
			return smoothl1.NewArgError(name, r.String(), c.view(r), fmt.Errorf("%w: an output must not", smoothl1.ErrRepeat))
		}
		of := RolePred
		switch r {
		case RoleGradPred:
		case RoleGradTarget:
			of = RoleTarget
		default:
			continue
		}
		if rows, cols := c.Dims(of); c.Views[of].Repeats(rows, cols) {
			return smoothl1.NewArgError(name, of.String(), c.view(of), fmt.Errorf("%w: its gradient would be a sum", smoothl1.ErrRepeat))
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
