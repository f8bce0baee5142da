package npy

// reorder converts elements that arrive in Fortran order, piece by piece, to C order.
//
// It treats an array of shape d0 × d1 × d2 … as d0 rows of d1·d2·… elements. Fortran order stores column after column, each of d0
// elements, which are one row apart in C order. The columns follow one another with the index along d1 varying fastest; a column's
// position in a row is its index along d1, d2, … linearized in C order.
type reorder struct {
	dst     []byte
	size    int   // of an element
	rows    int   // d0, the elements of a column
	row     int   // d1·d2·…, the elements of a row
	dims    []int // d1, d2, …
	strides []int // of dims in C order
	index   []int // of the current column
	column  int   // position of the current column in a row
	done    int   // elements of the current column that have been put
}

func newReorder(l layout, dst []byte) *reorder {
	dims := l.Shape[1:]
	o := &reorder{
		dst: dst, size: l.DType.Size(), rows: l.Shape[0], row: 1,
		dims: dims, strides: make([]int, len(dims)), index: make([]int, len(dims)),
	}
	for k := len(dims) - 1; k >= 0; k-- {
		o.strides[k] = o.row
		o.row *= dims[k]
	}
	return o
}

// put stores the elements that follow those of the last call. src must be aligned for elements.
func (o *reorder) put(src []byte) {
	switch o.size {
	case 1:
		putElements(o, o.dst, src)
	case 2:
		putElements(o, elementsOf[uint16](o.dst), elementsOf[uint16](src))
	case 4:
		putElements(o, elementsOf[uint32](o.dst), elementsOf[uint32](src))
	case 8:
		putElements(o, elementsOf[uint64](o.dst), elementsOf[uint64](src))
	}
}

func putElements[W any](o *reorder, dst, src []W) {
	const tile = 64 // columns written together, so that each cache line of a row is filled while it is in the cache
	var columns [tile]int
	for len(src) > 0 {
		if n := min(len(src)/o.rows, tile); o.done == 0 && n > 1 {
			for i := range n {
				columns[i] = o.column
				o.next()
			}
			for r := range o.rows {
				to := dst[r*o.row : (r+1)*o.row]
				for i, c := range columns[:n] {
					to[c] = src[i*o.rows+r]
				}
			}
			src = src[n*o.rows:]
			continue
		}
		n := min(o.rows-o.done, len(src))
		for i, v := range src[:n] {
			dst[(o.done+i)*o.row+o.column] = v
		}
		src = src[n:]
		if o.done += n; o.done == o.rows {
			o.done = 0
			o.next()
		}
	}
}

// next advances to the next column, and from the last to the first.
func (o *reorder) next() {
	for k := range o.index {
		o.index[k]++
		o.column += o.strides[k]
		if o.index[k] < o.dims[k] {
			return
		}
		o.index[k] = 0
		o.column -= o.strides[k] * o.dims[k]
	}
}
