package op

import "github.com/smoothl1/smoothl1"

// A View gives the place of each element of a matrix in an array: element (r, c) is at Offset + r·RowStride + c·ColStride. A stride of
// 0 repeats elements.
type View struct{ Offset, RowStride, ColStride int }

// Views are the views of the arrays of a call, by role.
type Views [Roles]View

// viewOf returns the view of a role's array in the shape, if it may have another than the dense one.
func viewOf(s *smoothl1.Shape, r Role) (v smoothl1.View) {
	switch r {
	case RolePred:
		v = s.Pred
	case RoleTarget:
		v = s.Target
	case RoleWeight:
		v = s.Weight
	case RoleMask:
		v = s.Mask
	case RoleBeta:
		v = s.Beta
	case RoleUpstream:
		v = s.Upstream
	case RoleDirection:
		v = s.Direction
	case RoleTerms:
		v = s.Terms
	case RoleAbs:
		v = s.Abs
	case RoleGradPred:
		v = s.GradPred
	case RoleGradTarget:
		v = s.GradTarget
	case RoleSecond:
		v = s.Second
	}
	return v
}

// At returns the index of element (r, c).
func (v *View) At(r, c int) int { return v.Offset + r*v.RowStride + c*v.ColStride }

// IsDense reports whether the view holds the elements of a matrix of that shape row after row, without gaps.
func (v *View) IsDense(rows, cols int) bool {
	return (cols <= 1 || v.ColStride == 1) && (rows <= 1 || v.RowStride == cols) || rows == 0 || cols == 0
}

// Repeats reports whether two elements of a matrix of that shape share a place.
func (v *View) Repeats(rows, cols int) bool {
	r, c := magnitude(v.RowStride), magnitude(v.ColStride)
	switch {
	case rows == 0 || cols == 0:
		return false
	case rows == 1:
		return cols > 1 && c == 0
	case cols == 1:
		return r == 0
	case r == 0 || c == 0:
		return true
	}
	// The least steps by which both strides meet are c/gcd rows and r/gcd columns.
	a, b := r, c
	for b != 0 {
		a, b = b, a%b
	}
	return c/a < uint64(rows) && r/a < uint64(cols)
}

func magnitude(x int) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// extent returns the lowest and the highest index of a matrix of that shape, which must have elements, or false if one is not in an array
// of n elements.
func (v *View) extent(n, rows, cols int) (low, high int, ok bool) {
	low, high = v.Offset, v.Offset
	if low < 0 || high >= n {
		return 0, 0, false
	}
	for _, x := range [2]struct{ steps, stride int }{{rows - 1, v.RowStride}, {cols - 1, v.ColStride}} {
		if x.steps == 0 {
			continue
		}
		if magnitude(x.stride) > uint64(n-1)/uint64(x.steps) { // so that nothing overflows below
			return 0, 0, false
		}
		if d := x.steps * x.stride; d < 0 {
			low += d
		} else {
			high += d
		}
	}
	return low, high, low >= 0 && high < n
}

// apart reports whether two views with these strides, whose first elements are delta elements apart, have no element in common; delta
// must not be 0. If the strides interleave, it may return false for views that have none.
func (v *View) apart(delta, rows, cols int) bool {
	big, small, m, n := v.RowStride, v.ColStride, rows, cols
	switch {
	case rows == 1:
		return aside(delta, small, cols)
	case cols == 1:
		return aside(delta, big, rows)
	case magnitude(big) < magnitude(small):
		big, small, m, n = small, big, cols, rows
	}
	if small == 0 || magnitude(big)/magnitude(small) < uint64(n) {
		return false
	}
	// An element in common is fewer than m big and n small strides away.
	for q := delta/big - 1; q <= delta/big+1; q++ {
		if magnitude(q) < uint64(m) && !aside(delta-q*big, small, n) {
			return false
		}
	}
	return true
}

// aside reports whether no two elements of rows of n elements with a stride, which begin delta elements apart, are the same.
func aside(delta, stride, n int) bool {
	return n == 1 && delta != 0 || stride != 0 && (delta%stride != 0 || magnitude(delta/stride) >= uint64(n))
}
