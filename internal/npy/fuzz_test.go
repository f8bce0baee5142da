package npy

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	npyio "github.com/sbinet/npyio/npy"
	"github.com/stretchr/testify/require"
)

func addFiles(f *testing.F, pattern string) {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	require.NoError(f, err)
	require.NotEmpty(f, paths)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(content)
	}
}

// FuzzRead passes arbitrary bytes to Read, which must return a FormatError, or an array that accounts for every byte.
func FuzzRead(f *testing.F) {
	addFiles(f, "*.npy")
	for _, c := range badFiles {
		if len(c.content) < 2000 {
			f.Add(c.content)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := Read("fuzz", bytes.NewReader(content))
		b, errUnknown := Read("fuzz", io.MultiReader(bytes.NewReader(content)))
		if err != nil {
			require.ErrorAs(t, err, new(*FormatError))
			require.ErrorAs(t, errUnknown, new(*FormatError))
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NoError(t, errUnknown)
		typed[a.Header().DType].fuzz(t, content, a, b)
	})
}

func fuzzArray[T Element](t *testing.T, content []byte, a, b *Array) {
	values, err := Values[T](a)
	require.NoError(t, err)
	require.Len(t, values, a.Len())
	require.EqualValues(t, len(content), a.layout.offset+int64(len(values)*a.Header().DType.Size()))
	require.Equal(t, a.layout, b.layout)
	require.Equal(t, a.values, b.values)

	var w bytes.Buffer
	require.NoError(t, Write("fuzz", &w, a.Header(), values))
	if plain := !a.layout.fortran && !a.layout.bigEndian; plain {
		require.Equal(t, content[a.layout.offset:], w.Bytes()[w.Len()-len(a.values):])
	}
	back, err := Read("fuzz", bytes.NewReader(w.Bytes()))
	require.NoError(t, err)
	require.Equal(t, a.Header(), back.Header())
	require.Equal(t, a.values, back.values)

	text := content[10:a.layout.offset]
	if content[6] > 1 {
		text = text[2:]
	}
	if d := a.Header().DType; d == Float16 || d == Bool || a.Len() == 0 || !numpysText.Match(text) {
		return
	}
	if got, ok := npyioRead[T](content); ok {
		require.Equal(t, elementBits(got), elementBits(values))
	}
}

// numpysText matches a header as NumPy writes it for C order. npyio misreads others: (4, 3),} as a shape of 4.
var numpysText = regexp.MustCompile(`^\{'descr': '[<>][a-z]\d', 'fortran_order': False, 'shape': \((\d+,|\d+(, \d+)+)?\), \} *\n$`)

// npyioRead reads with npyio, which panics on some files.
func npyioRead[T Element](content []byte) (values []T, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	err := npyio.Read(bytes.NewReader(content), &values)
	return values, err == nil
}

// FuzzArchive passes arbitrary bytes to NewArchive, and reads all arrays that it lists.
func FuzzArchive(f *testing.F) {
	addFiles(f, "*.npz")
	f.Fuzz(func(t *testing.T, content []byte) {
		archive, err := NewArchive("fuzz", bytes.NewReader(content), int64(len(content)))
		if err != nil {
			require.ErrorAs(t, err, new(*FormatError))
			return
		}
		for _, name := range archive.Names() {
			a, err := archive.Read(name)
			if err != nil {
				require.ErrorAs(t, err, new(*FormatError))
				continue
			}
			n, err := a.Header().Len()
			require.NoError(t, err)
			require.Equal(t, n, a.Len())
			require.Len(t, a.values, n*a.Header().DType.Size())
			require.EqualValues(t, archive.members[name].UncompressedSize64, a.layout.offset+int64(len(a.values)))
		}
	})
}

// FuzzWrite writes arrays of any type and shape, and reads them back: as written, and with a header that declares Fortran order.
func FuzzWrite(f *testing.F) {
	f.Add(uint8(1), []byte{}, []byte{0, 0, 0xc0, 0x7f})
	f.Add(uint8(2), []byte{2, 1}, bytes.Repeat([]byte("abcdefgh"), 2))
	f.Add(uint8(3), []byte{2, 3, 2}, []byte("abcdefghijklmnopqrstuvwx"))
	f.Add(uint8(4), []byte{0, 255}, []byte{})
	f.Add(uint8(5), []byte{2, 3}, []byte{0, 1, 1, 0, 0, 1})
	f.Add(uint8(12), []byte{2, 2}, bytes.Repeat([]byte("abcdefgh"), 4))
	f.Fuzz(func(t *testing.T, dtype uint8, dims, data []byte) {
		h := Header{DType: DType(dtype), Shape: make([]int, len(dims))}
		for i, d := range dims {
			h.Shape[i] = int(d)
		}
		n, err := h.Len()
		if err != nil || n*h.DType.Size() > len(data) {
			var w bytes.Buffer
			require.Error(t, Write[float32]("fuzz", &w, h, nil))
			return
		}
		values := alignedBytes(n * h.DType.Size())
		copy(values, data)
		var w bytes.Buffer
		require.NoError(t, typed[h.DType].write(&w, h, values))
		a, err := Read("fuzz", bytes.NewReader(w.Bytes()))
		require.NoError(t, err)
		require.Equal(t, h, a.Header())
		require.Equal(t, values, a.values)

		fortran, err := Read("fuzz", bytes.NewReader(bytes.Replace(w.Bytes(), []byte("False,"), []byte("True, "), 1)))
		require.NoError(t, err)
		require.Equal(t, fortranToC(h.Shape, values, h.DType.Size()), fortran.values)
	})
}
