package smoothl1

import "fmt"

// A Shape says over which matrix an operation runs, and where its arrays have the matrix's elements. A nil Shape stands for one row as
// long as pred, and dense arrays.
//
// With an index, pred and its gradient have Cols columns, of which the index chooses one in each row; all other arrays have one column.
//
// A view of an array that repeats elements, such as PerRow, spares the memory for copies of them. An output must not repeat elements, and
// there is no gradient or second derivative with respect to an array that does, since it would be a sum.
type Shape struct {
	Rows, Cols int
	// The views of the arrays of the same names in Args. The zero View is dense. A view of an input that is absent, such as a weight that was
	// forgotten, is an error; one of an output that is not wanted is not, so that one Shape serves several calls.
	Pred, Target, Weight, Mask, Beta, Upstream, Direction View
	Terms, Abs, GradPred, GradTarget, Second              View
}

// A View says where in an array the elements of a matrix are. The zero View has them row after row, without gaps, in an array of just
// their number.
type View struct {
	form                         form
	offset, rowStride, colStride int
}

type form uint8

const (
	dense form = iota
	perRow
	perColumn
	single
	strided
)

// PerRow returns the view of an array with one element for each row.
func PerRow() View { return View{form: perRow} }

// PerColumn returns the view of an array with one element for each column.
func PerColumn() View { return View{form: perColumn} }

// Single returns the view of an array of one element, used for the whole matrix.
func Single() View { return View{form: single} }

// Strided returns the view that has element (r, c) at index offset + r·rowStride + c·colStride. A stride of 0 repeats elements; a
// negative one walks backwards. For rows of cols elements that begin every pitch elements, see the strides pitch and 1; for a
// matrix of rows × cols stored column after column, the strides 1 and rows.
func Strided(offset, rowStride, colStride int) View {
	return View{strided, offset, rowStride, colStride}
}

// Strides returns the offset and strides of the view of a matrix with the given number of columns: element (r, c) is at
// offset + r·rowStride + c·colStride.
func (v View) Strides(cols int) (offset, rowStride, colStride int) {
	switch v.form {
	case dense:
		return 0, cols, 1
	case perRow:
		return 0, 1, 0
	case perColumn:
		return 0, 0, 1
	case single:
		return 0, 0, 0
	}
	return v.offset, v.rowStride, v.colStride
}

// Len returns the length of an array with that view of a matrix, or −1 if it may have any length, as for Strided.
func (v View) Len(rows, cols int) int {
	switch v.form {
	case dense:
		return rows * cols
	case perRow:
		return rows
	case perColumn:
		return cols
	case single:
		return 1
	}
	return -1
}

// String describes the view.
func (v View) String() string {
	switch v.form {
	case dense:
		return "dense"
	case perRow:
		return "one per row"
	case perColumn:
		return "one per column"
	case single:
		return "one for all"
	}
	return fmt.Sprintf("from %d with strides %d and %d", v.offset, v.rowStride, v.colStride)
}
