package difftest

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Arrays are the arrays of a call, by role, each with its view of the matrix and between guard zones. An output in place of an input is
// the same array.
type Arrays struct {
	op.Matrix // without Views
	shaped    bool
	of        [op.Roles]*array
}

// array is an array of any element type, as bytes.
type array struct {
	dtype    smoothl1.DType // of the elements
	view     smoothl1.View
	whole    []byte // with the guard zones
	from, to int    // of the array itself, in whole
}

// zone is the number of elements of the guard zones before and after each array: longer than any vector, and a multiple of the widest, so
// that the array stays aligned.
const zone = 64

// sentinels fill guard zones and the gaps between elements: NaN where there is one, to reveal reads, with a payload that no operation
// produces, to reveal writes. As an index, a sentinel is out of range. They are the same in either byte order.
var sentinels = [...]string{
	smoothl1.Float32:  "\x7f\xc5\xc5\x7f",
	smoothl1.Float64:  "\x7f\xf8\xa5\xa5\xa5\xa5\xf8\x7f",
	smoothl1.Float16:  "\x7e\x7e",
	smoothl1.BFloat16: "\xff\xff",
	smoothl1.Uint8:    "\xa5",
	smoothl1.Int32:    "\x75\xa5\xa5\x75",
}

// newArray returns an array of n elements, which are sentinels like its guard zones. It begins shift elements behind a multiple of 64 bytes.
func newArray(t smoothl1.DType, v smoothl1.View, n, shift int) *array {
	size := t.Size()
	whole := aligned((zone + shift + n + zone) * size)
	for filled := copy(whole, sentinels[t]); filled < len(whole); {
		filled += copy(whole[filled:], whole[:filled])
	}
	from := (zone + shift) * size
	return &array{dtype: t, view: v, whole: whole, from: from, to: from + n*size}
}

// aligned returns n bytes that begin at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+63)
	return b[-uintptr(unsafe.Pointer(unsafe.SliceData(b)))%64:][:n:n]
}

// elements returns the elements of an array, or nil for no array.
func elements[E smoothl1.Element](a *array) []E {
	if a == nil {
		return nil
	}
	return elementsOf[E](a.whole[a.from:a.to])
}

// elementsOf returns memory as elements.
func elementsOf[E smoothl1.Element](memory []byte) []E {
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(memory))), len(memory)/smoothl1.DTypeOf[E]().Size())
}

// typeOf returns the element type of the array in a role, for a call on elements of type t.
func typeOf(r op.Role, t smoothl1.DType) smoothl1.DType {
	switch r {
	case op.RoleMask:
		return smoothl1.Uint8
	case op.RoleIndex:
		return smoothl1.Int32
	case op.RoleLosses, op.RoleChunkSums:
		return smoothl1.Float64
	}
	return t
}

// shape returns the shape of a call with the arrays, or nil.
func (x *Arrays) shape() *smoothl1.Shape {
	if !x.shaped {
		return nil
	}
	view := func(r op.Role) (v smoothl1.View) {
		if x.of[r] != nil {
			v = x.of[r].view
		}
		return v
	}
	return &smoothl1.Shape{
		Rows: x.Rows, Cols: x.Actions,
		Pred: view(op.RolePred), Target: view(op.RoleTarget), Weight: view(op.RoleWeight), Mask: view(op.RoleMask), Beta: view(op.RoleBeta),
		Upstream: view(op.RoleUpstream), Direction: view(op.RoleDirection), Terms: view(op.RoleTerms), Abs: view(op.RoleAbs),
		GradPred: view(op.RoleGradPred), GradTarget: view(op.RoleGradTarget), Second: view(op.RoleSecond),
	}
}

// clone returns a copy of the arrays.
func (x *Arrays) clone() *Arrays {
	y := *x
	copies := map[*array]*array{nil: nil}
	for r, a := range x.of {
		if _, ok := copies[a]; !ok {
			b := *a
			b.whole = aligned(len(a.whole))
			copy(b.whole, a.whole)
			copies[a] = &b
		}
		y.of[r] = copies[a]
	}
	return &y
}

// each calls f for each element of the matrix that the array in a role has a view of, with its index in the array.
func (x *Arrays) each(r op.Role, f func(i, row, col int)) {
	rows, cols := x.Dims(r)
	offset, rowStride, colStride := x.of[r].view.Strides(cols)
	for row := range rows {
		for col := range cols {
			f(offset+row*rowStride+col*colStride, row, col)
		}
	}
}

// written returns the role in which a call writes the array, or false if it does not.
func (x *Arrays) written(a *array) (op.Role, bool) {
	for r := range op.Role(op.Roles) {
		if x.of[r] == a && r.IsOutput() {
			return r, true
		}
	}
	return 0, false
}

// check returns an error if a call on the arrays, which were as in before, wrote to an input, to a guard zone, or between the elements of
// an output.
func (x *Arrays) check(before *Arrays) error {
	for r, a := range x.of {
		if a == nil || bytes.Equal(a.whole, before.of[r].whole) {
			continue
		}
		was, size := before.of[r].whole, a.dtype.Size()
		if output, ok := x.written(a); ok { // leave the elements out of the comparison
			was = bytes.Clone(was)
			if n := (a.to - a.from) / size; x.isDense(output, n) {
				copy(was[a.from:a.to], a.whole[a.from:])
			} else {
				x.each(output, func(i, _, _ int) { copy(was[a.from+i*size:][:size], a.whole[a.from+i*size:]) })
			}
		}
		if bytes.Equal(a.whole, was) {
			continue
		}
		for at := 0; at < len(was); at += size {
			if is, was := a.whole[at:][:size], was[at:][:size]; !bytes.Equal(is, was) {
				return fmt.Errorf("%v: element %d of %d, which is not an output's, was overwritten: %s",
					op.Role(r), (at-a.from)/size, (a.to-a.from)/size, changed(a.dtype, is, was))
			}
		}
	}
	return nil
}

// isDense reports whether the array in a role, of n elements, has no gaps.
func (x *Arrays) isDense(r op.Role, n int) bool {
	rows, cols := x.Dims(r)
	var v op.View
	v.Offset, v.RowStride, v.ColStride = x.of[r].view.Strides(cols)
	return r == op.RoleChunkSums || n == rows*cols && v.IsDense(rows, cols)
}

func changed(t smoothl1.DType, is, was []byte) string {
	switch t {
	case smoothl1.Float32:
		return fmt.Sprint(elementsOf[float32](is)[0], " for ", elementsOf[float32](was)[0])
	case smoothl1.Float64:
		return fmt.Sprint(elementsOf[float64](is)[0], " for ", elementsOf[float64](was)[0])
	}
	return fmt.Sprintf("bytes %x for %x", is, was)
}

// compare returns an error for the first element of an output whose bits differ from want.
func (x *Arrays) compare(want *Arrays) (err error) {
	for r, a := range x.of {
		if role, b := op.Role(r), want.of[r]; a != nil && role.IsOutput() && err == nil {
			switch a.dtype {
			case smoothl1.Float32:
				err = compareArray(role.String(), elements[float32](a), elements[float32](b))
			case smoothl1.Float64:
				err = compareArray(role.String(), elements[float64](a), elements[float64](b))
			case smoothl1.Float16:
				err = compareArray(role.String(), elements[smoothl1.F16](a), elements[smoothl1.F16](b))
			case smoothl1.BFloat16:
				err = compareArray(role.String(), elements[smoothl1.BF16](a), elements[smoothl1.BF16](b))
			}
		}
	}
	return err
}
