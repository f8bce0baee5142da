package gorgonia

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
)

// call is what the tensors of a call say of it.
type call struct {
	tensors [roles]*tensor.Dense
	n       int             // elements of pred
	shape   *smoothl1.Shape // nil if all tensors are contiguous
}

// read checks the tensors and finds out how they lie in memory.
func (c *call) read(op string, a *Args) error {
	c.tensors = a.tensors()
	if a.Upstream.kind == byElement && a.Upstream.elements == nil {
		return smoothl1.NewArgError(op, upstream.String(), "nil", smoothl1.ErrNil)
	}
	for _, r := range []role{pred, target} {
		if c.tensors[r] == nil {
			return smoothl1.NewArgError(op, r.String(), "nil", smoothl1.ErrNil)
		}
	}
	dims := c.tensors[pred].Shape()
	c.n = product(dims)
	var strides [roles][]int
	contiguous := true
	for i, x := range c.tensors {
		if x == nil {
			continue
		}
		r := role(i)
		if err := check(op, r, x, c.tensors[pred].Dtype()); err != nil {
			return err
		}
		var err error
		if strides[r], err = stridesOf(op, r, x, dims, a.Broadcast && !r.output() && r != pred); err != nil {
			return err
		}
		contiguous = contiguous && isContiguous(dims, strides[r])
	}
	if contiguous || c.n == 0 {
		return nil
	}
	return c.collapse(op, dims, &strides)
}

func differs(op string, r role, x *tensor.Dense, dims tensor.Shape) error {
	return smoothl1.NewArgError(op, r.String(), fmt.Sprintf("of shape %v", x.Shape()), fmt.Errorf("%w: pred has shape %v", smoothl1.ErrLength, dims))
}

// isContiguous reports whether a tensor with the shape and strides has consecutive elements, in the order of its indices.
func isContiguous(dims, strides []int) bool {
	want := 1
	for i := len(dims) - 1; i >= 0; i-- {
		if dims[i] != 1 && strides[i] != want {
			return false
		}
		want *= dims[i]
	}
	return true
}

// stridesOf returns the strides of x, one for each dimension of dims. The stride of a dimension in which x repeats elements is 0.
func stridesOf(op string, r role, x *tensor.Dense, dims tensor.Shape, broadcast bool) ([]int, error) {
	own, strides := x.Shape(), x.Strides()
	if len(strides) == len(own) && slices.Equal(own, dims) {
		return strides, nil
	}
	missing := len(dims) - len(own)
	if missing < 0 || !broadcast && missing > 0 {
		return nil, differs(op, r, x, dims)
	}
	if len(strides) != len(own) && product(own) != 1 {
		// Package tensor gives a row or column vector in column-major order one stride.
		if len(strides) != 1 {
			return nil, smoothl1.NewArgError(op, r.String(), fmt.Sprintf("of shape %v with strides %v", own, strides), smoothl1.ErrView)
		}
		one := strides[0]
		strides = make([]int, len(own))
		for i := range strides {
			strides[i] = one
		}
	}
	out := make([]int, len(dims))
	for i, n := range own {
		switch at := missing + i; {
		case n == 1 && (broadcast || dims[at] == 1):
		case n == dims[at]:
			out[at] = strides[i]
		default:
			return nil, differs(op, r, x, dims)
		}
	}
	return out, nil
}

// collapse makes a matrix of the dimensions, by joining neighbors of which in every tensor one stride leads from each element to the next.
func (c *call) collapse(op string, dims tensor.Shape, strides *[roles][]int) error {
	var sizes []int
	var last [2][roles]int // the strides of the dimensions in sizes
	for i, n := range dims {
		if n == 1 {
			continue
		}
		k := len(sizes) - 1
		joined := k >= 0
		for r, s := range strides {
			if c.tensors[r] != nil && joined {
				joined = last[k][r] == s[i]*n
			}
		}
		if !joined {
			k++
			if k == len(last) {
				return smoothl1.NewArgError(op, "pred", fmt.Sprintf("of shape %v", dims),
					fmt.Errorf("%w: the tensors are not views of one matrix; materialize those that are views, or broadcast", smoothl1.ErrView))
			}
			sizes = append(sizes, 1)
		}
		sizes[k] *= n
		for r, s := range strides {
			if c.tensors[r] != nil {
				last[k][r] = s[i]
			}
		}
	}
	for len(sizes) < 2 { // a row
		sizes = append([]int{1}, sizes...)
		last[1], last[0] = last[0], [roles]int{}
	}
	view := func(r role) smoothl1.View {
		if c.tensors[r] == nil {
			return smoothl1.View{}
		}
		return smoothl1.Strided(0, last[0][r], last[1][r])
	}
	c.shape = &smoothl1.Shape{Rows: sizes[0], Cols: sizes[1],
		Pred: view(pred), Target: view(target), Weight: view(weight), Mask: view(mask), Beta: view(beta), Upstream: view(upstream),
		Direction: view(direction), Terms: view(terms), Abs: view(abs), GradPred: view(gradPred), GradTarget: view(gradTarget), Second: view(second)}
	return nil
}

// cut returns the memory of a tensor: if all tensors are contiguous, just its elements.
func cut[T any](c *call, r role, slice func(*tensor.Dense) []T) []T {
	x := c.tensors[r]
	switch {
	case x == nil:
		return nil
	case c.n == 0:
		return []T{}
	case c.shape == nil:
		return slice(x)[:c.n]
	}
	return slice(x)
}

// mask returns the memory of the mask.
func (c *call) mask() []uint8 {
	if x := c.tensors[mask]; x != nil && x.Dtype() == tensor.Bool {
		return smoothl1.Bytes(cut(c, mask, (*tensor.Dense).Bools))
	}
	return cut(c, mask, (*tensor.Dense).Uint8s)
}

// extent returns the number of elements that the memory of x must have for its shape and strides.
func extent(x *tensor.Dense) int {
	dims, strides := x.Shape(), x.Strides()
	if product(dims) == 0 {
		return 0
	}
	last := 0
	for i := range min(len(dims), len(strides)) {
		last += (dims[i] - 1) * strides[i]
	}
	return last + 1
}

// product returns the number of elements of a shape. That of package tensor is 0 for a scalar.
func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}
