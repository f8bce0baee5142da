package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/stage"
	"github.com/smoothl1/smoothl1/internal/op"
)

// array is an operand of a rich pass: the elements of a matrix in a slice of any type. An absent one has a nil base.
type array struct {
	base                 unsafe.Pointer // element (0, 0)
	size                 int            // of an element in bytes
	rowStride, colStride int
	// The same elements in the same order, as a matrix of the fewest rows: one, if a stride leads from each element to the next.
	rows, cols  int
	pitch, step int // strides of rows and columns
}

// arrayOf returns the array of the elements of a rows × cols view of a slice.
func arrayOf(base unsafe.Pointer, size int, v *op.View, rows, cols int) array {
	if base == nil || rows == 0 || cols == 0 {
		return array{size: size}
	}
	x := array{base: unsafe.Add(base, v.Offset*size), size: size, rowStride: v.RowStride, colStride: v.ColStride,
		rows: rows, cols: cols, pitch: v.RowStride, step: v.ColStride}
	switch {
	case cols == 1:
		x.rows, x.cols, x.step = 1, rows, v.RowStride
	case rows == 1 || v.RowStride == cols*v.ColStride:
		x.rows, x.cols = 1, rows*cols
	}
	return x
}

func (x *array) present() bool { return x.base != nil }

// dense reports whether the elements are consecutive in memory.
func (x *array) dense() bool { return x.rows == 1 && (x.step == 1 || x.cols == 1) }

// constant reports whether all elements are the same one.
func (x *array) constant() bool { return x.rows == 1 && (x.step == 0 || x.cols == 1) }

// constantInRows reports whether all elements of a row are the same one.
func (x *array) constantInRows() bool { return x.colStride == 0 }

// after returns the address of the element that follows the first start, of a dense array.
func (x *array) after(start int) unsafe.Pointer { return unsafe.Add(x.base, start*x.size) }

// gather copies the n elements from element start on, in the order of the matrix, to to.
func (x *array) gather(to unsafe.Pointer, start, n int) {
	switch x.size {
	case 1:
		gather((*uint8)(to), x, start, n)
	case 2:
		gather((*uint16)(to), x, start, n)
	case 4:
		gather((*uint32)(to), x, start, n)
	case 8:
		gather((*uint64)(to), x, start, n)
	}
}

// scatter copies n elements from from to those of the matrix from element start on.
func (x *array) scatter(from unsafe.Pointer, start, n int) {
	switch x.size {
	case 2:
		scatter((*uint16)(from), x, start, n)
	case 4:
		scatter((*uint32)(from), x, start, n)
	case 8:
		scatter((*uint64)(from), x, start, n)
	}
}

// word is the type of an element that is only moved.
type word interface {
	uint8 | uint16 | uint32 | uint64
}

func gather[E word](to *E, x *array, start, n int) {
	dst := unsafe.Slice(to, n)
	row, col := start/x.cols, start%x.cols
	size := int(unsafe.Sizeof(*to))
	for len(dst) > 0 {
		if col == 0 && x.step == 0 && x.pitch == 1 && len(dst) > x.cols { // one for each of several rows
			stage.Repeat(dst, unsafe.Slice((*E)(unsafe.Add(x.base, row*size)), x.rows-row), x.cols)
			return
		}
		part := dst[:min(len(dst), x.cols-col)]
		from := unsafe.Add(x.base, (row*x.pitch+col*x.step)*size)
		switch x.step {
		case 0:
			repeat(part, copy(part, unsafe.Slice((*E)(from), 1)))
		case 1:
			copy(part, unsafe.Slice((*E)(from), len(part)))
		default:
			for i := range part {
				part[i] = *(*E)(unsafe.Add(from, i*x.step*size))
			}
		}
		if col == 0 && x.pitch == 0 { // all rows are this one
			repeat(dst, len(part))
			return
		}
		dst = dst[len(part):]
		row, col = row+1, 0
	}
}

// repeat fills dst with copies of its first n elements.
func repeat[E any](dst []E, n int) {
	for n < len(dst) {
		n += copy(dst[n:], dst[:n])
	}
}

func scatter[E word](from *E, x *array, start, n int) {
	src := unsafe.Slice(from, n)
	row, col := start/x.cols, start%x.cols
	size := int(unsafe.Sizeof(*from))
	for len(src) > 0 {
		part := src[:min(len(src), x.cols-col)]
		to := unsafe.Add(x.base, (row*x.pitch+col*x.step)*size)
		if x.step == 1 {
			copy(unsafe.Slice((*E)(to), len(part)), part)
		} else {
			for i, value := range part {
				*(*E)(unsafe.Add(to, i*x.step*size)) = value
			}
		}
		src = src[len(part):]
		row, col = row+1, 0
	}
}

// choose copies, for the rows from row on, the element of the column that the index names to to.
func (x *array) choose(to unsafe.Pointer, index []int32, row int) {
	switch x.size {
	case 2:
		chooseWords((*uint16)(to), x, index, row)
	case 4:
		chooseWords((*uint32)(to), x, index, row)
	case 8:
		chooseWords((*uint64)(to), x, index, row)
	}
}

// put is the opposite of choose. The other elements of the rows become 0 unless keep is set.
func (x *array) put(from unsafe.Pointer, index []int32, row, columns int, keep bool) {
	switch x.size {
	case 2:
		putWords((*uint16)(from), x, index, row, columns, keep)
	case 4:
		putWords((*uint32)(from), x, index, row, columns, keep)
	case 8:
		putWords((*uint64)(from), x, index, row, columns, keep)
	}
}

func chooseWords[E word](to *E, x *array, index []int32, row int) {
	dst, size := unsafe.Slice(to, len(index)), int(unsafe.Sizeof(*to))
	at, pitch, step := row*x.rowStride*size, x.rowStride*size, x.colStride*size
	for i, column := range index {
		dst[i] = *(*E)(unsafe.Add(x.base, at+int(column)*step))
		at += pitch
	}
}

func putWords[E word](from *E, x *array, index []int32, row, columns int, keep bool) {
	src, size := unsafe.Slice(from, len(index)), int(unsafe.Sizeof(*from))
	at, pitch, step := row*x.rowStride*size, x.rowStride*size, x.colStride*size
	dense := x.rowStride == columns && x.colStride == 1
	switch {
	case keep:
	case dense:
		clear(unsafe.Slice((*E)(unsafe.Add(x.base, at)), len(index)*columns))
	default:
		for i := range index {
			for c := range columns {
				*(*E)(unsafe.Add(x.base, at+i*pitch+c*step)) = 0
			}
		}
	}
	for i, column := range index {
		*(*E)(unsafe.Add(x.base, at+int(column)*step)) = src[i]
		at += pitch
	}
}
