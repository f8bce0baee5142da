package difftest

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
)

// matrix returns the shape of the case's matrix.
func (c Case) matrix() op.Matrix {
	m := op.Matrix{Rows: 1, Cols: c.N, Actions: c.N}
	if c.Shaped() {
		m.Rows, m.Cols, m.Actions = c.Rows, c.Cols, c.Cols
	}
	if c.Actions > 0 {
		m.Actions = c.Actions
	}
	return m
}

// viewOf returns the view of the array in a role, and its length.
func (c Case) viewOf(r op.Role) (smoothl1.View, int) {
	m := c.matrix()
	rows, cols := m.Dims(r)
	switch {
	case r == op.RoleChunkSums && c.ByRow:
		return smoothl1.View{}, rows * cpu.Chunks(cols)
	case r == op.RoleChunkSums:
		return smoothl1.View{}, cpu.Chunks(c.N)
	}
	return c.Forms[r].view(rows, cols)
}

// shiftOf returns the number of elements of the given size by which the array with that place in order is shifted.
func (c Case) shiftOf(k, size int) int {
	digits := c.Shift
	for range k {
		digits /= 10
	}
	return digits % 10 % max(4, 16/size)
}

// layout returns the arrays of the case, full of sentinels.
func (c Case) layout() *Arrays {
	x := &Arrays{Matrix: c.matrix(), shaped: c.Shaped()}
	k, inPlace := 0, c.InPlace
	for _, r := range order {
		switch {
		case !c.has(r):
		case r.InPlace() && inPlace:
			inPlace = false
			x.of[r] = x.of[op.RolePred]
		default:
			t := typeOf(r, c.DType)
			v, n := c.viewOf(r)
			x.of[r] = newArray(t, v, n, c.shiftOf(k, t.Size()))
			k++
		}
	}
	return x
}

// arrays returns the arrays of the case with their contents. They are the same on every machine.
func (c Case) arrays() (*Arrays, error) {
	if int(c.DType) >= len(formats) {
		return nil, errNoType(c.DType)
	}
	x, g := c.layout(), generate(c)
	for r, values := range g.values {
		if values != nil && (x.of[r] != x.of[op.RolePred] || r == int(op.RolePred)) {
			x.store(op.Role(r), values, g.keep)
		}
	}
	if g.keep != nil {
		mask := elements[uint8](x.of[op.RoleMask])
		x.each(op.RoleMask, func(i, row, col int) {
			mask[i] = 0
			switch at := row*x.Cols + col; {
			case !g.keep[at]:
			case at/64%2 == 0: // as a bool has it
				mask[i] = 1
			default:
				mask[i] = uint8(1 + at%255)
			}
		})
	}
	copy(elements[int32](x.of[op.RoleIndex]), g.index)
	return x, nil
}

// store stores the values of a matrix in the array of a role. Elements that a mask leaves out stay sentinels, unless they share their place
// with one that it keeps.
func (x *Arrays) store(r op.Role, values []float64, keep []bool) {
	switch a := x.of[r]; a.dtype {
	case smoothl1.Float32:
		storeIn(x, r, elements[float32](a), values, keep, func(v float64) float32 { return float32(v) })
	case smoothl1.Float64:
		storeIn(x, r, elements[float64](a), values, keep, func(v float64) float64 { return v })
	case smoothl1.Float16:
		storeIn(x, r, elements[smoothl1.F16](a), values, keep, smoothl1.ToF16)
	case smoothl1.BFloat16:
		storeIn(x, r, elements[smoothl1.BF16](a), values, keep, smoothl1.ToBF16)
	}
}

func storeIn[T smoothl1.Float](x *Arrays, r op.Role, to []T, values []float64, keep []bool, narrow func(float64) T) {
	if keep == nil && x.isDense(r, len(to)) {
		for i, v := range values {
			to[i] = narrow(v)
		}
		return
	}
	_, cols := x.Dims(r)
	kept := func(row, col int) bool { return keep == nil || r.IsOutput() || keep[row*x.Cols+min(col, x.Cols-1)] }
	x.each(r, func(i, row, col int) {
		if kept(row, col) {
			to[i] = narrow(values[row*cols+col])
		}
	})
}
