package main

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// A source reads elements, beginning with the given one, of an array of any size.
type source[E any] func(dst []E, first int) error

// buffered is the number of elements that are converted, or looked for repeated ones in, at a time.
const buffered = 1 << 14

// numbers returns a source of the numbers of an array, each rounded once to T. It counts in l those that are lost by that.
func numbers[T smoothl1.Float](a *npy.Array, l *lost) source[T] {
	t := a.Header().DType
	if t == npyType(smoothl1.DTypeOf[T]()) {
		return elements[T](a)
	}
	switch t {
	case npy.Float16:
		return narrowed(elements[smoothl1.F16](a), floats[T, smoothl1.F16], edges[smoothl1.F16], l)
	case npy.Float32:
		return narrowed(elements[float32](a), floats[T, float32], edges[float32], l)
	case npy.Float64:
		return narrowed(elements[float64](a), floats[T, float64], edges[float64], l)
	case npy.Bool:
		return converted(flags(a), integers[T, uint8])
	case npy.Uint64:
		return narrowed(elements[uint64](a), integers[T, uint64], integerEdges[uint64], l)
	}
	return narrowed(whole(a), integers[T, int64], integerEdges[int64], l)
}

// flags returns a source of a mask: 0, or 1 for any other value.
func flags(a *npy.Array) source[uint8] {
	return converted(whole(a), func(dst []uint8, src []int64) error {
		for i, x := range src {
			dst[i] = 0
			if x != 0 {
				dst[i] = 1
			}
		}
		return nil
	})
}

// whole returns a source of integers or bools. Those of uint64 that an int64 cannot hold become negative.
func whole(a *npy.Array) source[int64] {
	switch a.Header().DType {
	case npy.Int8:
		return converted(elements[int8](a), extend[int8])
	case npy.Int16:
		return converted(elements[int16](a), extend[int16])
	case npy.Int32:
		return converted(elements[int32](a), extend[int32])
	case npy.Int64:
		return elements[int64](a)
	case npy.Uint16:
		return converted(elements[uint16](a), extend[uint16])
	case npy.Uint32:
		return converted(elements[uint32](a), extend[uint32])
	case npy.Uint64:
		return converted(elements[uint64](a), extend[uint64])
	}
	return converted(elements[uint8](a), extend[uint8])
}

func extend[I integer](dst []int64, src []I) error {
	for i, x := range src {
		dst[i] = int64(x)
	}
	return nil
}

func elements[E npy.Element](a *npy.Array) source[E] {
	return func(dst []E, first int) error { return npy.ReadAt(a, dst, first) }
}

// converted returns a source of converted elements.
func converted[To, From any](from source[From], convert func([]To, []From) error) source[To] {
	var buffer []From
	return func(dst []To, first int) error {
		for len(dst) > 0 {
			n := min(len(dst), buffered)
			if len(buffer) < n {
				buffer = make([]From, n)
			}
			if err := from(buffer[:n], first); err != nil {
				return err
			}
			if err := convert(dst[:n], buffer[:n]); err != nil {
				return err
			}
			dst, first = dst[n:], first+n
		}
		return nil
	}
}

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// floats converts floating-point numbers, each rounded once.
func floats[T, From smoothl1.Float](dst []T, src []From) error {
	narrow, to := any(dst).([]float32)
	wide, from := any(src).([]float64)
	if !to || !from {
		return smoothl1.Convert(dst, src)
	}
	for i, x := range wide { // the commonest, without Convert's call for each number
		narrow[i] = float32(x)
	}
	return nil
}

// integers converts integers, each rounded once.
func integers[T smoothl1.Float, I integer](dst []T, src []I) error {
	switch dst := any(dst).(type) {
	case []float32:
		for i, x := range src {
			dst[i] = float32(x)
		}
	case []float64:
		for i, x := range src {
			dst[i] = float64(x)
		}
	case []smoothl1.F16:
		for i, x := range src {
			dst[i] = smoothl1.ToF16(odd(x))
		}
	case []smoothl1.BF16:
		for i, x := range src {
			dst[i] = smoothl1.ToBF16(odd(x))
		}
	}
	return nil
}

// odd returns an integer as a float64. If it has too many bits for one, the last bit that is kept becomes 1, so that the result is
// no midway point, and rounds to a shorter format as the integer does.
func odd[I integer](x I) float64 {
	const lost = 1<<11 - 1
	magnitude := uint64(x)
	if x < 0 {
		magnitude = -magnitude
	}
	if magnitude>>53 != 0 && magnitude&lost != 0 {
		magnitude = magnitude&^lost | (lost + 1)
	}
	if x < 0 {
		return -float64(magnitude)
	}
	return float64(magnitude)
}

// repeated returns a source of the elements of a view, given one of those of its array. Unless the view repeats nothing, elements of the
// array must be readable in any order.
func repeated[E any](from source[E], v view, count int) source[E] {
	if !v.repeats() {
		return from
	}
	r := &repetition[E]{from: from, count: count}
	for k, d := range v.dims { // dimensions that follow one another in memory as in the view are one
		s := v.strides[k]
		if n := len(r.dims) - 1; d == 1 {
			continue
		} else if n >= 0 && r.strides[n] == s*d {
			r.dims[n], r.strides[n] = r.dims[n]*d, s
			continue
		}
		r.dims, r.strides = append(r.dims, d), append(r.strides, s)
	}
	r.index = make([]int, len(r.dims))
	return r.read
}

// A repetition reads the elements of a view that repeats some, through a window of the array.
type repetition[E any] struct {
	from          source[E]
	count         int // elements of the array
	dims, strides []int
	index         []int // of the next element
	window        []E
	start         int // of the window in the array
}

func (r *repetition[E]) read(dst []E, first int) error {
	if len(dst) == 0 {
		return nil // a dimension may be 0
	}
	at := 0
	for k := len(r.dims) - 1; k >= 0; k-- {
		r.index[k] = first % r.dims[k]
		first /= r.dims[k]
		at += r.index[k] * r.strides[k]
	}
	last := len(r.dims) - 1
	for len(dst) > 0 {
		n := min(len(dst), r.dims[last]-r.index[last])
		if r.strides[last] != 0 {
			n = min(n, buffered)
		}
		if err := r.run(dst[:n], at, r.strides[last]); err != nil {
			return err
		}
		dst = dst[n:]
		r.index[last] += n
		at += n * r.strides[last]
		for k := last; k > 0 && r.index[k] == r.dims[k]; k-- {
			r.index[k], r.index[k-1] = 0, r.index[k-1]+1
			at += r.strides[k-1] - r.dims[k]*r.strides[k]
		}
	}
	return nil
}

// run reads elements that are 1 or, if repeated, 0 apart.
func (r *repetition[E]) run(dst []E, at, stride int) error {
	n := 1
	if stride != 0 {
		n = len(dst)
	}
	if at < r.start || at+n > r.start+len(r.window) {
		if r.window == nil {
			r.window = make([]E, min(buffered, r.count))
		}
		r.window, r.start = r.window[:min(cap(r.window), r.count-at)], at
		if err := r.from(r.window, at); err != nil {
			r.window = r.window[:0]
			return err
		}
	}
	if stride != 0 {
		copy(dst, r.window[at-r.start:])
		return nil
	}
	x := r.window[at-r.start]
	for i := range dst {
		dst[i] = x
	}
	return nil
}
