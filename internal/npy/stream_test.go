package npy

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// TestStream reads streams of either byte order, in C and Fortran order, in pieces of several sizes.
func TestStream(t *testing.T) {
	const rows, columns = 30, 7
	for _, text := range []string{
		"{'descr': '" + native + "f4', 'fortran_order': False, 'shape': (30, 7)}\n",
		"{'descr': '" + foreign + "f4', 'fortran_order': False, 'shape': (30, 7)}\n",
		"{'descr': '" + native + "f4', 'fortran_order': True, 'shape': (30, 7)}\n",
	} {
		content := npyFile(1, text, 0)
		content = append(content, ramp(rows * columns)[128:]...)
		whole, err := Read("whole", bytes.NewReader(content))
		require.NoError(t, err)
		want := valueBits[float32](t, whole)
		for size := 1; size <= rows*columns; size += 11 {
			a, err := Stream("s", iotest.HalfReader(bytes.NewReader(content)))
			require.NoError(t, err)
			require.Equal(t, []int{rows, columns}, a.Header().Shape)
			got := make([]float32, a.Len())
			for at := 0; at < len(got); at += size {
				require.NoError(t, ReadAt(a, got[at:min(len(got), at+size)], at))
			}
			require.Equal(t, want, elementBits(got))
		}
		a, err := Stream("s", bytes.NewReader(content))
		require.NoError(t, err)
		require.Equal(t, want, valueBits[float32](t, a))
		require.Equal(t, want, valueBits[float32](t, a), "they stay")
		loaded, err := Stream("s", bytes.NewReader(content))
		require.NoError(t, err)
		require.NoError(t, loaded.Load())
		for at := loaded.Len() - 3; at >= 0; at -= 5 { // backwards
			got := make([]float32, 3)
			require.NoError(t, ReadAt(loaded, got, at))
			require.Equal(t, want[at:at+3], elementBits(got))
		}
		require.NoError(t, loaded.Close())
		require.Error(t, loaded.Load())
		begun, err := Stream("s", bytes.NewReader(content))
		require.NoError(t, err)
		if !begun.layout.fortran { // which is loaded by the first ReadAt
			require.NoError(t, ReadAt(begun, make([]float32, 2), 0))
			require.ErrorContains(t, begun.Load(), "read of all elements of a stream, but element 2 is next")
		}
		require.NoError(t, whole.Load(), "nothing to do")
		require.NoError(t, a.Close())
		require.Error(t, ReadAt(a, make([]float32, 1), 0))
	}
}

func TestStreamErrors(t *testing.T) {
	content := ramp(10)
	failed := errors.New("the disk fell out")
	three := make([]float32, 3)
	for name, c := range map[string]struct {
		r      io.Reader
		reason string
	}{
		"truncated":      {bytes.NewReader(content[:len(content)-5]), "s: truncated: shape (10,) of float32 is 40 bytes of data, the file has 35"},
		"trailing bytes": {bytes.NewReader(append(content[:len(content):len(content)], 0)), "s: trailing bytes after the 40 of shape (10,)"},
		"broken":         {io.MultiReader(bytes.NewReader(content[:150]), iotest.ErrReader(failed)), "npy: s: the disk fell out"},
	} {
		a, err := Stream("s", c.r)
		require.NoError(t, err)
		for at := 0; at < 10 && err == nil; at += 5 {
			err = ReadAt(a, make([]float32, 5), at)
		}
		require.ErrorContains(t, err, c.reason, name)
		require.Equal(t, err, ReadAt(a, three, 0), "the error stays")
		_, err = Values[float32](a)
		require.ErrorContains(t, err, c.reason, name)
	}
	a, err := Stream("s", bytes.NewReader(content))
	require.NoError(t, err)
	require.NoError(t, ReadAt(a, three, 0))
	require.EqualError(t, ReadAt(a, three, 4), "npy: s: read of element 4 of a stream, but element 3 is next")
	_, err = Values[float32](a)
	require.EqualError(t, err, "npy: s: read of all elements of a stream, but element 3 is next")
	require.NoError(t, ReadAt(a, three, 3))
	_, err = Stream("s", bytes.NewReader(append(ramp(0), 0)))
	require.ErrorContains(t, err, "trailing bytes")
	_, err = Stream("s", bytes.NewReader(content[:20]))
	require.ErrorContains(t, err, "ends within the header")
}

// Once Values has loaded a stream, ReadAt reads from what was loaded, in any order.
func TestLoadedStream(t *testing.T) {
	a, err := Stream("s", bytes.NewReader(ramp(10)))
	require.NoError(t, err)
	_, err = Values[float32](a)
	require.NoError(t, err)
	for _, first := range []int{4, 0} {
		got := make([]float32, 2)
		require.NoError(t, ReadAt(a, got, first))
		require.Equal(t, []float32{float32(first), float32(first + 1)}, got)
	}
}
