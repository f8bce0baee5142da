package gorgonia

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

// random returns a tensor of normal numbers, the same ones for the same seed.
func random(dtype tensor.Dtype, seed uint64, shape ...int) *tensor.Dense {
	r := rand.New(rand.NewPCG(seed, 0))
	x := tensor.New(tensor.Of(dtype), tensor.WithShape(shape...))
	for i := range product(shape) {
		switch dtype {
		case tensor.Float32:
			x.SetF32(i, float32(2*r.NormFloat64()))
		case tensor.Float64:
			x.SetF64(i, 2*r.NormFloat64())
		case tensor.Bool:
			x.SetB(i, r.IntN(3) > 0)
		case tensor.Uint8:
			x.SetU8(i, uint8(r.IntN(3)))
		}
	}
	return x
}

func zeros(like *tensor.Dense) *tensor.Dense {
	return tensor.New(tensor.Of(like.Dtype()), tensor.WithShape(like.Shape()...))
}

// eachAt calls f with the indices of each element of a tensor of the shape, in order.
func eachAt(shape []int, f func(at ...int)) {
	at := make([]int, len(shape))
	for i := range product(shape) {
		for d := len(shape) - 1; d >= 0; d-- {
			at[d], i = i%shape[d], i/shape[d]
		}
		f(at...)
	}
}

// list returns the elements of a tensor in the order of their indices, as float64.
func list(t testing.TB, x *tensor.Dense) (out []float64) {
	t.Helper()
	eachAt(x.Shape(), func(at ...int) {
		switch v := get(t, x, at...).(type) {
		case float32:
			out = append(out, float64(v))
		case float64:
			out = append(out, v)
		}
	})
	return out
}

func get(t testing.TB, x *tensor.Dense, at ...int) any {
	t.Helper()
	if x.Dims() == 0 {
		return x.ScalarValue()
	}
	v, err := x.At(at...)
	require.NoError(t, err)
	return v
}

// copied returns a contiguous tensor with the elements of x, repeated as broadcasting to the shape does.
func copied(t testing.TB, x *tensor.Dense, shape ...int) *tensor.Dense {
	t.Helper()
	out, i := tensor.New(tensor.Of(x.Dtype()), tensor.WithShape(shape...)), 0
	eachAt(shape, func(at ...int) {
		from := append([]int{}, at[len(at)-x.Dims():]...)
		for d := range from {
			from[d] = min(from[d], x.Shape()[d]-1)
		}
		out.Set(i, get(t, x, from...))
		i++
	})
	return out
}

// requireBits compares bit patterns; any two NaNs are equal.
func requireBits(t testing.TB, want, got []float64, what ...any) {
	t.Helper()
	require.Len(t, got, len(want), what...)
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) && !(math.IsNaN(want[i]) && math.IsNaN(got[i])) {
			require.FailNow(t, "bits differ", "%v: element %d: want %v, got %v", fmt.Sprint(what...), i, want[i], got[i])
		}
	}
}
