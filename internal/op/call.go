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

// Forget drops the shape, so that c does not keep it reachable.
func (c *Call) Forget() { c.shape = nil }

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
	reason := fmt.Errorf("%w: %d × %d elements, %v, have %d%s", smoothl1.ErrLength, rows, cols, view, want, c.remedy(r, view, n))
	if r == RoleChunkSums {
		reason = fmt.Errorf("%w: the call has %d", smoothl1.ErrLength, want)
	}
	return c.misfit(r, "len("+r.String()+")", n, reason)
}

// remedy says what may be meant by an array of n elements that does not have the length of its view.
func (c *Call) remedy(r Role, view smoothl1.View, n int) string {
	rows, cols := c.Dims(r)
	switch {
	case c.shape == nil:
		return "; without a Shape there is one row"
	case rows == 0 || cols == 0:
		return "; set the Rows and Cols of the Shape"
	case view != smoothl1.View{} || r.IsOutput() || r == RolePred || r == RoleIndex:
		return ""
	case n == rows:
		return "; for one for each row, set shape." + r.field() + " to PerRow()"
	case n == cols:
		return "; for one for each column, set shape." + r.field() + " to PerColumn()"
	case n == 1:
		return "; for one for all, set shape." + r.field() + " to Single()"
	}
	return ""
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
