package npy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
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
	for i, v := range values {
		switch v := any(v).(type) {
		case float32:
			s[i] = fmt.Sprintf("%08x", math.Float32bits(v))
		case float64:
			s[i] = fmt.Sprintf("%016x", math.Float64bits(v))
		case uint16:
			s[i] = fmt.Sprintf("%04x", v)
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
		var got []string
		switch a.Header().DType {
		case Float32:
			got = pieceBits[float32](t, a, n)
		case Float64:
			got = pieceBits[float64](t, a, n)
		default:
			got = pieceBits[uint16](t, a, n)
		}
		require.Equal(t, strings.Join(want.Bits, " "), strings.Join(got, " "), "in pieces of %d", n)
	}
	var got []string
	switch a.Header().DType {
	case Float32:
		got = valueBits[float32](t, a)
	case Float64:
		got = valueBits[float64](t, a)
	default:
		got = valueBits[uint16](t, a)
	}
	require.Equal(t, strings.Join(want.Bits, " "), strings.Join(got, " "))
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
		"int32":      `the dtype "<i4"`,
		"complex64":  `the dtype "<c8"`,
		"bool":       `the dtype "|b1"`,
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
		switch want.DType {
		case "float32":
			writeBits[float32](t, &b, want)
		case "float64":
			writeBits[float64](t, &b, want)
		default:
			writeBits[uint16](t, &b, want)
		}
		require.Equal(t, content, b.Bytes(), want.File)
		written++
	}
	require.Greater(t, written, 20)
}

func writeBits[T Element](t testing.TB, w io.Writer, a numpyArray) {
	values := make([]T, len(a.Bits))
	for i, word := range a.Bits {
		v, err := strconv.ParseUint(word, 16, 64)
		require.NoError(t, err)
		switch p := any(&values[i]).(type) {
		case *float32:
			*p = math.Float32frombits(uint32(v))
		case *float64:
			*p = math.Float64frombits(v)
		case *uint16:
			*p = uint16(v)
		}
	}
	dtype := map[string]DType{"float32": Float32, "float64": Float64, "float16": Float16, "uint16": Uint16}[a.DType]
	require.NoError(t, Write(a.File, w, Header{dtype, a.Shape}, values))
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
