package npy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	npyio "github.com/sbinet/npyio/npy"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
)

// npyio is another implementation, independent of this one and of NumPy. The test uses it only where it is right: it supports neither
// version 3 nor float16, does not reorder Fortran order except for float64 matrices, and accepts damaged files.

func TestReadAsNpyioDoes(t *testing.T) {
	asked := 0
	for _, want := range numpyArrays(t) {
		if want.Member != "" || want.DType == "float16" || strings.HasPrefix(want.File, "v3") || len(want.Bits) == 0 {
			continue
		}
		content, err := os.ReadFile(filepath.Join("testdata", want.File))
		require.NoError(t, err)
		a, err := Read(want.File, bytes.NewReader(content))
		require.NoError(t, err)
		switch {
		case a.layout.fortran && want.DType == "float64" && len(want.Shape) == 2:
			var m mat.Dense
			require.NoError(t, npyio.Read(bytes.NewReader(content), &m))
			require.Equal(t, elementBits(mat.DenseCopyOf(&m).RawMatrix().Data), valueBits[float64](t, a), want.File)
		case a.layout.fortran, want.DType == "bool": // which npyio reads into bools, and these are no Element
			continue
		default:
			of := typed[a.Header().DType]
			require.Equal(t, of.npyio(t, content), of.values(t, a), want.File)
		}
		asked++
	}
	require.Greater(t, asked, 20)
}

func npyioBits[T Element](t *testing.T, content []byte) []string {
	var values []T
	require.NoError(t, npyio.Read(bytes.NewReader(content), &values))
	return elementBits(values)
}

func TestNpyioReadsWhatIsWritten(t *testing.T) {
	for n := range 40 {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(i) / 7
		}
		var b bytes.Buffer
		require.NoError(t, Write("b", &b, Header{Float64, []int{n}}, values))
		r, err := npyio.NewReader(&b)
		require.NoError(t, err)
		require.Equal(t, []int{n}, r.Header.Descr.Shape)
		got := make([]float64, 0)
		require.NoError(t, r.Read(&got))
		require.Equal(t, values, got)
	}
}

func TestReadWhatNpyioWrites(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, npyio.Write(&b, []float32{1, -2, 0.1}))
	a, err := Read("b", bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, Header{Float32, []int{3}}, a.Header())
	require.Equal(t, elementBits([]float32{1, -2, 0.1}), valueBits[float32](t, a))

	b.Reset()
	require.NoError(t, npyio.Write(&b, mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})))
	a, err = Read("b", bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Equal(t, Header{Float64, []int{2, 3}}, a.Header())
	require.Equal(t, elementBits([]float64{1, 2, 3, 4, 5, 6}), valueBits[float64](t, a))
}
