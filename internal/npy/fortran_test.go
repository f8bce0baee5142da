package npy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// fortranToC converts elements of size bytes from Fortran to C order, by the definition of the two.
func fortranToC(shape []int, src []byte, size int) []byte {
	dst := make([]byte, len(src))
	for c := range len(src) / size { // position in C order
		f, rest := 0, c // position in Fortran order, from the indices, which rest yields last dimension first
		for k := len(shape) - 1; k >= 0; k-- {
			f = f*shape[k] + rest%shape[k]
			rest /= shape[k]
		}
		copy(dst[c*size:(c+1)*size], src[f*size:])
	}
	return dst
}

// TestReorder reorders arrays of many shapes, in pieces of many sizes, and compares with the definition of the two orders.
func TestReorder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	shapes := [][]int{{2, 2}, {1, 5}, {5, 1}, {3, 200}, {200, 3}, {1, 1, 3}, {7, 130}, {130, 7}, {64, 65}, {2, 3, 4, 5}}
	for range 200 {
		shape := make([]int, 2+rng.IntN(4))
		for i := range shape {
			shape[i] = 1 + rng.IntN(6)
		}
		shapes = append(shapes, shape)
	}
	for _, shape := range shapes {
		for _, d := range []DType{Bool, Uint16, Float32, Float64} {
			l := layout{Header: Header{d, shape}}
			var err error
			l.count, err = l.Len()
			require.NoError(t, err)
			src := alignedBytes(l.dataBytes())
			for i := range src {
				src[i] = byte(rng.Uint32())
			}
			size, want := d.Size(), fortranToC(shape, src, d.Size())
			got := alignedBytes(l.dataBytes())
			o := newReorder(l, got)
			for at := 0; at < l.count; {
				n := 1 + rng.IntN(l.count-at)
				if rng.IntN(3) == 0 {
					n = l.count - at
				}
				o.put(src[at*size : (at+n)*size])
				at += n
			}
			require.Equal(t, want, got, "shape %v of %v", shape, d)
		}
	}
}

// Where at most one dimension is longer than 1, Fortran order is C order, and the file need not be loaded.
func TestFortranOrderThatIsCOrder(t *testing.T) {
	for shape, reordered := range map[string]bool{"()": false, "(5,)": false, "(1, 5)": false, "(5, 1, 1)": false, "(2, 5)": true} {
		l, err := parseHeader([]byte("{'descr': '<f4', 'fortran_order': True, 'shape': "+shape+"}\n"), false)
		require.NoError(t, err)
		require.Equal(t, reordered, l.fortran, shape)
	}
}
