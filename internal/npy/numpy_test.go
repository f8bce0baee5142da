package npy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// numpyArray is the record that testdata/make.py made of an array that NumPy wrote.
type numpyArray struct {
	File   string
	Member string // of an archive
	DType  string
	Shape  []int
	Bits   []string // of the elements in C order
}

func numpyArrays(t testing.TB) []numpyArray {
	text, err := os.ReadFile("testdata/arrays.json")
	require.NoError(t, err)
	var all []numpyArray
	require.NoError(t, json.Unmarshal(text, &all))
	require.Greater(t, len(all), 60)
	return all
}

// elementBits returns the bits of elements in the form of arrays.json.
func elementBits[T Element](values []T) []string {
	s := make([]string, len(values))
	for i := range values {
		switch b := bytesOf(values[i : i+1]); len(b) {
		case 1:
			s[i] = fmt.Sprintf("%02x", b[0])
		case 2:
			s[i] = fmt.Sprintf("%04x", binary.NativeEndian.Uint16(b))
		case 4:
			s[i] = fmt.Sprintf("%08x", binary.NativeEndian.Uint32(b))
		case 8:
			s[i] = fmt.Sprintf("%016x", binary.NativeEndian.Uint64(b))
		}
	}
	return s
}

func valueBits[T Element](t testing.TB, a *Array) []string {
	values, err := Values[T](a)
	require.NoError(t, err)
	return elementBits(values)
}

// pieceBits reads an array through ReadAt, in pieces of n.
func pieceBits[T Element](t testing.TB, a *Array, n int) []string {
	var all []string
	for first := 0; first < a.Len(); first += n {
		piece := make([]T, min(n, a.Len()-first))
		require.NoError(t, ReadAt(a, piece, first))
		all = append(all, elementBits(piece)...)
	}
	return all
}

// requireArray compares an array, read as a whole and in pieces, with NumPy's record.
func requireArray(t testing.TB, want numpyArray, a *Array) {
	require.Equal(t, want.DType, a.Header().DType.String())
	require.Equal(t, want.Shape, a.Header().Shape)
	require.Equal(t, len(want.Bits), a.Len())
	for _, n := range []int{1, 5, 1000} {
		got := typed[a.Header().DType].pieces(t, a, n)
		require.Equal(t, strings.Join(want.Bits, " "), strings.Join(got, " "), "in pieces of %d", n)
	}
	require.Equal(t, strings.Join(want.Bits, " "), strings.Join(typed[a.Header().DType].values(t, a), " "))
}

// typed has the functions of tests for arrays of each type.
var typed = map[DType]functions{
	Float32: functionsOf[float32](), Float64: functionsOf[float64](), Float16: functionsOf[uint16](), Uint16: functionsOf[uint16](),
	Bool: functionsOf[uint8](), Uint8: functionsOf[uint8](), Uint32: functionsOf[uint32](), Uint64: functionsOf[uint64](),
	Int8: functionsOf[int8](), Int16: functionsOf[int16](), Int32: functionsOf[int32](), Int64: functionsOf[int64](),
}

type functions struct {
	values func(t testing.TB, a *Array) []string
	pieces func(t testing.TB, a *Array, n int) []string
	write  func(w io.Writer, h Header, bytes []byte) error
	fuzz   func(t *testing.T, content []byte, a, b *Array)
	npyio  func(t *testing.T, content []byte) []string
}

func functionsOf[T Element]() functions {
	return functions{valueBits[T], pieceBits[T], func(w io.Writer, h Header, bytes []byte) error {
		return Write("some.npy", w, h, elementsOf[T](bytes))
	}, fuzzArray[T], npyioBits[T]}
}

// TestEveryTypeIsTried checks that NumPy wrote files of all types, in both byte orders and both orders of elements.
func TestEveryTypeIsTried(t *testing.T) {
	files := map[string]bool{}
	for _, a := range numpyArrays(t) {
		files[a.File] = true
	}
	for d := Float32; d.valid(); d++ {
		require.Contains(t, typed, d)
		for _, order := range []string{"c", "f"} {
			assert.True(t, files[dtypes[d].code+"_le_"+order+"_2x3x4.npy"], d)
			assert.Equal(t, d.Size() > 1, files[dtypes[d].code+"_be_"+order+"_2x3x4.npy"], d)
		}
	}
}

func TestReadNumPyFiles(t *testing.T) {
	for _, want := range numpyArrays(t) {
		if want.Member != "" {
			continue
		}
		t.Run(want.File, func(t *testing.T) {
			path := filepath.Join("testdata", want.File)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for name, r := range map[string]io.Reader{
				"of known length":  bytes.NewReader(content),
				"of no length":     io.MultiReader(bytes.NewReader(content)),
				"by single bytes":  iotest.OneByteReader(bytes.NewReader(content)),
				"with data at EOF": iotest.DataErrReader(io.MultiReader(bytes.NewReader(content))),
			} {
				a, err := Read(want.File, r)
				require.NoError(t, err, name)
				requireArray(t, want, a)
			}
			a, err := Open(path)
			require.NoError(t, err)
			defer a.Close()
			requireArray(t, want, a)
		})
	}
}

func TestReadNumPyArchives(t *testing.T) {
	names := map[string][]string{}
	for _, want := range numpyArrays(t) {
		if want.Member == "" {
			continue
		}
		names[want.File] = append(names[want.File], want.Member)
		archive, err := OpenArchive(filepath.Join("testdata", want.File))
		require.NoError(t, err)
		a, err := archive.Read(want.Member)
		require.NoError(t, err)
		require.NoError(t, archive.Close())
		requireArray(t, want, a)
	}
	require.Len(t, names, 2)
	for file, want := range names {
		archive, err := OpenArchive(filepath.Join("testdata", file))
		require.NoError(t, err)
		assert.Equal(t, want, archive.Names())
		require.NoError(t, archive.Close())
	}
}

func TestRefuseNumPyFiles(t *testing.T) {
	for file, reason := range map[string]string{
		"object":     "pickled Python objects",
		"structured": "a structured dtype",
		"complex64":  `the dtype "<c8"`,
		"datetime64": `the dtype "<M8[s]"`,
		"string":     `the dtype "<U2"`,
		"float128":   `the dtype "<f16"`,
	} {
		path := filepath.Join("testdata", "refused_"+file+".npy")
		_, err := Open(path)
		require.ErrorContains(t, err, reason)
		require.ErrorContains(t, err, path)
		require.ErrorAs(t, err, new(*FormatError))
	}
}

// TestWriteNumPyBytes writes the arrays that NumPy wrote and requires identical files, except those in big-endian or Fortran order or
// of later versions, which this package doesn't write.
func TestWriteNumPyBytes(t *testing.T) {
	written := 0
	for _, want := range numpyArrays(t) {
		if want.Member != "" || strings.Contains(want.File, "_be_") || strings.Contains(want.File, "_f_") || want.File[0] == 'v' {
			continue
		}
		content, err := os.ReadFile(filepath.Join("testdata", want.File))
		require.NoError(t, err)
		var b bytes.Buffer
		writeBits(t, &b, want)
		require.Equal(t, content, b.Bytes(), want.File)
		written++
	}
	require.Greater(t, written, 20)
}

func writeBits(t testing.TB, w io.Writer, a numpyArray) {
	h := Header{Shape: a.Shape}
	for d := Float32; d.valid(); d++ {
		if d.String() == a.DType {
			h.DType = d
		}
	}
	size := h.DType.Size()
	values := alignedBytes(len(a.Bits) * size)
	for i, word := range a.Bits {
		v, err := strconv.ParseUint(word, 16, 64)
		require.NoError(t, err)
		for k := range size {
			at := k
			if bigEndianHost {
				at = size - 1 - k
			}
			values[i*size+at] = byte(v >> (8 * k))
		}
	}
	require.NoError(t, typed[h.DType].write(w, h, values))
}

func TestNumPyHeads(t *testing.T) {
	text, err := os.ReadFile("testdata/heads.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Greater(t, len(lines), 100)
	for _, line := range lines {
		var code, dims, sum string
		var length int
		_, err := fmt.Sscan(line, &code, &dims, &length, &sum)
		require.NoError(t, err)
		h := Header{Shape: []int{}}
		for d := Float32; d.valid(); d++ {
			if dtypes[d].code == code {
				h.DType = d
			}
		}
		if dims != "-" {
			for _, d := range strings.Split(dims, ",") {
				n, err := strconv.Atoi(d)
				if err != nil {
					t.Skipf("%s: %v", line, err) // int has 32 bits
				}
				h.Shape = append(h.Shape, n)
			}
		}
		head := encodeHeader(h)
		require.Len(t, head, length, line)
		require.Equal(t, sum, fmt.Sprintf("%x", sha256.Sum256(head)), "%s\n%q", line, head)
		if _, err := h.Len(); err == nil {
			l, err := readLayout("head", bytes.NewReader(head))
			require.NoError(t, err)
			require.Equal(t, h, l.Header)
			require.EqualValues(t, length, l.offset)
		}
	}
}
